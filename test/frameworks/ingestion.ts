import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** What a telemetry backend was sent. */
export interface Sent {
  path: string;
  text: string;
}

/** A telemetry backend's door: takes whatever comes, and answers any other request with a word. */
export async function startIngestion(): Promise<{ url: string; take(): Sent[]; stop(): Promise<void> }> {
  let sent: Sent[] = [];
  const server = createServer(async (request, response) => {
    const path = new URL(request.url!, 'http://x').pathname;
    const text = await textOf(request);
    if (request.method === 'POST') sent.push({ path, text });
    response.end(request.method === 'POST' ? '{}' : 'hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = sent;
      sent = [];
      return taken;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
}

/** A document without what is another each time it is made. */
export function steady(value: unknown, changing: RegExp): unknown {
  if (Array.isArray(value)) return value.map((each) => steady(each, changing));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !changing.test(key))
      .map(([key, each]) => [key, steady(each, changing)]),
  );
}
