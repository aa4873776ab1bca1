import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeFrame, HEADER_BYTES } from '../../src/journal/frame.ts';
import { Journal } from '../../src/journal/journal.ts';
import { Log, SEGMENT_BYTES } from '../../src/journal/log.ts';
import { Remembered } from '../../src/journal/remembered.ts';
import { CHILD_COMMAND, Child, journalChild } from '../support/child.ts';
import {
  brokenLinks,
  codeOf,
  fileFolder,
  openJournal,
  recordOf,
  unshippedOf,
} from '../support/ledger-kit.ts';
import { mountMissing, resizeDisk, smallDisk } from '../support/tmpfs.ts';

const folder = fileFolder();
const missing = mountMissing();
const START = Date.UTC(2026, 0, 1);

/** Everything acknowledged is there, once, in whole frames and an intact chain. */
async function expectKept(dir: string, acknowledged: readonly unknown[]): Promise<void> {
  const heir = Journal.takeOver(join(dir, 'journal'), 'child');
  const records = unshippedOf(heir);
  expect(brokenLinks(records)).toEqual([]);
  const tools = records.map(recordOf).filter(({ action }) => action === 'tool_invoked');
  expect(tools.map(({ trace }) => trace!.span_id)).toEqual(acknowledged);
  await heir.close();
}

/** The bytes of the newest segment after its last whole frame. */
function tornBytes(dir: string): number {
  const journals = join(dir, 'journal');
  const log = join(journals, readdirSync(journals)[0]!, 'log');
  const last = readdirSync(log).sort().at(-1)!;
  const bytes = readFileSync(join(log, last));
  let offset = 0;
  for (let lsn = Number(last.slice(0, 16)); ; lsn++) {
    const frame = decodeFrame(bytes, offset, lsn);
    if (frame === undefined) return bytes.length - offset;
    offset += HEADER_BYTES + frame.body.length;
  }
}

describe.skipIf(missing)(`a full disk${missing ? `: skipped, ${missing}` : ''}`, () => {
  it('is said so, leaves nothing half-written, and is written again once there is space', async () => {
    const dir = join(folder, 'disk');
    smallDisk(dir, 'size=1m');
    const ballast = join(dir, 'ballast');
    writeFileSync(ballast, Buffer.alloc(400 * 1024));
    const child = journalChild('full', dir);
    while (child.said.at(-1) !== 'journal_full') await child.heard(child.said.length + 1);
    const acknowledged = child.said.slice(0, -1);
    expect(acknowledged.length).toBeGreaterThan(50);
    expect(tornBytes(dir)).toBe(0);

    child.process.stdin!.write('again\n');
    await child.heard(acknowledged.length + 2);
    expect(child.said.at(-1)).toBe('journal_full');
    rmSync(ballast);
    child.process.stdin!.write('now\n');
    const said = await child.heard(acknowledged.length + 3);
    acknowledged.push(said.at(-1));
    expect(acknowledged.at(-1)).toMatch(/^[0-9a-f]{16}$/);
    child.process.stdin!.end();
    expect(await child.gone).toMatchObject({ code: 0 });
    expect(child.said).toHaveLength(acknowledged.length + 2);
    await expectKept(dir, acknowledged);
  });

  it('met when a segment is begun, is no end either', async () => {
    const dir = join(folder, 'inodes');
    smallDisk(dir, `size=64m,nr_inodes=3`);
    const log = Log.open(join(dir, 'log'));
    log.append(Buffer.alloc(SEGMENT_BYTES));
    for (let i = 0; i < 2; i++)
      expect(await codeOf(() => log.append(Buffer.from('next')))).toBe('journal_full');
    expect([log.committed, readdirSync(join(dir, 'log')).length]).toEqual([1, 1]);
    await log.flush();
    resizeDisk(dir, 'nr_inodes=10');
    expect(log.append(Buffer.from('next'))).toBe(2);
    await log.close();
    const again = Log.open(join(dir, 'log'));
    expect([...again.read(2)].map(({ body }) => body.toString())).toEqual(['next']);
    await again.close();
  });

  it('under the memory costs nothing, ends nothing, and is over when there is space', async () => {
    const dir = join(folder, 'memory');
    smallDisk(dir, 'size=1m');
    const log = Log.open(join(folder, 'log of the memory'));
    const memory = Remembered.open(join(dir, 'memory'));
    const writes = Array.from({ length: 5_000 }, (_, i): [string, unknown] => [`span|${i}`, 'x'.repeat(300)]);
    memory.stage(log.append(Buffer.from('')), writes);
    for (let i = 0; i < 2; i++) expect(await codeOf(() => memory.apply(log, START))).toBe('journal_full');
    expect([memory.applied, memory.get('span|4999')]).toEqual([0, 'x'.repeat(300)]);
    resizeDisk(dir, 'size=20m');
    await memory.apply(log, START);
    expect([memory.applied, memory.get('span|4999')]).toEqual([1, 'x'.repeat(300)]);
    await memory.close();
    const again = Remembered.open(join(dir, 'memory'));
    expect([again.applied, again.get('span|0')]).toEqual([1, 'x'.repeat(300)]);
    await again.close();
    await log.close();
  });

  it('under the memory does not keep a journal from closing', async () => {
    const dir = join(folder, 'closing');
    smallDisk(dir, 'size=1m');
    const journal = openJournal(join(dir, 'journal'));
    journal.transact((transaction) => transaction.set('span|large', 'x'.repeat(600 * 1024)));
    expect(await codeOf(() => journal.close())).toBe('journal_full');
    resizeDisk(dir, 'size=20m');
    const child = journalChild('lock', join(dir, 'journal', 'lock'));
    expect(await child.heard(1)).toEqual(['locked']);
    await child.kill();
  });

  it('under the memory stops what would fill process memory, until there is space', async () => {
    const dir = join(folder, 'staged');
    smallDisk(dir, 'size=1m');
    const log = Log.open(join(folder, 'log of what is staged'));
    const memory = Remembered.open(join(dir, 'memory'));
    const stage = (from: number) => {
      const writes = Array.from({ length: 60_000 }, (_, i): [string, unknown] => [
        `span|${from + i}`,
        'x'.repeat(30),
      ]);
      memory.stage(log.append(Buffer.from('')), writes);
    };
    stage(0);
    stage(60_000);
    expect(memory.refusal, 'it has not been tried').toBeUndefined();
    expect(await codeOf(() => memory.apply(log, START))).toBe('journal_full');
    expect(memory.refusal?.code).toBe('journal_full');
    expect(memory.broken).toBeUndefined();
    resizeDisk(dir, 'size=100m');
    await memory.apply(log, START);
    expect([memory.refusal, memory.applied, memory.get('span|119999')]).toEqual([
      undefined,
      2,
      'x'.repeat(30),
    ]);
    await memory.close();
    await log.close();
  });

  it('under a journal that nobody flushes is told to whoever does, and is over when there is space', async () => {
    const dir = join(folder, 'unasked');
    smallDisk(dir, 'size=5m');
    const journal = openJournal(join(dir, 'journal'));
    const set = (i: number) =>
      journal.transact((transaction) => transaction.set(`span|${i}`, 'x'.repeat(100)));
    for (let i = 0; i < 21_000; i++) set(i);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(journal.isUntidy, 'it could not be tidied').toBe(true);
    set(21_000);
    expect(await codeOf(() => journal.flush())).toBe('journal_full');
    resizeDisk(dir, 'size=50m');
    for (const end = Date.now() + 12_000; journal.isUntidy && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(journal.isUntidy, 'it is tried again by itself').toBe(false);
    await journal.flush();
    await journal.close();
    const again = openJournal(journal.dir);
    expect(again.get('span|21000')).toBe('x'.repeat(100));
    await again.close();
  });

  it('refuses what is too large for it and takes what is not', async () => {
    const dir = join(folder, 'sizes');
    smallDisk(dir, 'size=1m');
    const log = Log.open(join(dir, 'log'));
    expect(log.append(Buffer.alloc(500 * 1024))).toBe(1);
    expect(await codeOf(() => log.append(Buffer.alloc(600 * 1024)))).toBe('journal_full');
    expect(log.append(Buffer.alloc(300 * 1024, 1))).toBe(2);
    await log.close();
    const again = Log.open(join(dir, 'log'), 0);
    expect([...again.read(1)].map(({ body }) => body.length)).toEqual([500 * 1024, 300 * 1024]);
    await again.close();
  });
});

describe.skipIf(process.platform === 'win32')('a limit on the size of files', () => {
  it('is a full disk, and leaves nothing half-written', async () => {
    const dir = join(folder, 'limit');
    const child = new Child([
      'bash',
      '-c',
      'ulimit -f 200; exec "$@"',
      'bash',
      ...CHILD_COMMAND,
      'full',
      dir,
    ]);
    while (child.said.at(-1) !== 'journal_full') await child.heard(child.said.length + 1);
    const acknowledged = child.said.slice(0, -1);
    await child.kill();
    expect(tornBytes(dir)).toBe(0);
    const journals = join(dir, 'journal');
    const segment = join(journals, readdirSync(journals)[0]!, 'log', '0000000000000001.log');
    expect(statSync(segment).size).toBeGreaterThan(190 * 1024);
    await expectKept(dir, acknowledged);
  });
});
