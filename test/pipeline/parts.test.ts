import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Journal, Transaction } from '../../src/journal/journal.ts';
import type { Became } from '../../src/pipeline.ts';
import { type Understood, understand } from '../../src/understand.ts';
import {
  brokenLinks,
  codeOf,
  fileFolder,
  openJournal,
  POLICY,
  recordOf,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolCall, toolCalls, toolSpan } from '../support/test-spans.ts';

/* A batch is committed in parts: one transaction is one frame of the journal, and holds up all else. */

const folder = fileFolder();
let made = 0;
const newJournal = (maxBytes?: number) => openJournal(join(folder, `journal-${made++}`), maxBytes);

/** Hears how many records each transaction has; `refuses` what no frame can hold. */
function transactionsOf(journal: Journal, refuses = (_: Transaction) => false): number[] {
  const { transact } = journal;
  const sizes: number[] = [];
  vi.spyOn(journal, 'transact').mockImplementation((work, own) => {
    let size = 0;
    const result = transact.call(
      journal,
      (transaction) => {
        const result = work(transaction);
        if (refuses(transaction)) throw new RangeError('a transaction is too large');
        size = transaction.records.length;
        return result;
      },
      own,
    ) as never;
    sizes.push(size);
    return result;
  });
  return sizes;
}

const actionsIn = (journal: Journal) => unshippedOf(journal).map((record) => recordOf(record).action);
const spansIn = (journal: Journal) =>
  unshippedOf(journal)
    .map(recordOf)
    .filter(({ action }) => action === 'tool_invoked')
    .map(({ trace }) => trace!.span_id);

describe('a large batch', () => {
  it('is committed 500 at a time, and made durable once', async () => {
    const journal = newJournal();
    const sizes = transactionsOf(journal);
    const flush = vi.spyOn(journal, 'flush');
    const batch = toolCalls(1_201);
    const told: Understood[] = [];
    const receipt = await writerIn(journal).append(batch, (each) => told.push(each));
    expect(sizes).toEqual([1 + 500, 500, 201]);
    expect(flush).toHaveBeenCalledTimes(1);
    expect(receipt).toMatchObject({ mapped: 1_201, duplicates: 0, records: { tool_invoked: 1_201 } });
    expect(told).toEqual(batch);
    expect(brokenLinks(unshippedOf(journal))).toEqual([]);
    await journal.close();
  });

  it('lets others have their turn between its parts', async () => {
    const journal = newJournal();
    const writer = writerIn(journal);
    const [large, small] = [toolCalls(1_500), toolCall()];
    const order: string[] = [];
    await Promise.all([
      writer.append(large).then(() => order.push('large')),
      writer.append([small]).then(() => order.push('small')),
    ]);
    expect(order).toEqual(['small', 'large']);
    expect(spansIn(journal)).toHaveLength(1_501);
    expect(brokenLinks(unshippedOf(journal))).toEqual([]);
    await journal.close();
  });

  it('is one batch to its lineage: a parent stands in the last part, its child in the first', async () => {
    const journal = newJournal();
    const parent = toolSpan({ attributes: { 'user.id': 'nurse-17' } });
    const child = { ...toolSpan({ traceId: parent.traceId }), parentSpanId: parent.spanId };
    const [first, last] = [child, parent].map((span) => understand(span, POLICY));
    await writerIn(journal).append([first!, ...toolCalls(1_000), last!]);
    const found = unshippedOf(journal)
      .map(recordOf)
      .find(({ trace }) => trace?.span_id === child.spanId);
    expect(found).toMatchObject({ user: { id: 'nurse-17' } });
    await journal.close();
  });

  it.each(['flush', 'close'] as const)('is whole when %s has been waited for', async (end) => {
    const journal = newJournal();
    const writer = writerIn(journal);
    const appended = writer.append(toolCalls(1_200));
    await writer[end]();
    expect(spansIn(journal)).toHaveLength(1_200);
    expect(actionsIn(journal).filter((action) => action === 'chain_opened')).toHaveLength(1);
    await appended;
    await journal.close();
  });

  it('is not acknowledged when the journal is full half-way, and doubles nothing when it comes again', async () => {
    const full = newJournal(64 * 1024);
    const batch = toolCalls(1_200);
    expect(await codeOf(() => writerIn(full).append(batch))).toBe('journal_full');
    await full.flush();
    const before = spansIn(full);
    expect(before).toHaveLength(500);
    await full.close();
    const journal = openJournal(full.dir);
    expect(await writerIn(journal).append(batch)).toMatchObject({ mapped: 1_200, duplicates: 500 });
    expect(new Set(spansIn(journal)).size).toBe(1_200);
    expect(spansIn(journal)).toHaveLength(1_200);
    await journal.close();
  });
});

describe('a batch whose records are large', () => {
  const large = () => toolCall({ args: { note: Array.from({ length: 2_000 }, (_, i) => `word-${i}`) } });

  it('has fewer in a part: as many as come to 4 MB', async () => {
    const journal = newJournal();
    const sizes = transactionsOf(journal);
    const batch = Array.from({ length: 400 }, large);
    await writerIn(journal).append(batch);
    const records = unshippedOf(journal);
    expect(records).toHaveLength(401);
    const each = records[1]!.payload.length;
    const most = Math.ceil((4 * 1024 * 1024) / each);
    expect(most).toBeLessThan(400);
    expect(sizes[0]! - 1).toBe(most);
    await journal.close();
  });

  it('is halved, where one frame cannot hold a part all the same', async () => {
    const journal = newJournal();
    const sizes = transactionsOf(journal, ({ records }) => records.length > 4);
    const told = new Map<Understood, Became[]>();
    const receipt = await writerIn(journal).append(toolCalls(20), (each, became) =>
      told.set(each, [...(told.get(each) ?? []), became]),
    );
    expect(receipt).toMatchObject({ mapped: 20, duplicates: 0, records: { tool_invoked: 20 } });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(21);
    expect([...told.values()]).toEqual(Array(20).fill([{ actions: ['tool_invoked'], duplicate: false }]));
    expect(brokenLinks(unshippedOf(journal))).toEqual([]);
    await journal.close();
  });

  it('costs only the one that no frame can hold: it goes to quarantine', async () => {
    const journal = newJournal();
    const heavy = toolSpan({ tool: 'heavy' });
    transactionsOf(journal, ({ records }) =>
      records.some(({ payload }) => payload.includes('"name":"heavy"')),
    );
    const batch = [...toolCalls(3), understand(heavy, POLICY), ...toolCalls(3)];
    const told = new Map<Understood, Became>();
    const writer = writerIn(journal);
    expect(await writer.append(batch, (each, became) => told.set(each, became))).toMatchObject({
      mapped: 6,
      quarantined: 1,
      records: { tool_invoked: 6, payload_quarantined: 1 },
    });
    expect(told.get(batch[3]!)).toEqual({ actions: ['payload_quarantined'], duplicate: false });
    const found = unshippedOf(journal)
      .map(recordOf)
      .find(({ action }) => action === 'payload_quarantined');
    expect(found!.control).toMatchObject({ reason: 'too_large' });
    expect([...journal.quarantined()]).toMatchObject([
      [expect.any(String), { span: { span_id: heavy.spanId } }],
    ]);
    expect(await writer.append(batch), 'again').toMatchObject({
      mapped: 6,
      quarantined: 1,
      duplicates: 7,
      records: {},
    });
    await journal.close();
  });
});
