import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Forward } from '../../src/server/forward.ts';
import { goldenCapture } from '../support/captures.ts';
import { exportBy } from '../support/grpc.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { bearer, tokenOf } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const { protobuf, json } = goldenCapture('vercel_ai-7.0.173');

interface Got {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Another backend: it keeps what it got, and answers as told. */
class Backend {
  readonly got: Got[] = [];
  answer: (response: ServerResponse) => void = (response) => response.end();
  url = '';

  static async start(): Promise<Backend> {
    const backend = new Backend();
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      backend.got.push({ path: request.url!, headers: request.headers, body: Buffer.concat(chunks) });
      backend.answer(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    backend.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return backend;
  }
}

async function receiving(forward: Forward, tokens = [] as ReturnType<typeof tokenOf>[]): Promise<Receiver> {
  const receiver = await startReceiver({ forward, tokens });
  onTestFinished(async () => {
    await forward.close(0);
    await receiver.close();
  });
  return receiver;
}

const forwardTo = (
  endpoint: string,
  more: { max_queue_bytes?: number; headers?: { [name: string]: string } } = {},
) => new Forward({ endpoint, headers: {}, max_queue_bytes: 64 * 1024 * 1024, ...more });

const post = (
  receiver: Receiver,
  body: Uint8Array,
  headers: { [name: string]: string } = {},
  path = '/v1/traces',
) =>
  fetch(receiver.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf', ...headers },
    body: body as Uint8Array<ArrayBuffer>,
  });

describe('what is forwarded', () => {
  it('is the bytes that came, in their encoding, without the token they came under', async () => {
    const backend = await Backend.start();
    const forward = forwardTo(`${backend.url}/otlp/`, { headers: { 'x-key': 'ours' } });
    const receiver = await receiving(forward, [tokenOf('sender', ['ingest'])]);
    const zipped = gzipSync(protobuf, { level: 1 });
    const type = 'application/json; charset=utf-8';
    await post(receiver, zipped, { ...bearer('sender'), 'content-encoding': 'gzip' });
    await post(receiver, json, { ...bearer('sender'), 'content-type': type });
    await post(receiver, Buffer.from('any'), bearer('sender'), '/v1/metrics');
    await exportBy(receiver.grpc, 'traces', protobuf, { token: 'sender', gzip: true });
    await until(() => forward.counts.sent === 4);
    const told = backend.got.map(({ path, headers, body }) => ({
      path,
      type: headers['content-type'],
      encoding: headers['content-encoding'],
      key: headers['x-key'],
      authorization: headers.authorization,
      body: body.toString('base64'),
    }));
    const plain = {
      key: 'ours',
      authorization: undefined,
      encoding: undefined,
      type: 'application/x-protobuf',
    };
    expect(told).toHaveLength(4);
    expect(told).toEqual(
      expect.arrayContaining([
        { ...plain, path: '/otlp/v1/traces', encoding: 'gzip', body: zipped.toString('base64') },
        { ...plain, path: '/otlp/v1/traces', type, body: json.toString('base64') },
        { ...plain, path: '/otlp/v1/metrics', body: Buffer.from('any').toString('base64') },
        { ...plain, path: '/otlp/v1/traces', body: protobuf.toString('base64') },
      ]),
    );
    expect(forward.queuedBytes).toBe(0);
  });

  it('is only what was acknowledged', async () => {
    const backend = await Backend.start();
    const forward = forwardTo(backend.url);
    const receiver = await receiving(forward, [tokenOf('sender', ['ingest'])]);
    expect((await post(receiver, protobuf)).status).toBe(401);
    expect((await post(receiver, protobuf.subarray(0, 50), bearer('sender'))).status).toBe(400);
    expect((await post(receiver, protobuf, { ...bearer('sender'), 'content-encoding': 'gzip' })).status).toBe(
      400,
    );
    await exportBy(receiver.grpc, 'traces', protobuf.subarray(0, 50), { token: 'sender' });
    await forward.close(1_000);
    expect(backend.got).toEqual([]);
    expect(forward.counts).toEqual({ sent: 0, dropped: 0, retries: 0 });
  });
});

describe('a backend', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['hangs', () => undefined],
    ['answers 503', (response) => response.writeHead(503).end()],
    ['hangs up', (response) => response.destroy()],
  ])('that %s holds up nobody, and its queue is bounded', async (_, answer) => {
    const backend = await Backend.start();
    backend.answer = answer;
    const room = protobuf.length * 10;
    const forward = forwardTo(backend.url, { max_queue_bytes: room });
    const receiver = await receiving(forward);
    for (let i = 0; i < 40; i++) expect((await post(receiver, protobuf)).status).toBe(200);
    expect(forward.queuedBytes).toBeLessThanOrEqual(room);
    expect(forward.counts.sent).toBe(0);
    expect(forward.counts.dropped).toBeGreaterThanOrEqual(30);
    await forward.close(20);
    expect(forward.counts.dropped).toBe(40);
  });

  it('that is not there is tried again, and gets all when it is', async () => {
    const backend = await Backend.start();
    let refused = 0;
    backend.answer = (response) => response.writeHead(refused++ < 5 ? 429 : 200).end();
    const forward = forwardTo(backend.url);
    for (let i = 0; i < 8; i++)
      forward.send({ path: '/v1/traces', type: 'x/y', encoding: 'identity', body: Buffer.from([i]) });
    await until(() => forward.counts.sent === 8);
    expect(forward.counts).toMatchObject({ dropped: 0, retries: 5 });
    await forward.close(0);
  });

  it('that refuses for good is asked once', async () => {
    const backend = await Backend.start();
    backend.answer = (response) => response.writeHead(400).end();
    const forward = forwardTo(backend.url);
    forward.send({ path: '/v1/traces', type: 'x/y', encoding: 'identity', body: Buffer.alloc(1) });
    await forward.close(5_000);
    expect(backend.got).toHaveLength(1);
    expect(forward.counts).toEqual({ sent: 0, dropped: 1, retries: 0 });
  });

  it('that is away does not gather requests without a body', async () => {
    const forward = forwardTo('http://127.0.0.1:9', { max_queue_bytes: 100_000 });
    for (let i = 0; i < 10_000; i++)
      forward.send({ path: '/v1/traces', type: 'x/y', encoding: 'identity', body: Buffer.alloc(0) });
    expect(forward.counts.dropped).toBeGreaterThan(9_800);
    await forward.close(0);
    expect(forward.counts.dropped).toBe(10_000);
  });
});
