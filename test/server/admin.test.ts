import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/client.ts';
import { goldenCapture } from '../support/captures.ts';
import { memoryFolder, openStore } from '../support/ledger-kit.ts';
import { startSidecar } from '../support/sidecar-here.ts';
import { bearer, tokenOf } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const dir = memoryFolder();
let store: Store;
beforeAll(async () => {
  store = await openStore(dir);
});
afterAll(() => store.close());

const TOKENS = [tokenOf('sender', ['ingest']), tokenOf('reader', ['read']), tokenOf('reporter', ['report'])];

describe('the admin address', () => {
  it('tells probes that it is alive and ready, and nothing else', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const alive = await fetch(`${running.admin}/healthz`);
    expect([alive.status, await alive.json()]).toEqual([200, { alive: true }]);
    await until(async () => (await fetch(`${running.admin}/readyz`)).status === 200);
    const ready = (await (await fetch(`${running.admin}/readyz`)).json()) as object;
    expect(ready).toEqual({
      ready: true,
      journal: { bytes: expect.any(Number), oldest_unshipped_seconds: expect.any(Number) },
      store: { reachable: true },
    });
  });

  it('tells its numbers to who may read or report', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const { protobuf } = goldenCapture('vercel_ai-7.0.173');
    const headers = { 'content-type': 'application/x-protobuf', ...bearer('sender') };
    const send = () =>
      fetch(`${running.otlp}/v1/traces`, { method: 'POST', headers, body: protobuf as Buffer<ArrayBuffer> });
    expect((await send()).status).toBe(200);
    expect((await send()).status).toBe(200);
    const metrics = async (token?: string) => {
      const answer = await fetch(
        `${running.admin}/metrics`,
        token === undefined ? {} : { headers: bearer(token) },
      );
      return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
    };
    for (const [token, status] of [
      [undefined, 401],
      ['wrong', 401],
      ['sender', 403],
    ] as const)
      expect(await metrics(token)).toMatchObject({ status, type: 'application/json' });
    const { text, status, type } = await metrics('reporter');
    expect([status, type]).toEqual([200, expect.stringMatching(/^text\/plain; version=0\.0\.4/)]);
    const value = (name: string) => Number(new RegExp(`^spanledger_${name} (.*)$`, 'm').exec(text)?.[1]);
    expect(value('spans_total')).toBeGreaterThan(0);
    expect(value('duplicates_total')).toBe(value('agent_spans_total') / 2);
    expect(value('held_bytes')).toBe(0);
    expect(text).toMatch(
      /request_duration_seconds_count\{transport="http",path="\/v1\/traces",code="200"\} 2/,
    );
    // No content, no token, nobody's name.
    for (const secret of ['sender', 'reader', 'wrong', 'weather', 'gpt'])
      expect(text.toLowerCase()).not.toContain(secret);
    await until(async () => /^spanledger_store_reachable 1$/m.test((await metrics('reader')).text));
  });

  it.each([
    ['/healthz', 'POST', 405],
    ['/', 'GET', 404],
    ['/v1/traces', 'POST', 404],
    ['/metrics/', 'GET', 404],
    ['//x', 'GET', 404],
    ['/%', 'GET', 404],
  ])('has nothing else: %s by %s is a %d', async (path, method, status) => {
    const running = await startSidecar(dir, store);
    expect((await fetch(running.admin + path, { method })).status).toBe(status);
  });
});
