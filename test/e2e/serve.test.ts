import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { serve } from '../support/serve.ts';

const CAPTURES = 'test/golden/captures';

/** Sends again until it is acknowledged, as every exporter does. */
async function deliver(to: () => string, path: string, body: Buffer): Promise<void> {
  for (;;) {
    try {
      const headers = { 'content-type': 'application/x-protobuf' };
      const answer = await fetch(`${to()}${path}`, {
        method: 'POST',
        headers,
        body: body as Buffer<ArrayBuffer>,
      });
      if (answer.status === 200) return;
    } catch {
      // The sidecar is away; the next try finds it back.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('spanledger serve', () => {
  it('killed and started again under load, records what one ingest of the same files does', async () => {
    const dir = join(temporaryFolder(), 'served');
    let running = await serve(dir);
    const bodies = GOLDEN_SETS.flatMap((set) => {
      const { protobuf, logs } = goldenCapture(set);
      return [
        ['/v1/traces', protobuf] as const,
        ...(logs === undefined ? [] : [['/v1/logs', logs.protobuf] as const]),
      ];
    });
    let delivered = 0;
    const sender = async (first: number) => {
      for (let i = 0; i < bodies.length * 3; i++) {
        const [path, body] = bodies[(i + first * 5) % bodies.length]!;
        await deliver(() => running.otlp, path, body);
        delivered += 1;
      }
    };
    const all = Promise.all(Array.from({ length: 8 }, (_, i) => sender(i)));
    for (const after of [60, 160, 300]) {
      while (delivered < after) await new Promise((resolve) => setTimeout(resolve, 5));
      await running.stop('SIGKILL');
      running = await serve(dir);
    }
    await all;
    expect(await running.stop('SIGTERM')).toBe(0);

    const once_ = temporaryFolder();
    const files = GOLDEN_SETS.flatMap((set) => {
      const traces = set.includes('langchain-4') ? 'traces-002.pb' : 'traces-001.pb';
      const logs = goldenCapture(set).logs === undefined ? [] : [join(CAPTURES, set, 'logs-001.pb')];
      return [join(CAPTURES, set, traces), ...logs];
    });
    expect((await spanledger(['ingest', ...files, '--dir', once_, '--json'])).code).toBe(0);
    const calls = async (of: string) =>
      documentOf<object[]>(await spanledger(['query', 'by_tool', '--dir', of, '--json']));
    expect(await calls(dir)).toEqual(await calls(once_));
    const verified = await spanledger(['verify', '--dir', dir, '--json']);
    expect(verified.code).toBe(0);
    expect(documentOf<Verification>(verified)).toMatchObject({ status: 'valid', findings: [] });
  }, 120_000);

  it.each([
    ['0.0.0.0:4318', /open to other machines/],
    ['example.org:4318', /open to other machines/],
    ['4318', /is no address/],
    ['127.0.0.1:99999', /is no address/],
  ])('refuses to listen on %s', async (listen, says) => {
    const ran = await spanledger(['serve', '--otlp-listen', listen, '--dir', join(temporaryFolder(), 'x')]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(says);
  });
});
