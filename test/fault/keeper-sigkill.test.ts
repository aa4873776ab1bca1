import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/chain/checkpoint.ts';
import { rootOfLeaves } from '../../src/chain/merkle.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { ledgerKeys, trustFile } from '../../src/verify/trust.ts';
import { verify } from '../../src/verify/verify.ts';
import { Child } from '../support/child.ts';
import { documentOf, spanledger } from '../support/cli.ts';
import { told } from '../support/keeper-kit.ts';
import { fileFolder, id, LEDGER_ID, ORIGIN, openJournal, writerIn } from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

const ENV = { SPANLEDGER_LEDGER_ID: LEDGER_ID };
/** Where a keeper is between two of its steps, and on which side of it. */
const STRIKES = [
  ['sync', 'after'],
  ['part', 'after'],
  ['anchor', 'before'],
  ['anchor', 'after'],
] as const;
/** Of none there are so many in one time through. */
const MOST = 20;

it.skipIf(isGccMissing())(
  'a keeper killed at each of its steps anchors nothing that the ledger does not hold, and the next goes on',
  async () => {
    const folder = fileFolder();
    const [dir, worm] = [join(folder, 'ledger'), join(folder, 'worm')];
    const shim = join(folder, 'strike-shim.so');
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', shim, 'test/support/strike-shim.c', '-ldl']);
    mkdirSync(dir);
    mkdirSync(worm);
    const anchors = [{ kind: 'directory', name: 'worm', path: worm }];
    writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify({ version: 1, origin: ORIGIN, anchors }));
    expect((await spanledger(['init', '--dir', dir], { env: ENV })).code).toBe(0);

    for (const [what, when] of STRIKES) {
      let killed = true;
      let at = 0;
      while (killed) {
        at += 1;
        expect(at).toBeLessThan(MOST);
        await record(dir);
        const strike = { LD_PRELOAD: shim, STRIKE: what, STRIKE_AT: String(at), STRIKE_WHEN: when };
        killed = await checkpointUnder({ ...ENV, ...strike }, dir);
        if (killed) await judgeAsLeft(dir, worm);
      }
      // Each kind of step has been struck.
      expect(at, `${what} ${when}`).toBeGreaterThan(1);
    }

    const last = await spanledger(['checkpoint', '--dir', dir, '--json'], { env: ENV });
    expect(last.code, last.stderr).toBe(0);
    expect(documentOf(last)).toMatchObject({ failed: [], verification: 'valid' });
    const verified = await spanledger(['verify', '--dir', dir, '--json'], { env: ENV });
    expect(documentOf(verified)).toMatchObject({ status: 'valid', findings: [], unchecked: [] });
    expect(documentOf<{ anchors_verified: number }>(verified).anchors_verified).toBe(notesIn(worm).length);
    const store = await Store.embedded(layoutOf(dir));
    const rounds = (await told(store, 'round')).map(({ control }) => control.round);
    expect(rounds).toEqual(rounds.map((_, i) => i + 1));
    const opened = await told(store, 'chain_opened');
    expect(opened.filter(({ control }) => control.role === 'control')).toHaveLength(1);
    await store.close();
  },
  600_000,
);

/** A writer of this directory that has recorded one tool call, and shipped nothing. */
async function record(dir: string): Promise<void> {
  const journal = openJournal(join(dir, 'journal', `app-${id(4)}`));
  const writer = writerIn(journal);
  await writer.append(toolCalls(1));
  await writer.close();
  await journal.close();
}

/** Whether it was killed; else it has done all of it. */
async function checkpointUnder(env: NodeJS.ProcessEnv, dir: string): Promise<boolean> {
  const command = [process.execPath, 'dist/src/cli/main.js', 'checkpoint', '--dir', dir, '--json'];
  const child = new Child(command, env);
  child.process.stdin!.end();
  const { code, signal } = await child.gone;
  if (signal === 'SIGKILL') return true;
  expect(code, child.stderr).toBe(0);
  return false;
}

/** Before anybody mends it. */
async function judgeAsLeft(dir: string, worm: string): Promise<void> {
  const store = await Store.embedded(layoutOf(dir));
  try {
    const [control] = (await told(store, 'chain_opened')).filter((each) => each.control.role === 'control');
    const chain = control?.id.split(':')[0] ?? '';
    const hashes = await store.query<{ hash: string }>(
      'SELECT lower(hex(record_hash)) AS hash FROM spanledger.audit_records WHERE chain_id = {chain:String} ORDER BY seq',
      { chain },
    );
    const trust = trustFile(readFileSync(join(dir, 'trust'), 'utf8'), 'local');
    for (const note of notesIn(worm)) {
      const { size, root } = openCheckpoint(note, ledgerKeys(trust));
      expect(Number(size)).toBeLessThanOrEqual(hashes.length);
      expect(rootOfLeaves(hashes.slice(0, Number(size)).map(({ hash }) => hash))).toBe(root);
    }
    // Half of a batch may be there, of chains that the next run completes; of the keeper's there is no such half.
    const { findings } = await verify(store, { ledgerId: LEDGER_ID, trust });
    expect(findings.filter(({ chain_id }) => chain_id === chain || chain_id === '')).toEqual([]);
  } finally {
    await store.close();
  }
}

function notesIn(worm: string): string[] {
  return readdirSync(worm, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.checkpoint'))
    .map((name) => readFileSync(join(worm, name), 'utf8'));
}

function isGccMissing(): boolean {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
}
