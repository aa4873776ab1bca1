import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

export interface Said {
  status: number;
  headers?: { [name: string]: string };
  body?: string | Uint8Array;
}

type Told = Said | 'never';
export type Answering = (request: IncomingMessage, body: Buffer) => Told | Promise<Told>;

/** An HTTP server of this test's, gone when it is. */
export async function serving(answering: Answering): Promise<string> {
  const server = createServer((request, response) => void answer(request, response));
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const said = await answering(request, await buffer(request));
    if (said === 'never') return;
    response.writeHead(said.status, said.headers);
    response.end(request.method === 'HEAD' ? undefined : said.body);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address where nobody listens. */
export async function nobodyAt(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return `http://127.0.0.1:${port}`;
}
