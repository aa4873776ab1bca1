import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  brokenLinks,
  codeOf,
  fileFolder,
  memoryFolder,
  openJournal,
  openStore,
  recordOf,
  ship,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

const LIMIT = 64 * 1024;

it('a journal at its limit still takes what it must tell of itself, and ships it', async () => {
  const journal = openJournal(join(fileFolder(), 'journal'), LIMIT);
  const writer = writerIn(journal);
  const fill = async () => {
    for (;;) await writer.append(toolCalls(20));
  };
  expect(await codeOf(fill)).toBe('journal_full');
  expect(journal.refusal?.code).toBe('journal_full');
  const recorded = unshippedOf(journal).length;

  const { refusal } = journal;
  writer.noteGap(20, refusal);
  await writer.close();
  const records = unshippedOf(journal);
  expect(records.slice(recorded).map((record) => recordOf(record).action)).toEqual(['gap', 'chain_closed']);
  expect(brokenLinks(records)).toEqual([]);

  const store = await openStore(join(memoryFolder(), 'ledger'));
  const heir = writerIn(journal);
  expect((await ship(heir, store)).records).toBe(records.length);
  await store.close();
  await journal.close();
});
