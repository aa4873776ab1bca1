import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Journal } from '../../src/journal/journal.ts';
import { Remembered } from '../../src/journal/remembered.ts';
import { CHILD_COMMAND, Child } from '../support/child.ts';
import { brokenLinks, fileFolder, recordOf, unshippedOf } from '../support/ledger-kit.ts';

const missing = shimMissing();
const folder = fileFolder();
const shim = join(folder, 'shim.so');
const TIDIED = 6;

/** What the child says, and how often LMDB synced, on a disk that fails as told. */
async function onBadDisk(name: string, faults: { [name: string]: string }) {
  const count = join(folder, `${name}.count`);
  const dir = join(folder, name);
  const env = { LD_PRELOAD: shim, SHIM_COUNT: count, ...faults };
  const child = new Child([...CHILD_COMMAND, 'tidy', dir, String(TIDIED)], env);
  child.process.stdin!.end();
  expect((await child.gone).code, child.stderr).toBe(0);
  return { dir, said: child.said, syncs: readFileSync(count, 'utf8').length };
}

describe.skipIf(missing)(`a memory that LMDB cannot write${missing ? `: skipped, ${missing}` : ''}`, () => {
  beforeAll(() => {
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', shim, 'test/fault/memory-shim.c', '-ldl']);
  });

  it('is written while the disk is well', async () => {
    const { said } = await onBadDisk('well', {});
    expect(said).toEqual(Array(TIDIED + 4).fill('done'));
  });

  const { EIO, ENOSPC, EDQUOT } = constants.errno;

  it.each([
    ['ENOSPC', ENOSPC],
    ['EDQUOT', EDQUOT],
  ])('tries again after %s: there may be space by then', async (name, errno) => {
    const { said } = await onBadDisk(name, { SHIM_PAGES: '9', SHIM_ERRNO: String(errno) });
    expect(said.filter((each) => each === 'journal_full')).toHaveLength(1);
    expect(said.slice(said.indexOf('journal_full') + 1)).toEqual(
      Array(said.length - 1 - said.indexOf('journal_full')).fill('done'),
    );
    expect(said.length).toBe(TIDIED + 4);
  });

  it.each([
    ['a sync', 5, { SHIM_SYNC: '5' }],
    ['another sync', 6, { SHIM_SYNC: '6' }],
    ['the write of a page', 10, { SHIM_PAGES: '15', SHIM_ERRNO: String(EIO) }],
    ['the write of a meta page', 5, { SHIM_META: '5', SHIM_ERRNO: String(EIO) }],
    // LMDB itself refuses everything after it: waiting for space would be waiting for ever.
    ['the write of a meta page, for want of space', 5, { SHIM_META: '5', SHIM_ERRNO: String(ENOSPC) }],
  ])(
    'breaks the journal for good when %s fails',
    async (what, before, faults: { [name: string]: string }) => {
      const { dir, said, syncs } = await onBadDisk(what.replaceAll(' ', '-'), faults);
      const failed = said.indexOf('journal_broken');
      expect(said.slice(0, failed).every((each) => each === 'done')).toBe(true);
      expect(failed).toBeGreaterThan(0);
      // Whatever is asked of it after that.
      expect(new Set(said.slice(failed))).toEqual(new Set(['journal_broken']));
      expect(syncs, 'none after what failed, nor when it closes or ends').toBe(before);

      const [name] = readdirSync(join(dir, 'journal'));
      const memory = Remembered.open(join(dir, 'journal', name!, 'memory'));
      const { applied } = memory;
      await memory.close();
      const heir = Journal.takeOver(join(dir, 'journal'), 'child');
      const records = unshippedOf(heir);
      expect(brokenLinks(records)).toEqual([]);
      const tools = records.map(recordOf).filter(({ action }) => action === 'tool_invoked');
      expect(tools).toHaveLength(failed + 1);
      expect(applied, 'no further than the last that was said to be done').toBe(failed);
      await heir.close();
    },
  );
});

function shimMissing(): string | undefined {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux' ? undefined : 'LD_PRELOAD is for Linux';
  } catch {
    return 'gcc is not here';
  }
}
