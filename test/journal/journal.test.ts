import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { Journal, listJournals } from '../../src/journal/journal.ts';
import { SEGMENT_BYTES } from '../../src/journal/log.ts';
import { journalChild } from '../support/child.ts';
import { codeOf, fileFolder, openJournal, sealChain, unshippedOf } from '../support/ledger-kit.ts';

const folder = fileFolder();
let made = 0;
const newDir = () => join(folder, `journal-${made++}`);

const LARGE = 'x'.repeat(SEGMENT_BYTES);

function records(count: number, chainId = 'chain', payload = '{"a":"ü\\n"}'): SealedRecord[] {
  return sealChain(chainId, Array(count).fill(payload)).map((each) => ({ ...each, seq: Number(each.seq) }));
}

function add(journal: Journal, ...added: SealedRecord[]): void {
  journal.transact((transaction) => transaction.records.push(...added));
}

async function reopened(journal: Journal): Promise<Journal> {
  await journal.close();
  return openJournal(journal.dir);
}

describe('a transaction', () => {
  it('sees what it has set, and is kept with its records', async () => {
    let journal = openJournal(newDir());
    const result = journal.transact((transaction) => {
      transaction.set('span|a', 1);
      expect(transaction.get('span|a')).toBe(1);
      expect(journal.get('span|a')).toBeUndefined();
      transaction.records.push(...records(2));
      return 'done';
    });
    expect(result).toBe('done');
    journal = await reopened(journal);
    expect(journal.get('span|a')).toBe(1);
    expect(unshippedOf(journal)).toEqual(records(2));
    await journal.close();
  });

  it('leaves nothing when its work throws', async () => {
    let journal = openJournal(newDir());
    journal.transact((transaction) => transaction.set('span|a', 1));
    const { bytes } = journal;
    const work = () =>
      journal.transact((transaction) => {
        transaction.set('span|a', 2);
        transaction.set('span|b', 2);
        transaction.records.push(...records(1));
        throw new Error('half-way');
      });
    expect(work).toThrow('half-way');
    expect([journal.bytes, journal.get('span|a'), journal.get('span|b')]).toEqual([bytes, 1, undefined]);
    journal = await reopened(journal);
    expect([journal.get('span|a'), journal.get('span|b')]).toEqual([1, undefined]);
    expect(unshippedOf(journal)).toEqual([]);
    await journal.close();
  });

  it('goes on without a part that fails', async () => {
    const journal = openJournal(newDir());
    const [first, failed, last] = records(3);
    journal.transact((transaction) => {
      transaction.attempt((part) => {
        part.records.push(first!);
        part.set('span|a', 'first');
      });
      const attempt = () =>
        transaction.attempt((part) => {
          expect(part.get('span|a')).toBe('first');
          part.records.push(failed!);
          part.set('span|a', 'failed');
          part.attempt((inner) => inner.set('span|inner', 'failed'));
          throw new Error('this part');
        });
      expect(attempt).toThrow('this part');
      expect(transaction.get('span|a')).toBe('first');
      transaction.records.push(last!);
    });
    await journal.flush();
    expect(unshippedOf(journal).map(({ seq }) => seq)).toEqual([0, 2]);
    expect([journal.get('span|a'), journal.get('span|inner')]).toEqual(['first', undefined]);
    await journal.close();
  });

  it('writes nothing when it changes nothing', async () => {
    const journal = openJournal(newDir());
    journal.transact((transaction) => transaction.get('span|a'));
    expect(journal.bytes).toBe(0);
    await journal.close();
  });
});

describe('what is unshipped', () => {
  it('is told only once it is durable', async () => {
    const journal = openJournal(newDir());
    add(journal, ...records(1));
    expect(unshippedOf(journal)).toEqual([]);
    await journal.flush();
    expect(unshippedOf(journal)).toHaveLength(1);
    await journal.close();
  });

  it('is what no mark has passed, wherever in a frame marks fall and however often it is opened', async () => {
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ add: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ ship: fc.integer({ min: 1, max: 8 }) }),
      fc.constant('reopen' as const),
      fc.constant('tidy' as const),
      fc.constant('memory only' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        let journal = openJournal(newDir());
        const all = records(200, 'chain', '{}');
        let added = 0;
        let shipped = 0;
        for (const each of steps) {
          if (each === 'reopen') journal = await reopened(journal);
          else if (each === 'tidy') await journal.tidy();
          else if (each === 'memory only')
            journal.transact((transaction) => transaction.set('span|x', added));
          else if ('add' in each) {
            add(journal, ...all.slice(added, added + each.add));
            added += each.add;
            await journal.flush();
          } else {
            const marks = [...journal.unshipped()].slice(0, each.ship);
            const last = marks.at(-1);
            if (last !== undefined) journal.markShipped(last.end);
            shipped += marks.length;
          }
          expect(unshippedOf(journal)).toEqual(all.slice(shipped, added));
          if (shipped > 0)
            expect(journal.shipped).toMatchObject({
              chainId: 'chain',
              size: shipped,
              head: all[shipped - 1]!.recordHash,
            });
        }
        await journal.close();
      }),
      { numRuns: 40 },
    );
  });

  it('is let go of once it is shipped and the memory applied, and not before', async () => {
    let journal = openJournal(newDir());
    const [first, second, third] = records(3);
    add(journal, { ...first!, payload: LARGE });
    add(journal, { ...second!, payload: LARGE });
    add(journal, third!);
    await journal.flush();
    await journal.tidy();
    expect(readdirSync(join(journal.dir, 'log'))).toHaveLength(3);
    const [one, two] = [...journal.unshipped()];
    journal.markShipped(one!.end);
    await journal.tidy();
    expect(readdirSync(join(journal.dir, 'log'))).toHaveLength(2);
    expect(journal.bytes).toBeLessThan(SEGMENT_BYTES + 10_000);
    journal.markShipped(two!.end);
    journal = await reopened(journal);
    expect(unshippedOf(journal).map(({ seq }) => seq)).toEqual([2]);
    expect(readdirSync(join(journal.dir, 'log'))).toHaveLength(1);
    await journal.close();
  });
});

describe('a full journal', () => {
  it('refuses records, not marks, and takes them again once the store has taken some', async () => {
    const journal = openJournal(newDir(), 2 * SEGMENT_BYTES);
    const all = records(10);
    add(journal, { ...all[0]!, payload: LARGE });
    add(journal, { ...all[1]!, payload: LARGE });
    const { bytes } = journal;
    expect(await codeOf(() => add(journal, all[2]!))).toBe('journal_full');
    expect(journal.bytes).toBe(bytes);
    journal.transact((transaction) => transaction.set('span|a', 1));
    await journal.flush();
    const [one] = [...journal.unshipped()];
    journal.markShipped(one!.end);
    expect(journal.isUntidy).toBe(true);
    await journal.tidy();
    add(journal, all[2]!);
    await journal.flush();
    expect(unshippedOf(journal).map(({ seq }) => seq)).toEqual([1, 2]);
    await journal.close();
  });
});

describe('what nobody asks to be flushed', () => {
  /** Resolves when it is so, within five seconds. */
  async function until(condition: () => boolean): Promise<void> {
    for (const end = Date.now() + 5_000; !condition(); ) {
      if (Date.now() > end) throw new Error('it never was');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('is durable about a second after its commit, however often that is', async () => {
    const journal = openJournal(newDir());
    const all = records(3);
    for (const [i, record] of all.entries()) {
      add(journal, record);
      expect(unshippedOf(journal)).toHaveLength(i);
      await until(() => unshippedOf(journal).length === i + 1);
    }
    await journal.close();
  });

  it('is tidied at once when there is much of it', async () => {
    const journal = openJournal(newDir());
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 25_000; i++)
        journal.transact((transaction) => transaction.set(`span|${round} ${i}`, 1));
      expect(journal.isUntidy).toBe(true);
      await until(() => !journal.isUntidy);
    }
    await journal.close();
  });

  it('is no more once the journal is closed, at once or while it runs', async () => {
    for (const wait of [0, 1_000]) {
      const journal = openJournal(newDir());
      for (let i = 0; i < 21_000; i++) journal.transact((transaction) => transaction.set(`span|${i}`, 1));
      await new Promise((resolve) => setTimeout(resolve, wait));
      await journal.close();
      const again = openJournal(journal.dir);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(again.get('span|20999')).toBe(1);
      await again.close();
    }
  });

  it('does not keep the process running', async () => {
    const child = journalChild('leave', newDir());
    const [holding] = await child.heard(1);
    expect(holding).toEqual([]);
    expect(await child.gone).toMatchObject({ code: 0 });
  });
});

describe('opening', () => {
  it('answers nothing while somebody has it', async () => {
    const journal = openJournal(newDir());
    expect(Journal.open(journal.dir)).toBeUndefined();
    await journal.close();
    await journal.close();
    const again = openJournal(journal.dir);
    await journal.close();
    expect(Journal.open(journal.dir), 'a second close lets go of nobody else').toBeUndefined();
    await again.close();
  });

  it('refuses a log that has lost its beginning, its end or its middle, and lets go of the lock', async () => {
    const journal = openJournal(newDir());
    for (const record of records(4)) add(journal, { ...record, payload: LARGE });
    await journal.close();
    const log = join(journal.dir, 'log');
    const aside = join(folder, 'aside');
    for (const name of readdirSync(log)) {
      renameSync(join(log, name), aside);
      expect(await codeOf(() => Journal.open(journal.dir)), name).toBe('journal_corrupt');
      renameSync(aside, join(log, name));
    }
    const again = openJournal(journal.dir);
    expect(unshippedOf(again)).toHaveLength(4);
    await again.close();
  });

  it('refuses a log whose memory is gone, once part of it has been let go of', async () => {
    const journal = openJournal(newDir());
    for (const record of records(3)) add(journal, { ...record, payload: LARGE });
    await journal.flush();
    journal.markShipped([...journal.unshipped()][0]!.end);
    await journal.close();
    rmSync(join(journal.dir, 'memory'), { recursive: true });
    expect(await codeOf(() => Journal.open(journal.dir))).toBe('journal_corrupt');
  });

  it('refuses a frame damaged after it was applied', async () => {
    const journal = openJournal(newDir());
    add(journal, ...records(2));
    await journal.close();
    const log = join(journal.dir, 'log');
    const path = join(log, readdirSync(log)[0]!);
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    expect(await codeOf(() => Journal.open(journal.dir))).toBe('journal_corrupt');
    expect(readFileSync(path)).toEqual(bytes);
  });

  it('takes nothing once it is closed', async () => {
    const journal = openJournal(newDir());
    await journal.close();
    expect(() => add(journal, ...records(1))).toThrow();
    const again = openJournal(journal.dir);
    expect(unshippedOf(again)).toEqual([]);
    await again.close();
  });
});

describe('listing journals', () => {
  it('knows them by name, and answers none where there is no folder', () => {
    const journals = newDir();
    expect(listJournals(journals)).toEqual([]);
    for (const name of [
      'b-00000000',
      'app-89abcdef',
      'app-short',
      'app-89ABCDEF',
      'app-123456789',
      'lost+found',
    ])
      mkdirSync(join(journals, name), { recursive: true });
    expect(listJournals(journals)).toEqual(['app-89abcdef', 'b-00000000']);
  });
});
