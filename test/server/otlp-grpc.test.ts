import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_BODY_BYTES } from '../../src/server/body.ts';
import { goldenCapture } from '../support/captures.ts';
import { CA, CLIENT, FOREIGN, SERVER } from '../support/certificates.ts';
import { exportBy } from '../support/grpc.ts';
import { recordOf, unshippedOf } from '../support/ledger-kit.ts';
import { type Receiver, type ReceiverOptions, startReceiver } from '../support/receiver.ts';
import { tokenOf } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const OK = 0;
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

const capture = goldenCapture('vercel_ai-7.0.173');
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  expect(receiver.failures).toEqual([]);
  expect(receiver.budget.held).toBe(0);
  await receiver.close();
});

async function instead(options: ReceiverOptions): Promise<void> {
  await receiver.close();
  receiver = await startReceiver(options);
}

const post = (path: string, body: Uint8Array, headers: { [name: string]: string } = {}) =>
  fetch(receiver.url + path, {
    method: 'POST',
    body: body as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/x-protobuf', ...headers },
  });

/** One span without an id, in protobuf: resource_spans > scope_spans > spans > name. */
const broken = Buffer.from([0x0a, 7, 0x12, 5, 0x12, 3, 0x2a, 1, 0x78]);

describe('OTLP over gRPC', () => {
  it.each([false, true])('takes traces, logs and metrics; gzip %s', async (gzip) => {
    const { logs } = goldenCapture('opentelemetry_instrumentation-openai-0.22.0');
    const traces = await exportBy(receiver.grpc, 'traces', capture.protobuf, { gzip });
    expect(traces).toMatchObject({ code: OK, body: Buffer.alloc(0) });
    // `unshipped` gives only what fdatasync has confirmed.
    const recorded = unshippedOf(receiver.journal).length;
    expect(recorded).toBeGreaterThan(20);
    expect((await exportBy(receiver.grpc, 'logs', logs!.protobuf, { gzip })).code).toBe(OK);
    expect(unshippedOf(receiver.journal).length).toBeGreaterThan(recorded);
    expect((await exportBy(receiver.grpc, 'metrics', Buffer.from('anything'), { gzip })).code).toBe(OK);
    expect((await exportBy(receiver.grpc, 'traces', Buffer.alloc(0), { gzip })).code).toBe(OK);
  });

  it('records a span that comes over HTTP too once', async () => {
    await Promise.all([
      post('/v1/traces', capture.protobuf),
      exportBy(receiver.grpc, 'traces', capture.protobuf),
      exportBy(receiver.grpc, 'traces', capture.protobuf, { gzip: true }),
    ]);
    const places = unshippedOf(receiver.journal)
      .map(recordOf)
      .map(({ action, phase, trace, tool }) => JSON.stringify([action, phase, trace, tool?.call_id]));
    const { records, duplicates, spans } = receiver.intake.counts;
    expect(spans % 3).toBe(0);
    expect(duplicates).toBeGreaterThan(0);
    const other = await startReceiver();
    expect((await exportBy(other.grpc, 'traces', capture.protobuf)).code).toBe(OK);
    expect(records).toBe(other.intake.counts.records);
    expect(places).toHaveLength(unshippedOf(other.journal).length);
    await other.close();
  });

  it('tells of a partial success in the bytes HTTP does', async () => {
    const byGrpc = await exportBy(receiver.grpc, 'traces', broken);
    expect(byGrpc.code).toBe(OK);
    expect(byGrpc.body.toString('latin1')).toContain('could not be understood');
    const byHttp = Buffer.from(await (await post('/v1/traces', broken)).arrayBuffer());
    // Known already, it is a duplicate, and still rejected.
    expect(byHttp).toEqual(byGrpc.body);
  });

  it('refuses bytes that are no OTLP, and what it has not', async () => {
    const cut = await exportBy(receiver.grpc, 'traces', capture.protobuf.subarray(0, 50));
    expect(cut).toMatchObject({ code: INVALID_ARGUMENT, details: undefined });
    const service = '/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export';
    expect((await exportBy(receiver.grpc, 'traces', broken, { service })).code).toBe(UNIMPLEMENTED);
    expect(unshippedOf(receiver.journal)).toEqual([]);
  });

  it('refuses what is too large, as sent and as inflated, and does not hold it', async () => {
    const zeros = Buffer.alloc(MAX_BODY_BYTES + 1);
    expect((await exportBy(receiver.grpc, 'traces', zeros)).code).toBe(RESOURCE_EXHAUSTED);
    // 256 MiB in 256 KiB, and its sixteen brothers.
    const bomb = Buffer.alloc(256 * 1024 * 1024);
    const before = process.memoryUsage.rss();
    expect((await exportBy(receiver.grpc, 'traces', bomb, { gzip: true })).code).toBe(RESOURCE_EXHAUSTED);
    expect(process.memoryUsage.rss() - before).toBeLessThan(700 * 1024 * 1024);
    expect((await exportBy(receiver.grpc, 'traces', capture.protobuf)).code).toBe(OK);
  });

  it('asks to come again, and when, where the budget is spent', async () => {
    await instead({ maxHeldBytes: 1_000 });
    const { code, details } = await exportBy(receiver.grpc, 'traces', capture.protobuf);
    expect(code).toBe(RESOURCE_EXHAUSTED);
    expect(retryIn(details!)).toBe(1);
  });

  it('asks to come again, and when, while the journal is full', async () => {
    await instead({ maxJournalBytes: 1 });
    await exportBy(receiver.grpc, 'traces', capture.protobuf);
    const { code, message, details } = await exportBy(
      receiver.grpc,
      'traces',
      goldenCapture('mastra_otel-exporter-1.4.0_core-1.71.0').protobuf,
    );
    expect(code).toBe(UNAVAILABLE);
    expect(retryIn(details!)).toBe(30);
    expect(details!.toString('latin1')).toContain(message);
  });
});

describe('gRPC senders', () => {
  beforeEach(() =>
    instead({ tokens: [tokenOf('sender', ['ingest'], 'acme'), tokenOf('reader', ['read', 'report'])] }),
  );

  it('need a token with the right to send, before they send anything', async () => {
    for (const body of [capture.protobuf, Buffer.alloc(MAX_BODY_BYTES + 1)]) {
      expect((await exportBy(receiver.grpc, 'traces', body)).code).toBe(UNAUTHENTICATED);
      expect((await exportBy(receiver.grpc, 'logs', body, { token: 'wrong' })).code).toBe(UNAUTHENTICATED);
      expect((await exportBy(receiver.grpc, 'metrics', body, { token: 'reader' })).code).toBe(
        PERMISSION_DENIED,
      );
    }
    expect(unshippedOf(receiver.journal)).toEqual([]);
    expect((await exportBy(receiver.grpc, 'traces', capture.protobuf, { token: 'sender' })).code).toBe(OK);
    const tenants = unshippedOf(receiver.journal).map(recordOf);
    expect(new Set(tenants.filter(({ trace }) => trace !== undefined).map(({ tenant }) => tenant))).toEqual(
      new Set(['acme']),
    );
  });

  it('are answered before their message comes, where they may not send', async () => {
    const session = connectHttp2(`http://${receiver.grpc}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const status = await new Promise((resolve) => {
      stream.on('response', (headers) => resolve(headers['grpc-status']));
    });
    expect(status).toBe(String(UNAUTHENTICATED));
    session.destroy();
  });
});

describe('gRPC over TLS', () => {
  const by = (root: Buffer | null, pair?: { cert: Buffer; key: Buffer }) =>
    credentials.createSsl(root, pair?.key ?? null, pair?.cert ?? null);
  const send = (channel: ReturnType<typeof by>) =>
    exportBy(receiver.grpc, 'traces', capture.protobuf, { credentials: channel });

  it('is taken from clients who trust its certificate, and from nobody in the clear', async () => {
    await instead({ certificates: SERVER });
    expect((await send(by(CA))).code).toBe(OK);
    expect((await send(by(null))).code).toBe(UNAVAILABLE);
    expect((await exportBy(receiver.grpc, 'traces', capture.protobuf)).code).toBe(UNAVAILABLE);
  });

  it('with an authority for clients hears only those of it', async () => {
    await instead({ certificates: { ...SERVER, ca: CA } });
    expect((await send(by(CA, CLIENT))).code).toBe(OK);
    expect((await send(by(CA))).code).toBe(UNAVAILABLE);
    expect((await send(by(CA, FOREIGN))).code).toBe(UNAVAILABLE);
  });
});

describe('closing gRPC', () => {
  it.each([
    ['in the clear', {}],
    ['over TLS', { certificates: SERVER }],
  ])('%s waits for nobody who says nothing', async (_, options) => {
    await instead(options);
    const [host, port] = receiver.grpc.split(':') as [string, string];
    const socket = connect(Number(port), host);
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    const other = await startReceiver();
    const { grpcServer } = receiver;
    await grpcServer.close(50);
    await other.close();
    socket.destroy();
  });

  it('answers what is under way', async () => {
    const answers = Promise.all(
      Array.from({ length: 5 }, () => exportBy(receiver.grpc, 'traces', capture.protobuf)),
    );
    await until(() => receiver.intake.counts.spans > 0);
    await receiver.grpcServer.close();
    for (const { code } of await answers) expect([OK, UNAVAILABLE]).toContain(code);
  });
});

/** Seconds of the google.rpc.RetryInfo in a google.rpc.Status. */
function retryIn(status: Buffer): number {
  const type = 'type.googleapis.com/google.rpc.RetryInfo';
  const at = status.indexOf(type);
  expect(at).toBeGreaterThan(0);
  // value > retry_delay > seconds
  const [value, , delay, , seconds, number] = status.subarray(at + type.length);
  expect([value, delay, seconds]).toEqual([0x12, 0x0a, 0x08]);
  return number!;
}
