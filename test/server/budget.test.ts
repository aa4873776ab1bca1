import { type ClientRequest, request } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Budget, Holding } from '../../src/server/budget.ts';
import { goldenCapture } from '../support/captures.ts';
import { type Receiver, type ReceiverOptions, startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

const capture = goldenCapture('vercel_ai-7.0.173').protobuf;
const LIMIT = 1024 * 1024;

let receiver: Receiver;
const start = async (options: ReceiverOptions = { maxHeldBytes: LIMIT }) => {
  receiver = await startReceiver(options);
};
beforeEach(() => start());
afterEach(async () => {
  await until(() => receiver.budget.held === 0);
  expect(receiver.failures).toEqual([]);
  await receiver.close();
});

const post = (body: Uint8Array, headers: { [name: string]: string } = {}) =>
  fetch(`${receiver.url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf', ...headers },
    body: body as Uint8Array<ArrayBuffer>,
  });

/** A request whose body is not over yet. */
function begin(length: number, first: Uint8Array): ClientRequest {
  const sent = request(`${receiver.url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf', 'content-length': length },
    agent: false,
  });
  sent.on('error', () => undefined);
  sent.write(first);
  return sent;
}

/** Bytes as they stand, on a connection of their own; what came back when it was over. */
function raw(text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(receiver.url).port), '127.0.0.1', () => socket.write(text));
    let said = '';
    socket.on('data', (data: Buffer) => (said += data.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(said));
    socket.setTimeout(300, () => socket.end());
  });
}

describe('the budget', () => {
  it('gives nothing where there is not enough, and takes all back', () => {
    const budget = new Budget(10);
    const [one, other] = [new Holding(budget), new Holding(budget)];
    one.take(6);
    expect(() => other.take(5)).toThrow('too much is under way');
    other.take(4);
    one.release();
    one.release();
    expect(budget.held).toBe(4);
    other.release();
    expect(budget.held).toBe(0);
  });

  it('exceeded is a 429 that says when to come again, and passes', async () => {
    const held = begin(LIMIT, Buffer.alloc(LIMIT - 100));
    await until(() => receiver.budget.held > LIMIT - 1_000);
    const answer = await post(capture);
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('1');
    held.destroy();
    await until(() => receiver.budget.held === 0);
    expect((await post(capture)).status).toBe(200);
  });

  it('counts what a body inflates to', async () => {
    const zeros = gzipSync(Buffer.alloc(LIMIT + 1));
    expect((await post(zeros, { 'content-encoding': 'gzip' })).status).toBe(429);
  });

  it('has all back of senders that hang up, stop half-way, or lie of their length', async () => {
    const head = (more: string) =>
      `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n${more}\r\n\r\n`;
    const body = 'x'.repeat(10_000);
    const said = await Promise.all([
      raw(head('content-length: 20000') + body),
      raw(head('content-length: 5') + body),
      raw(head('content-length: -5') + body),
      raw(head('content-length: 99999999999') + body),
      raw(head('transfer-encoding: chunked') + body),
      raw(`${head('transfer-encoding: chunked')}2710\r\n${body}`),
      raw(head('transfer-encoding: chunked\r\ncontent-length: 5') + body),
      raw(head('content-encoding: gzip\r\ncontent-length: 10000') + body),
      raw(head('expect: 100-continue\r\ncontent-length: 20000')),
      ...Array.from({ length: 20 }, (_, i) => raw(head('content-length: 20000') + body.slice(0, i * 500))),
    ]);
    for (const each of said) expect(each).not.toMatch(/^HTTP\/1\.1 (2|5)/);
    await until(() => receiver.budget.held === 0);
    expect((await post(capture)).status).toBe(200);
  });
});

describe('closing', () => {
  it('answers the request under way, on a kept connection, and is over at once', async () => {
    const half = capture.length / 2;
    const sent = begin(capture.length, capture.subarray(0, half));
    sent.shouldKeepAlive = true;
    await until(() => receiver.budget.held > 0);
    const closed = receiver.httpServer.close(60_000);
    const answer = new Promise<{ status: number; connection: string | undefined }>((resolve) =>
      sent.once('response', (response) => {
        response.resume();
        resolve({ status: response.statusCode!, connection: response.headers.connection });
      }),
    );
    sent.end(capture.subarray(half));
    expect(await answer).toEqual({ status: 200, connection: 'close' });
    await closed;
  });

  it('waits for a sender that never finishes so long, and for those who keep a connection not at all', async () => {
    expect((await post(capture)).status).toBe(200);
    const sent = begin(LIMIT, Buffer.alloc(10));
    await until(() => receiver.budget.held > 0);
    const cut = new Promise((resolve) => sent.once('error', resolve));
    await receiver.httpServer.close(50);
    await cut;
  });
});
