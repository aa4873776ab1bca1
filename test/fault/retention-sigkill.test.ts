import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { verify } from '../../src/verify/verify.ts';
import { AgedWriter, DAY, present } from '../support/aged-ledger.ts';
import { Child } from '../support/child.ts';
import { documentOf, spanledger } from '../support/cli.ts';
import { fileFolder, id, LEDGER_ID, ORIGIN } from '../support/ledger-kit.ts';

const ENV = { SPANLEDGER_LEDGER_ID: LEDGER_ID };
const NOW = Math.floor(Date.now() / 1_000);
/** Where a run is between two of its steps: what is durable in the journal, in a table, and of a mutation. */
const STRIKES = [
  ['sync', 'after'],
  ['part', 'after'],
  ['mutation', 'before'],
  ['mutation', 'after'],
] as const;
/** Of none there are so many in one run. */
const MOST = 60;
/** Of those of one kind the first is struck, and every so many after it: 1 is all of them. */
const EVERY = Number(process.env.STRIKE_EVERY ?? 5);
/** Whatever may not be found at any moment. */
const UNLAWFUL = /^(purged_|tombstone_|erasure_|duplicate_|record_mismatch|schema_mismatch)/;

it.skipIf(isGccMissing())(
  'a run killed at each of its steps removes nothing that may not go, and the next completes it',
  async () => {
    const folder = fileFolder();
    const dir = join(folder, 'ledger');
    const shim = join(folder, 'strike-shim.so');
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', shim, 'test/support/strike-shim.c', '-ldl']);
    mkdirSync(dir);
    writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify({ version: 1, origin: ORIGIN }));
    for (const command of ['init', 'migrate'])
      expect((await spanledger([command, '--dir', dir], { env: ENV })).code).toBe(0);
    const recorded: Recorded = { stays: [], goes: 0 };
    await record(dir, recorded);
    const hold = ['hold', 'place', '--dir', dir, '--case', 'c', '--reason', 'r', '--actor', 'ann'];
    expect((await spanledger([...hold, '--resource', 'held'], { env: ENV })).code).toBe(0);

    for (const [what, when] of STRIKES) {
      let killed = true;
      let at = 1 - EVERY;
      while (killed) {
        at += EVERY;
        expect(at).toBeLessThan(MOST);
        await record(dir, recorded);
        const strike = { LD_PRELOAD: shim, STRIKE: what, STRIKE_AT: String(at), STRIKE_WHEN: when };
        killed = await runUnder({ ...ENV, ...strike }, dir);
        if (killed) await judgeAsLeft(dir, recorded);
      }
      // Each kind of step has been struck.
      expect(at, `${what} ${when}`).toBeGreaterThan(1);
    }

    const last = await spanledger(['retention', 'run', '--dir', dir, '--json'], { env: ENV });
    expect(last.code, last.stderr).toBe(0);
    const verified = documentOf(await spanledger(['verify', '--dir', dir, '--json'], { env: ENV }));
    expect(verified).toMatchObject({ status: 'valid', expired: recorded.goes, unchecked: [] });
    const store = await Store.embedded(layoutOf(dir));
    expect(new Set(await present(store))).toEqual(new Set(recorded.stays));
    await store.close();
  },
  1_800_000,
);

interface Recorded {
  stays: string[];
  goes: number;
}

/** In the store: two records that have expired, in partitions of their own; one that is held, and one that is young. */
async function record(dir: string, recorded: Recorded): Promise<void> {
  const store = await Store.embedded(layoutOf(dir));
  try {
    const writer = new AgedWriter(dir, store, `app-${id(4)}`);
    writer.record(NOW - 460 * DAY, 'default');
    writer.record(NOW - 425 * DAY, 'default');
    const held = { resource: { type: 'patient', id: 'held' } };
    recorded.stays.push(writer.record(NOW - 425 * DAY + 1, 'default', held));
    recorded.stays.push(writer.record(NOW - 390 * DAY, 'default'));
    recorded.goes += 2;
    await writer.close();
  } finally {
    await store.close();
  }
}

/** Whether it was killed; else it has done all of it. */
async function runUnder(env: NodeJS.ProcessEnv, dir: string): Promise<boolean> {
  const command = [process.execPath, 'dist/src/cli/main.js', 'retention', 'run', '--dir', dir, '--json'];
  const child = new Child(command, env);
  child.process.stdin!.end();
  const { code, signal } = await child.gone;
  if (signal === 'SIGKILL') return true;
  expect(code, child.stderr).toBe(0);
  return false;
}

/** Before anybody mends it. */
async function judgeAsLeft(dir: string, { stays }: Recorded): Promise<void> {
  const store = await Store.embedded(layoutOf(dir));
  try {
    const there = new Set(await present(store));
    expect(stays.filter((each) => !there.has(each))).toEqual([]);
    const trust = trustFile(readFileSync(join(dir, 'trust'), 'utf8'), 'local');
    const { findings } = await verify(store, { ledgerId: LEDGER_ID, trust });
    expect(findings.filter(({ code }) => UNLAWFUL.test(code))).toEqual([]);
  } finally {
    await store.close();
  }
}

function isGccMissing(): boolean {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
}
