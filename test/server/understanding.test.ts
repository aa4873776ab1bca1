import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { type Understanding, understandHere } from '../../src/server/understanding.ts';
import { type PolicyGiven, UnderstandingPool } from '../../src/server/understanding-pool.ts';
import { corpusCaptures, GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { MASTER, POLICY } from '../support/ledger-kit.ts';

const GIVEN: PolicyGiven = { master: MASTER, document: BUILTIN_POLICY };
const WORKER = new URL('../../dist/src/server/understanding-worker.js', import.meta.url);
const large = goldenCapture('vercel_ai-7.0.173').protobuf;

function newPool(options: { threads?: number; start?: (policy: PolicyGiven) => Worker } = {}) {
  const pool = new UnderstandingPool({ ...GIVEN, ...options });
  onTestFinished(() => pool.close());
  return pool;
}

/** Threads as they are started, so that tests can end them. */
function watched() {
  const started: Worker[] = [];
  const start = (policy: PolicyGiven) => {
    const worker = new Worker(WORKER, { workerData: policy });
    started.push(worker);
    return worker;
  };
  return { started, start };
}

/** To the byte: what is recorded of an item is made of this. */
const bytesOf = (read: unknown) => JSON.stringify(read);

describe('a pool of threads', () => {
  const here = understandHere(POLICY);
  let pool: Understanding;
  beforeAll(() => {
    pool = new UnderstandingPool({ ...GIVEN, threads: 2 });
  });
  afterAll(() => pool.close());

  const captures = [...GOLDEN_SETS.map(goldenCapture), ...corpusCaptures()];
  const bodies = captures.flatMap(({ set, json, protobuf, logs }) => [
    { set, signal: 'traces' as const, encoding: 'json' as const, body: json },
    { set, signal: 'traces' as const, encoding: 'protobuf' as const, body: protobuf },
    ...(logs === undefined
      ? []
      : [
          { set, signal: 'logs' as const, encoding: 'json' as const, body: logs.json },
          { set, signal: 'logs' as const, encoding: 'protobuf' as const, body: logs.protobuf },
        ]),
  ]);

  it.each(bodies)('reads the $signal of $set in $encoding as this thread does', async (each) => {
    const { signal, encoding, body } = each;
    const [there, expected] = await Promise.all(
      [pool, here].map((one) => one.read(signal, encoding, body, undefined)),
    );
    expect(bytesOf(there)).toBe(bytesOf(expected));
    expect(there).toEqual(expected);
    if (signal === 'traces') expect(expected!.spans).toBeGreaterThan(0);
  });

  it('reads many at once, each for its own sender', async () => {
    const tenants = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? undefined : `tenant-${i}`));
    const read = (one: Understanding) =>
      Promise.all(tenants.map((tenant) => one.read('traces', 'protobuf', large, tenant)));
    expect(bytesOf(await read(pool))).toBe(bytesOf(await read(here)));
  });

  it('carries names and texts that are no ordinary ones', async () => {
    const odd = '{"__proto__":{"a":1},"constructor":-0,"lone":"\\ud800","big":123456789012345678901}';
    const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
    const span = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      attributes: [
        attribute('gen_ai.operation.name', 'execute_tool'),
        attribute('gen_ai.tool.name', 'x'),
        attribute('gen_ai.tool.call.arguments', odd),
        attribute('padding', 'x'.repeat(4_096)),
      ],
    };
    const unreadable = { ...span, traceId: 'zz' };
    const body = Buffer.from(
      JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span, unreadable] }] }] }),
    );
    const there = await pool.read('traces', 'json', body);
    expect(bytesOf(there)).toBe(bytesOf(await here.read('traces', 'json', body)));
    expect(there.items.map(({ what }) => what)).toEqual(['activity', 'quarantine']);
    expect(there.spans).toBe(2);
  });

  it.each([
    ['protobuf', Buffer.alloc(5_000, 0xff)],
    ['json', Buffer.from(`{"resourceSpans": ${' '.repeat(5_000)}`)],
    ['json', Buffer.from('[]')],
  ] as const)('refuses what is no %s with the same code and words', async (encoding, body) => {
    const [there, expected] = await Promise.all(
      [pool, here].map((one) =>
        one.read('traces', encoding, body, undefined).catch((error: unknown) => error),
      ),
    );
    expect(expected).toMatchObject({ name: 'SpanledgerError', code: 'otlp_undecodable' });
    expect(there).toEqual(expected);
    expect((there as Error).message).toBe((expected as Error).message);
  });

  it('leaves the body as it is, and all that lies beside it in memory', async () => {
    const shared = Buffer.concat([Buffer.from('before'), large, Buffer.from('behind')]);
    const body = shared.subarray(6, 6 + large.length);
    const copy = Buffer.from(shared);
    await pool.read('traces', 'protobuf', body);
    expect(shared.equals(copy)).toBe(true);
  });
});

describe('a thread that dies', () => {
  it('loses nothing: another answers', async () => {
    const { started, start } = watched();
    const pool = newPool({ threads: 2, start });
    const reads = Array.from({ length: 12 }, () => pool.read('traces', 'protobuf', large));
    await started[0]!.terminate();
    const expected = bytesOf(await understandHere(POLICY).read('traces', 'protobuf', large));
    for (const read of await Promise.all(reads)) expect(bytesOf(read)).toBe(expected);
    expect(started).toHaveLength(3);
  });

  it('with its successor takes only what both were given, and the sender is told to come again', async () => {
    const { started, start } = watched();
    const pool = newPool({
      threads: 1,
      start: (policy) => {
        const worker = start(policy);
        if (started.length <= 2) void worker.terminate();
        return worker;
      },
    });
    const reads = await Promise.allSettled(
      Array.from({ length: 6 }, () => pool.read('traces', 'protobuf', large)),
    );
    const refused = reads.filter((each) => each.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(6);
    for (const { reason } of refused)
      expect(reason).toMatchObject({
        name: 'SpanledgerError',
        code: 'understanding_unavailable',
        exitCode: 3,
      });
    expect(bytesOf(await pool.read('traces', 'protobuf', large))).toBe(
      bytesOf(await understandHere(POLICY).read('traces', 'protobuf', large)),
    );
  });

  it('because it cannot be started is not started for ever', async () => {
    let starts = 0;
    const pool = newPool({
      threads: 1,
      start: () => {
        starts += 1;
        return new Worker('throw new Error("no")', { eval: true });
      },
    });
    await expect(pool.read('traces', 'protobuf', large)).rejects.toMatchObject({
      code: 'understanding_unavailable',
    });
    expect(starts).toBe(2);
  });
});

describe('a pool that closes', () => {
  it('answers what it has taken, and takes no more', async () => {
    const pool = newPool({ threads: 1 });
    const reads = Array.from({ length: 8 }, () => pool.read('traces', 'protobuf', large));
    let answered = 0;
    for (const read of reads) void read.then(() => (answered += 1));
    await Promise.all([pool.close(), pool.close()]);
    expect(answered).toBe(8);
    await expect(pool.read('traces', 'protobuf', large)).rejects.toMatchObject({
      code: 'understanding_unavailable',
    });
  });

  it('starts no thread for small bodies, and none at all when it is not asked', async () => {
    const { started, start } = watched();
    const pool = newPool({ start });
    expect(await pool.read('traces', 'protobuf', Buffer.alloc(0))).toEqual({ items: [], spans: 0 });
    expect(started).toEqual([]);
  });

  it('refuses more than may wait, and answers the rest', async () => {
    const pool = newPool({ threads: 1 });
    const small = goldenCapture('genkit-1.42.0').protobuf;
    const reads = await Promise.allSettled(
      Array.from({ length: 1_100 }, () => pool.read('traces', 'protobuf', small)),
    );
    const refused = reads.filter((each) => each.status === 'rejected');
    expect(refused.length).toBe(1_100 - 1_024 - 2);
  });
});
