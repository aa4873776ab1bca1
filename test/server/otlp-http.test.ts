import { request as httpRequest } from 'node:http';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_BODY_BYTES } from '../../src/server/body.ts';
import { GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { recordOf, unshippedOf } from '../support/ledger-kit.ts';
import { anyMutations, mutate } from '../support/otlp-mutate.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { logsIn, spansIn, startRecording } from '../support/recording.ts';

const JSON_TYPE = 'application/json';
const PROTOBUF = 'application/x-protobuf';
const capture = goldenCapture('vercel_ai-7.0.173');

let sidecar: Receiver;
beforeAll(async () => {
  sidecar = await startReceiver();
});
afterAll(() => sidecar.close());

interface Answered {
  status: number;
  type: string | null;
  body: Buffer;
  headers: Headers;
}

async function post(
  path: string,
  body: Uint8Array | string,
  headers: { [name: string]: string } = {},
): Promise<Answered> {
  const answer = await fetch(`${sidecar.url}${path}`, {
    method: 'POST',
    body: body as Uint8Array<ArrayBuffer> | string,
    headers: { 'content-type': PROTOBUF, ...headers },
  });
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    body: Buffer.from(await answer.arrayBuffer()),
    headers: answer.headers,
  };
}

const span = (more: object = {}) => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), name: 'x', ...more });
const traces = (...spans: object[]) => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });

describe('OTLP over HTTP', () => {
  it.each([
    ['protobuf', capture.protobuf, PROTOBUF, {}, ''],
    ['protobuf, gzip', gzipSync(capture.protobuf), PROTOBUF, { 'content-encoding': 'gzip' }, ''],
    ['JSON', capture.json, JSON_TYPE, {}, '{}'],
    [
      'JSON, deflate',
      deflateSync(capture.json),
      `${JSON_TYPE}; charset=utf-8`,
      { 'content-encoding': 'deflate' },
      '{}',
    ],
  ])('takes %s, and answers in the same', async (_, body, type, headers, answer) => {
    const answered = await post('/v1/traces', body, { 'content-type': type, ...headers });
    expect(answered).toMatchObject({ status: 200, type: type.split(';')[0] });
    expect(answered.body.toString()).toBe(answer);
    expect(unshippedOf(sidecar.journal).length).toBeGreaterThan(20);
  });

  it('takes logs, and metrics for nothing', async () => {
    const { logs } = goldenCapture('opentelemetry_instrumentation-openai-0.22.0');
    expect((await post('/v1/logs', logs!.protobuf)).status).toBe(200);
    const contents = unshippedOf(sidecar.journal)
      .map(recordOf)
      .filter(({ details }) => details?.content_of !== undefined);
    expect(contents).toHaveLength(15);
    expect((await post('/v1/metrics', 'anything')).status).toBe(200);
  });

  it('answers an empty request with success', async () => {
    expect((await post('/v1/traces', '')).status).toBe(200);
    expect((await post('/v1/traces', '{}', { 'content-type': JSON_TYPE })).body.toString()).toBe('{}');
  });

  it('answers only when everything is durable', async () => {
    const before = unshippedOf(sidecar.journal).length;
    const tool = span({
      spanId: 'c'.repeat(16),
      attributes: [
        { key: 'gen_ai.operation.name', value: { stringValue: 'execute_tool' } },
        { key: 'gen_ai.tool.name', value: { stringValue: 't' } },
      ],
    });
    expect((await post('/v1/traces', traces(tool), { 'content-type': JSON_TYPE })).status).toBe(200);
    // `unshipped` gives only what fdatasync has confirmed.
    expect(unshippedOf(sidecar.journal)).toHaveLength(before + 1);
  });

  it('tells in a partial success what went to quarantine', async () => {
    const body = traces(span(), span({ traceId: 'no id' }));
    const json = await post('/v1/traces', body, { 'content-type': JSON_TYPE });
    expect(JSON.parse(json.body.toString())).toEqual({
      partialSuccess: { rejectedSpans: '1', errorMessage: '1 could not be understood and are in quarantine' },
    });
    expect([...sidecar.journal.quarantined()].length).toBeGreaterThan(0);
  });
});

describe('a request that is refused', () => {
  const code = (answered: Answered) =>
    JSON.parse(answered.body.toString()) as { code: number; message: string };

  it.each([
    ['no JSON', '{"resourceSpans":', JSON_TYPE],
    ['JSON of something else', '{"name":"x"}', JSON_TYPE],
  ])('for %s is a 400 with a Status in JSON', async (_, body, type) => {
    const answered = await post('/v1/traces', body, { 'content-type': type });
    expect(answered).toMatchObject({ status: 400, type: JSON_TYPE });
    expect(code(answered)).toMatchObject({ code: 3, message: expect.stringMatching(/JSON/) });
  });

  it('for bytes that are no protobuf is a 400 with a Status in protobuf', async () => {
    const answered = await post('/v1/traces', capture.protobuf.subarray(0, 50));
    expect(answered).toMatchObject({ status: 400, type: PROTOBUF });
    // 1: code 3, 2: message
    expect([...answered.body.subarray(0, 3)]).toEqual([8, 3, 18]);
  });

  it.each([
    ['/v1/nonsense', 'POST', JSON_TYPE, 404],
    ['/', 'GET', JSON_TYPE, 404],
    ['/v1/traces', 'GET', JSON_TYPE, 405],
    ['/v1/traces', 'PUT', JSON_TYPE, 405],
    ['/v1/traces', 'POST', 'text/plain', 415],
  ])('%s by %s of %s is a %d', async (path, method, type, status) => {
    const answer = await fetch(`${sidecar.url}${path}`, {
      method,
      headers: { 'content-type': type },
      ...(method === 'GET' ? {} : { body: '{}' }),
    });
    expect(answer.status).toBe(status);
    const body = await answer.json();
    // A Status at OTLP's own paths.
    expect(body).toMatchObject(
      status === 404 ? { error: { code: 'not_found' } } : { code: expect.any(Number) },
    );
    if (status === 405) expect(answer.headers.get('allow')).toBe('POST');
  });

  it('for an encoding we do not know is a 415, for one that is broken a 400', async () => {
    expect((await post('/v1/traces', 'x', { 'content-encoding': 'br' })).status).toBe(415);
    expect((await post('/v1/traces', 'x', { 'content-encoding': 'gzip' })).status).toBe(400);
    const cut = gzipSync(capture.protobuf).subarray(0, 500);
    expect((await post('/v1/traces', cut, { 'content-encoding': 'gzip' })).status).toBe(400);
  });

  it('for its size is a 413: announced, sent in chunks, or inflated', async () => {
    const zeros = Buffer.alloc(MAX_BODY_BYTES + 1);
    expect(await sendRaw(zeros, { 'content-length': String(zeros.length) })).toBe(413);
    expect(await sendRaw(zeros, { 'transfer-encoding': 'chunked' })).toBe(413);
    const bomb = gzipSync(zeros);
    expect(bomb.length).toBeLessThan(100_000);
    expect((await post('/v1/traces', bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
  });
});

describe('senders', () => {
  it('that break what they send get a 4xx, or success, and the receiver goes on', async () => {
    await fc.assert(
      fc.asyncProperty(anyMutations, fc.boolean(), async (mutations, json) => {
        const body = mutate(json ? capture.json : capture.protobuf, mutations);
        const { status } = await post('/v1/traces', body, { 'content-type': json ? JSON_TYPE : PROTOBUF });
        expect([200, 400]).toContain(status);
      }),
      { numRuns: 60 },
    );
    expect((await post('/v1/traces', capture.protobuf)).status).toBe(200);
  });

  it('eight at once, each all captures three times over, leave what one reading of them leaves', async () => {
    const other = await startReceiver();
    const before = sidecar;
    sidecar = other;
    try {
      const bodies = GOLDEN_SETS.flatMap((set) => {
        const { protobuf, logs } = goldenCapture(set);
        return [
          ['/v1/traces', protobuf] as const,
          ...(logs === undefined ? [] : [['/v1/logs', logs.protobuf] as const]),
        ];
      });
      const sender = async (first: number) => {
        for (let i = 0; i < bodies.length * 3; i++) {
          const [path, body] = bodies[(i + first * 5) % bodies.length]!;
          expect((await post(path, body)).status).toBe(200);
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, i) => sender(i)));
      const executed = unshippedOf(other.journal)
        .map(recordOf)
        .filter(({ tool }) => tool?.evidence === 'executed' && tool.call_id === undefined);
      const once = startRecording();
      for (const set of GOLDEN_SETS) {
        const { protobuf, logs } = goldenCapture(set);
        once.commit(spansIn(protobuf));
        if (logs !== undefined) once.commitLogs(logsIn(logs.protobuf));
      }
      const expected = (await once.records()).filter(
        ({ tool }) => tool?.evidence === 'executed' && tool.call_id === undefined,
      );
      const spansOf = (records: typeof expected) =>
        records.map(({ action, trace }) => `${action} ${trace?.span_id}`).sort();
      expect(spansOf(executed)).toEqual(spansOf(expected));
    } finally {
      sidecar = before;
      await other.close();
    }
  });
});

/** As fetch would not: it decides of the length itself. Resolves with the status. */
function sendRaw(body: Buffer, headers: { [name: string]: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${sidecar.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': PROTOBUF, ...headers },
    });
    sent.once('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    });
    // The receiver hangs up once it has answered.
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error);
    });
    sent.end(body);
  });
}
