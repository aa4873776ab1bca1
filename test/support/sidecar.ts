import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const ANYWHERE = ['otlp', 'otlp-grpc', 'admin'].flatMap((each) => [`--${each}-listen`, '127.0.0.1:0']);

export interface SidecarSetup {
  dir: string;
  /** A server's; the directory's own engine where absent. */
  url?: string | undefined;
  env?: NodeJS.ProcessEnv;
}

/** Where one listens, as it says itself. */
export interface Listening {
  otlp: string;
  grpc: string;
  admin: string;
}

/** A real `spanledger serve`, of the built command line, on free ports. */
export class Sidecar {
  readonly process: ChildProcess;
  /** Undefined when it ends before it listens. */
  readonly listening: Promise<Listening | undefined>;
  readonly gone: Promise<{ code: number | null; signal: string | null }>;
  stderr = '';

  constructor({ dir, url, env = {} }: SidecarSetup) {
    const { SPANLEDGER_DIR: _dir, CLICKHOUSE_URL: _url, SPANLEDGER_LEDGER_ID: _id, ...ours } = process.env;
    const store = url === undefined ? [] : ['--url', url];
    const args = ['dist/src/cli/main.js', 'serve', '--json', '--dir', dir, ...store, ...ANYWHERE];
    this.process = spawn(process.execPath, args, {
      env: { ...ours, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void this.process.kill('SIGKILL'));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.gone = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (code, signal) => resolve({ code, signal }));
    });
    const said = new Promise<Listening | undefined>((resolve) => {
      createInterface({ input: this.process.stdout! }).once('line', (line) => {
        const document = JSON.parse(line) as Listening | { error: object };
        resolve('error' in document ? undefined : document);
      });
    });
    this.listening = Promise.race([said, this.gone.then(() => undefined)]);
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.gone;
  }

  /** Has it drain, and resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.process.kill('SIGTERM');
    return (await this.gone).code;
  }
}
