import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Journal } from '../../src/journal/journal.ts';
import { CHILD_COMMAND, Child } from '../support/child.ts';
import { brokenLinks, fileFolder, recordOf, unshippedOf } from '../support/ledger-kit.ts';

const missing = gccMissing();
const folder = fileFolder();
const shim = join(folder, 'shim.so');

/** Runs the journal's child on a disk whose syncs fail as told; answers what it said and how often it synced. */
async function onBadDisk(name: string, args: readonly string[], faults: { [name: string]: string }) {
  const count = join(folder, `${name}.count`);
  const env = { LD_PRELOAD: shim, SHIM_COUNT: count, SHIM_GO: join(folder, `${name}.go`), ...faults };
  const child = new Child([...CHILD_COMMAND, ...args], env);
  child.process.stdin!.end();
  const { code } = await child.gone;
  expect(child.stderr).toBe('');
  expect(code).toBe(0);
  return { said: child.said, syncs: readFileSync(count, 'utf8').length };
}

describe.skipIf(missing)(`a sync that fails${missing ? `: skipped, ${missing}` : ''}`, () => {
  beforeAll(() => {
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', shim, 'test/support/fdatasync-shim.c', '-ldl']);
  });

  it.each([1, 2, 7, 30])(
    'at the %dth: no receipt, no second try, and what was acknowledged is kept',
    async (nth) => {
      const dir = join(folder, `from-${nth}`);
      const { said, syncs } = await onBadDisk(`from-${nth}`, ['append', dir], { SHIM_FROM: String(nth) });
      const acknowledged = said.slice(0, nth - 1);
      expect(acknowledged.every((each) => /^[0-9a-f]{16}$/.test(String(each)))).toBe(true);
      // The append that failed, one tried after it, and closing.
      expect(said.slice(nth - 1)).toEqual(['journal_broken', 'journal_broken', 'journal_broken']);
      expect(syncs).toBe(nth);

      const heir = Journal.takeOver(join(dir, 'journal'), 'child');
      const records = unshippedOf(heir);
      expect(brokenLinks(records)).toEqual([]);
      const spans = records
        .map(recordOf)
        .flatMap(({ action, trace }) => (action === 'tool_invoked' ? [trace!.span_id] : []));
      expect(spans.slice(0, nth - 1)).toEqual(acknowledged);
      expect(new Set(spans).size).toBe(spans.length);
      expect(spans.length - acknowledged.length).toBeLessThanOrEqual(1);
      await heir.close();
    },
  );

  it('once, and succeeds after it as Linux lets it: is believed, and never asked again', async () => {
    const { said, syncs } = await onBadDisk('once', ['append', join(folder, 'once')], { SHIM_ONLY: '3' });
    expect(said.slice(2)).toEqual(['journal_broken', 'journal_broken', 'journal_broken']);
    expect(syncs).toBe(3);
  });

  it('for many at once: none of them is acknowledged', async () => {
    const dir = join(folder, 'group');
    const { said, syncs } = await onBadDisk('group', ['group', dir, '50'], { SHIM_FROM: '2' });
    expect(said).toEqual(['journal_broken', 'journal_broken']);
    expect(syncs).toBe(2);
  });

  // The kernel tells one of two syncs of a file that its pages were lost, and the other that all is well.
  it.each([
    ['the running one', '1', 'rotated'],
    ['the closing one', '2', 'journal_broken'],
  ])(
    'while a segment is closed beside it, told to %s: nobody is acknowledged',
    async (which, only, rotated) => {
      const name = `race-${only}`;
      const args = ['race', join(folder, name), join(folder, `${name}.go`)];
      const { said } = await onBadDisk(name, args, { SHIM_ONLY: only, SHIM_HOLD: '1' });
      expect(said[0], which).toEqual({
        first: 'journal_broken',
        rotated,
        next: 'journal_broken',
        durable: 0,
      });
    },
  );

  it('not at all beside a segment that is closed: everyone is acknowledged', async () => {
    const args = ['race', join(folder, 'race-0'), join(folder, 'race-0.go')];
    const { said } = await onBadDisk('race-0', args, { SHIM_HOLD: '1' });
    expect(said).toEqual([{ first: 'flushed', rotated: 'rotated', next: 'flushed', durable: 3 }]);
  });
});

function gccMissing(): string | undefined {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux' ? undefined : 'LD_PRELOAD is for Linux';
  } catch {
    return 'gcc is not here';
  }
}
