import { type Serving, serve } from '../support/serve.ts';

/** `spanledger serve`, which keeps its ports when it is started again: who sends to it is not told of new ones. */
export class Sidecar {
  readonly dir: string;
  /** The URL of OTLP/HTTP. */
  readonly http: string;
  /** The address of OTLP/gRPC. */
  readonly grpc: string;
  #serving: Serving;

  private constructor(dir: string, serving: Serving) {
    this.dir = dir;
    this.http = serving.otlp;
    this.grpc = serving.grpc;
    this.#serving = serving;
  }

  static async start(dir: string): Promise<Sidecar> {
    return new Sidecar(dir, await serve(dir));
  }

  async kill(): Promise<void> {
    await this.#serving.stop('SIGKILL');
  }

  async restart(): Promise<void> {
    const listen = ['--otlp-listen', new URL(this.http).host, '--otlp-grpc-listen', this.grpc];
    this.#serving = await serve(this.dir, listen);
  }

  /** Drains, so that the ledger holds everything that was acknowledged. Resolves with the exit code. */
  async stop(): Promise<number | null> {
    return await this.#serving.stop('SIGTERM');
  }
}
