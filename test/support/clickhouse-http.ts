import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A request as ClickHouse's HTTP interface got it. */
export interface Asked {
  method: string;
  /** Search parameters but `query_id`, which is another each time. */
  parameters: { [name: string]: string };
  user: string;
  password: string;
  /** The query, wherever it stood. */
  sql: string;
  /** What came beside it: rows. */
  body: string;
}

export type Answer = (response: ServerResponse, asked: Asked) => void;

/** Rows, as a server answers. */
export const rows =
  (...lines: unknown[]): Answer =>
  (response) =>
    response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

/**
 * A stand-in for a ClickHouse server, where none can be installed: it keeps what it was asked and answers as told,
 * so that what the real client sends, and makes of a failing server, can be seen.
 */
export class HttpClickHouse {
  readonly asked: Asked[] = [];
  answer: Answer = rows();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(): Promise<HttpClickHouse> {
    const server = new HttpClickHouse();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => server.stop());
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const {
      query,
      query_id: _,
      ...parameters
    } = Object.fromEntries(new URL(request.url!, 'http://x').searchParams);
    const [user = '', password = ''] = Buffer.from(
      request.headers.authorization?.replace(/^Basic /, '') ?? '',
      'base64',
    )
      .toString()
      .split(':');
    const asked = {
      method: request.method!,
      parameters,
      user,
      password,
      sql: query ?? body,
      body: query === undefined ? '' : body,
    };
    this.asked.push(asked);
    this.answer(response, asked);
  }
}
