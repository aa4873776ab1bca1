import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { verify } from '../../src/verify/verify.ts';
import { spanledger } from '../support/cli.ts';
import { fileFolder, LEDGER_ID } from '../support/ledger-kit.ts';
import { Sidecar } from '../support/sidecar.ts';
import { CONTENT_KEYS, openAll } from '../support/vault-kit.ts';

const ROUNDS = 8;
const KEY = `${CONTENT_KEYS[0].id} ${Buffer.from(CONTENT_KEYS[0].secret).toString('base64url')}`;
const ENV = { SPANLEDGER_LEDGER_ID: LEDGER_ID, SPANLEDGER_CONTENT_KEY: KEY };

/** One tool call with that result. */
const callOf = (result: string) => ({
  traceId: randomBytes(16).toString('hex'),
  spanId: randomBytes(8).toString('hex'),
  name: 'execute_tool',
  startTimeUnixNano: '1790000000000000000',
  endTimeUnixNano: '1790000000038000000',
  attributes: Object.entries({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'list_files',
    'gen_ai.tool.call.arguments': '{"path":"/tmp"}',
    'gen_ai.tool.call.result': result,
  }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
});

/** What was acknowledged of what is sent until nobody answers any more. */
async function sendUntilItDies(otlp: string, round: number, acknowledged: string[]): Promise<void> {
  for (let i = 0; ; i++) {
    const result = `result ${round}.${i} of ${'words '.repeat(i % 50)}`.trim();
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [callOf(result)] }] }] });
    try {
      const answer = await fetch(`${otlp}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      if (answer.status === 200) acknowledged.push(result);
    } catch {
      return;
    }
    await wait(5);
  }
}

it.skipIf(isGccMissing())(
  `a sidecar killed as a part of a table is written, ${ROUNDS} times, loses no content and leaves no ref without one`,
  async () => {
    const folder = fileFolder();
    const dir = join(folder, 'ledger');
    mkdirSync(dir);
    writeFileSync(join(dir, 'spanledger.yaml'), 'version: 1\npolicy:\n  content: { tools: vault }\n');
    const shim = join(folder, 'strike-shim.so');
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', shim, 'test/support/strike-shim.c', '-ldl']);
    const acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const env = {
        ...ENV,
        LD_PRELOAD: shim,
        STRIKE: 'part',
        STRIKE_AT: String(1 + (round % 4)),
        STRIKE_WHEN: round < 4 ? 'before' : 'after',
      };
      const sidecar = new Sidecar({ dir, env });
      const listening = await sidecar.listening;
      if (listening !== undefined) await sendUntilItDies(listening.otlp, round, acknowledged);
      expect(await sidecar.gone).toMatchObject({ signal: 'SIGKILL' });

      // As it was left, before anybody mends it: what the store has is whole.
      const store = await Store.embedded(layoutOf(dir));
      const has = await store.query<{ n: string }>(
        `SELECT count() AS n FROM system.tables WHERE database = 'spanledger' AND name = 'audit_content_keys'`,
      );
      if (has[0]!.n === '1') {
        expect((await openAll(store)).filter((text) => text.endsWith('does not open'))).toEqual([]);
        // Half of a batch may be there, which the next start completes; of what is there, all contents are.
        const { findings } = await verify(store, { ledgerId: LEDGER_ID });
        expect(findings.filter(({ code }) => code === 'content_mismatch')).toEqual([]);
      }
      await store.close();
    }
    expect(acknowledged.length).toBeGreaterThan(0);
    expect((await spanledger(['verify', '--dir', dir], { env: ENV })).code).toBe(0);
    const store = await Store.embedded(layoutOf(dir));
    const texts = await openAll(store);
    expect(acknowledged.filter((result) => texts.filter((text) => text === result).length !== 1)).toEqual([]);
    expect(texts.filter((text) => text.endsWith('does not open'))).toEqual([]);
    await store.close();
  },
  240_000,
);

function isGccMissing(): boolean {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
}
