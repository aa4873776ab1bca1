import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { SpanledgerError } from '../../src/errors.ts';
import type { Journal } from '../../src/journal/journal.ts';
import {
  brokenLinks,
  codeOf,
  fileFolder,
  openJournal,
  recordOf,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

const folder = fileFolder();
let made = 0;
const newJournal = () => openJournal(join(folder, `journal-${made++}`));
const SECRET = 'token=abcd1234 ssn 078-05-1120';

/** Takes no more transactions, until told otherwise. */
function fill(journal: Journal): () => void {
  const full = vi.spyOn(journal, 'transact').mockImplementation(() => {
    throw new SpanledgerError('journal_full', SECRET);
  });
  return () => full.mockRestore();
}

function warnings(): Error[] {
  const heard: Error[] = [];
  const hear = (warning: Error) => void heard.push(warning);
  process.on('warning', hear);
  onTestFinished(() => void process.off('warning', hear));
  return heard;
}

const actionsIn = (journal: Journal) => unshippedOf(journal).map((record) => recordOf(record).action);
const gapsIn = (journal: Journal) =>
  unshippedOf(journal).flatMap((record) => {
    const { action, control } = recordOf(record);
    return action === 'gap' ? [control] : [];
  });

describe('what was lost', () => {
  it('is told by flush, durably, in a chain of its own if there is none', async () => {
    const journal = newJournal();
    const writer = writerIn(journal);
    writer.noteGap(3, new SpanledgerError('journal_full', 'full'));
    await writer.flush();
    expect(actionsIn(journal)).toEqual(['chain_opened', 'gap']);
    expect(gapsIn(journal)).toMatchObject([{ spans: 3, reason: 'journal_full' }]);
    await writer.flush();
    expect(gapsIn(journal), 'once').toHaveLength(1);
    await journal.close();
  });

  it('is told before the chain ends, and by a writer that has recorded nothing', async () => {
    for (const before of [0, 2]) {
      const journal = newJournal();
      const writer = writerIn(journal);
      if (before > 0) writer.commit(toolCalls(before));
      writer.noteGap(1, new SpanledgerError('journal_full', 'full'));
      await writer.close();
      const actions = actionsIn(journal);
      expect(actions).toEqual(['chain_opened', ...Array(before).fill('tool_invoked'), 'gap', 'chain_closed']);
      expect(brokenLinks(unshippedOf(journal))).toEqual([]);
      await journal.close();
    }
  });

  it('makes flush and close reject as long as it cannot be told, and loses nothing else by that', async () => {
    const journal = newJournal();
    const writer = writerIn(journal);
    writer.commit(toolCalls(1));
    const empty = fill(journal);
    expect(await codeOf(() => writer.append(toolCalls(1)))).toBe('journal_full');
    writer.noteGap(1, new SpanledgerError('journal_full', 'full'));
    expect(unshippedOf(journal), 'not durable yet').toHaveLength(0);
    expect(await codeOf(() => writer.flush())).toBe('journal_full');
    expect(actionsIn(journal), 'what was committed is').toEqual(['chain_opened', 'tool_invoked']);
    expect(await codeOf(() => writer.close())).toBe('journal_full');
    empty();
    await writer.close();
    expect(actionsIn(journal)).toEqual(['chain_opened', 'tool_invoked', 'gap', 'chain_closed']);
    expect(gapsIn(journal)).toMatchObject([{ spans: 1, reason: 'journal_full' }]);
    await journal.close();
  });

  it('counts a span once, though its start and its end are lost, and again in the next gap', async () => {
    const journal = newJournal();
    const writer = writerIn(journal);
    const full = new SpanledgerError('journal_full', 'full');
    const first = writer.noteGap(1, full);
    writer.noteGap(1, full, first);
    writer.noteGap(1, full);
    await writer.flush();
    writer.noteGap(1, full, first);
    await writer.flush();
    expect(gapsIn(journal)).toMatchObject([{ spans: 2 }, { spans: 1 }]);
    await journal.close();
  });

  it.each([
    ['an error of ours', new SpanledgerError('journal_broken', SECRET), 'journal_broken'],
    ['any error', new Error(SECRET), 'not_understood'],
    ['an error with a code of its own', Object.assign(new Error('x'), { code: SECRET }), 'not_understood'],
    ['no error', SECRET, 'not_understood'],
    ['nothing that can be asked', Object.create(null), 'not_understood'],
  ])('is told by a word, never by a message: %s', async (_, error, reason) => {
    const heard = warnings();
    const journal = newJournal();
    const writer = writerIn(journal);
    writer.noteGap(1, error);
    await writer.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(gapsIn(journal)).toMatchObject([{ spans: 1, reason }]);
    expect(heard).toMatchObject([
      { code: 'SPANLEDGER_GAP', message: `audit records are being lost: ${reason}` },
    ]);
    expect(JSON.stringify(unshippedOf(journal))).not.toContain('abcd1234');
    await journal.close();
  });
});

describe('a writer that appends nothing', () => {
  it('needs no policy, and so no key', async () => {
    const journal = newJournal();
    const before = writerIn(journal);
    await before.append(toolCalls(1));
    const { Writer } = await import('../../src/pipeline.ts');
    const writer = new Writer({
      journal,
      get policy(): never {
        throw new Error('the key was read');
      },
      ledgerId: 'x',
      clock: () => 0,
      writer: 'test',
      version: '0',
      origin: 'test.example/ledger',
    });
    await writer.flush();
    await writer.close();
    expect(actionsIn(journal)).toEqual(['chain_opened', 'tool_invoked']);
    await journal.close();
  });
});
