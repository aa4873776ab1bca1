import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { BATCH, type Journal } from '../../src/journal/journal.ts';
import { SEGMENT_BYTES } from '../../src/journal/log.ts';
import type { Store } from '../../src/store/client.ts';
import { insertRecords } from '../../src/store/records.ts';
import { partitionOf } from '../../src/target/batch.ts';
import { verify } from '../../src/verify/verify.ts';
import { type Fault, FaultyStore, Lost } from '../support/faulty-store.ts';
import {
  id,
  LEDGER_ID,
  memoryFolder,
  openJournal,
  openStore,
  sealChain,
  ship,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { forgetMutations } from '../support/older-store.ts';
import { toolCalls } from '../support/test-spans.ts';

const folder = memoryFolder();
let made = 0;
const newJournal = () => openJournal(join(folder, `journal-${made++}`));
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
});
beforeEach(() => store.command('TRUNCATE TABLE spanledger.audit_records'));
afterAll(() => store.close());

/** A journal of several chains, each closed by its writer, not shipped. */
async function journalOf(chains: number, spans = 4): Promise<Journal> {
  const journal = newJournal();
  for (let i = 0; i < chains; i++) {
    const writer = writerIn(journal);
    await writer.append(toolCalls(spans));
    await writer.close();
  }
  return journal;
}

const stored = () =>
  store.query<{ chain: string; seq: string; hash: string }>(
    'SELECT chain_id AS chain, seq, lower(hex(record_hash)) AS hash FROM spanledger.audit_records ORDER BY chain_id, seq',
  );

/** Every record once, nothing else, and the ledger valid, but for what is expected of it. */
async function expectExactly(records: readonly SealedRecord[], findings: string[] = []): Promise<void> {
  const expected = records.map(({ chainId, seq, recordHash }) => ({
    chain: chainId,
    seq: String(seq),
    hash: recordHash,
  }));
  const order = (a: { chain: string; seq: string }, b: typeof a) =>
    a.chain < b.chain ? -1 : a.chain > b.chain ? 1 : Number(a.seq) - Number(b.seq);
  expect(await stored()).toEqual(expected.sort(order));
  const verification = await verify(store, { ledgerId: LEDGER_ID });
  expect(verification.findings.map(({ code }) => code)).toEqual(findings);
  expect(verification).toMatchObject({
    status: findings.length === 0 ? 'valid' : 'tampered',
    broken_at_record: null,
    records_checked: records.length,
  });
}

describe('shipping', () => {
  it('nothing is nothing', async () => {
    const journal = newJournal();
    const faulty = new FaultyStore(store);
    expect(await ship(writerIn(journal), faulty.asStore)).toEqual({ records: 0, again: 0, stopped: [] });
    expect(faulty.calls).toEqual([]);
    await journal.close();
  });

  it('carries everything, in order, tells how far it is, and does it once', async () => {
    const journal = await journalOf(3);
    const records = unshippedOf(journal);
    const progress: number[] = [];
    const faulty = new FaultyStore(store);
    const shipment = await ship(writerIn(journal), faulty.asStore, (done) => progress.push(done));
    expect(shipment).toEqual({ records: records.length, again: 0, stopped: [] });
    expect(progress).toEqual([records.length / 3, (2 * records.length) / 3, records.length]);
    await expectExactly(records);
    const sent = faulty.calls.flatMap(({ rows }) => rows.map((row) => row.split('\t').slice(0, 2).join(':')));
    expect(sent).toEqual(records.map(({ chainId, seq }) => `${chainId}:${seq}`));
    expect(await ship(writerIn(journal), store)).toEqual({ records: 0, again: 0, stopped: [] });
    await journal.close();
  });

  it('takes what is written meanwhile, by several journals', async () => {
    const journals = [newJournal(), newJournal()];
    const writers = journals.map((journal) => writerIn(journal));
    for (let round = 0; round < 3; round++) {
      for (const writer of writers) await writer.append(toolCalls(3));
      await Promise.all(writers.map((writer) => ship(writer, store)));
    }
    const verification = await verify(store, { ledgerId: LEDGER_ID });
    expect(verification).toMatchObject({ status: 'valid', findings: [] });
    expect(verification.chains.map(({ chain_id, size, head }) => [chain_id, size, head]).sort()).toEqual(
      journals.map(({ chain }) => [chain!.chainId, chain!.size, chain!.head]).sort(),
    );
    for (const journal of journals) await journal.close();
  });

  it('lets go of what the store has confirmed', async () => {
    const journal = newJournal();
    const payload = JSON.stringify({ text: 'x'.repeat(SEGMENT_BYTES / 2) });
    const records = plainChain(Array(6).fill(payload));
    for (const record of records) journal.transact((transaction) => transaction.records.push(record));
    await journal.flush();
    expect(journal.bytes).toBeGreaterThan(2 * SEGMENT_BYTES);
    await ship(writerIn(journal), store);
    expect(journal.bytes).toBeLessThan(SEGMENT_BYTES);
    await journal.close();
  });
});

describe('a batch', () => {
  it('has at most 10,000 rows, of one chain', async () => {
    const journal = newJournal();
    const chains = [25_000, 1, 10_000].map((size) =>
      plainChain(Array(size).fill('{"retention_class":"ledger"}')),
    );
    for (const records of chains) {
      for (let i = 0; i < records.length; i += 999)
        journal.transact((transaction) => transaction.records.push(...records.slice(i, i + 999)));
    }
    const faulty = new FaultyStore(store);
    expect((await ship(writerIn(journal), faulty.asStore)).records).toBe(35_001);
    const batches = faulty.calls.filter(({ step }) => step === 'insert').map(({ rows }) => rows);
    expect(batches.map((rows) => rows.length)).toEqual([10_000, 10_000, 5_000, 1, 10_000]);
    for (const rows of batches) expect(new Set(rows.map((row) => row.split('\t')[0])).size).toBe(1);
    await journal.close();
  });

  it('has at most 50 partitions', async () => {
    const journal = newJournal();
    const records = plainChain(Array.from({ length: 120 }, (_, i) => `{"retention_class":"class${i}"}`));
    for (const [i, record] of records.entries()) record.retentionClass = `class${i}`;
    journal.transact((transaction) => transaction.records.push(...records));
    const faulty = new FaultyStore(store);
    await ship(writerIn(journal), faulty.asStore);
    const inserts = faulty.calls.filter(({ step }) => step === 'insert');
    expect(inserts.map(({ rows }) => rows.length)).toEqual([50, 50, 20]);
    expect(new Set(records.map(partitionOf)).size).toBe(120);
    await expectExactly(records);
    await journal.close();
  });

  /** Of so many megabytes each. */
  const large = (...megabytes: number[]) =>
    plainChain(
      megabytes.map((each, i) =>
        JSON.stringify({ i, retention_class: 'ledger', text: 'x'.repeat(each * 2 ** 20) }),
      ),
    );
  const insertsOf = (faulty: FaultyStore) =>
    faulty.calls.filter(({ step }) => step === 'insert').map(({ rows }) => rows.length);

  it('has at most 32 MB of payload, or one record', async () => {
    const journal = newJournal();
    const records = large(15, 15, 1, 15, 40, 1);
    for (const record of records) journal.transact((transaction) => transaction.records.push(record));
    const faulty = new FaultyStore(store);
    await ship(writerIn(journal), faulty.asStore);
    expect(insertsOf(faulty)).toEqual([3, 1, 1, 1]);
    await expectExactly(records);
    await journal.close();
  });

  it('is cut anew where it was begun too large, by a version that counted rows alone', async () => {
    const journal = newJournal();
    const records = large(20, 20, 20);
    for (const record of records) journal.transact((transaction) => transaction.records.push(record));
    journal.transact((transaction) => transaction.set(BATCH, { first: 0, rows: 3 }));
    const faulty = new FaultyStore(store);
    await ship(writerIn(journal), faulty.asStore);
    expect(insertsOf(faulty)).toEqual([1, 1, 1]);
    await journal.close();
  });

  it('keeps its bounds when it is sent again, whatever came since', async () => {
    const journal = newJournal();
    const writer = writerIn(journal);
    await writer.append(toolCalls(3));
    const first = unshippedOf(journal).length;
    const lost = new FaultyStore(store, { call: 2, persist: 'NotPersist' });
    await expect(ship(writer, lost.asStore)).rejects.toThrow(Lost);
    await writer.append(toolCalls(3));
    const records = unshippedOf(journal);
    const faulty = new FaultyStore(store);
    await ship(writer, faulty.asStore);
    const inserts = faulty.calls.filter(({ step }) => step === 'insert').map(({ rows }) => rows);
    expect(inserts.map((rows) => rows.length)).toEqual([first, records.length - first]);
    expect(inserts[0]).toEqual(lost.calls[1]!.rows);
    await expectExactly(records);
    await journal.close();
  });

  it.each([
    ['its first half', (all: readonly SealedRecord[]) => all.slice(0, 3)],
    ['its last record', (all: readonly SealedRecord[]) => all.slice(-1)],
    ['every other record', (all: readonly SealedRecord[]) => all.filter((_, i) => i % 2 === 0)],
  ])('of which the store has %s is completed', async (_, part) => {
    const journal = await journalOf(1, 3);
    const records = unshippedOf(journal);
    await insertRecords(store, [records[0]!, ...records.slice(1)], part(records), 'again');
    expect(await ship(writerIn(journal), store)).toEqual({ records: records.length, again: 0, stopped: [] });
    await expectExactly(records);
    await journal.close();
  });

  it('of which a part is still on its way, by an insert that was cut, is there once when that arrives', async () => {
    const journal = await journalOf(1, 3);
    const records = unshippedOf(journal);
    const [first] = records;
    const isThere = ({ retentionClass }: SealedRecord) => retentionClass === first!.retentionClass;
    const batch = [first!, ...records.slice(1)] as const;
    const rest = records.filter((each) => !isThere(each));
    expect(rest).not.toEqual([]);
    await insertRecords(store, batch, records.filter(isThere), 'once');
    await ship(writerIn(journal), store);
    await insertRecords(store, batch, rest, 'once');
    await expectExactly(records);
    await journal.close();
  });

  it('of which the store has something twice is warned of, and not stopped', async () => {
    const journal = await journalOf(1, 3);
    const records = unshippedOf(journal);
    for (let i = 0; i < 2; i++) await insertRecords(store, [records[0]!], [records[0]!], 'again');
    expect(await ship(writerIn(journal), store)).toEqual({ records: records.length, again: 0, stopped: [] });
    const { findings, status } = await verify(store, { ledgerId: LEDGER_ID });
    expect(status).toBe('valid');
    expect(findings.map(({ code, seq }) => [code, seq])).toEqual([['duplicate_identical', 0]]);
    await journal.close();
  });

  it('whose rows the store took, remembers, and no longer has, is sent so that it counts', async () => {
    const journal = await journalOf(1, 3);
    const records = unshippedOf(journal);
    await insertRecords(store, [records[0]!, ...records.slice(1)], records, 'once');
    await store.command('ALTER TABLE spanledger.audit_records DELETE WHERE 1 SETTINGS mutations_sync = 2');
    await ship(writerIn(journal), store);
    await expectExactly(records, ['schema_mismatch']);
    await forgetMutations(store);
    await journal.close();
  });
});

function plainChain(payloads: readonly string[]): SealedRecord[] {
  return sealChain(id(16), payloads).map((each) => ({ ...each, seq: Number(each.seq) }));
}

describe('a store that fails', () => {
  const CHAINS = 3;
  const STEPS = ['look', 'insert', 'confirm', 'insert', 'confirm', 'insert', 'confirm'];

  it('is asked these things, of which each may fail', async () => {
    const journal = await journalOf(CHAINS);
    const faulty = new FaultyStore(store);
    await ship(writerIn(journal), faulty.asStore);
    expect(faulty.steps).toEqual(STEPS);
    await journal.close();
  });

  const faults = STEPS.flatMap((step, i) =>
    (['NotPersist', 'ButPersist'] as const).flatMap((persist) =>
      (['the same writer', 'an heir'] as const).map((who) => ({
        name: `${step} ${i + 1} ${persist}, then ${who}`,
        fault: { call: i + 1, persist },
        who,
        // Chains marked as shipped when it fails: those whose confirmation was read.
        expectProgress: STEPS.slice(0, i).filter((each) => each === 'confirm').length,
      })),
    ),
  );

  it.each(faults)('at $name', async ({ fault, who, expectProgress }) => {
    let journal = await journalOf(CHAINS);
    const records = unshippedOf(journal);
    const faulty = new FaultyStore(store, fault);
    const writer = writerIn(journal);
    await expect(ship(writer, faulty.asStore)).rejects.toThrow(Lost);
    expect(faulty.calls).toHaveLength(fault.call);
    expect(unshippedOf(journal)).toHaveLength((records.length / CHAINS) * (CHAINS - expectProgress));
    if (who === 'an heir') {
      await journal.close();
      journal = openJournal(journal.dir);
    }
    await ship(who === 'an heir' ? writerIn(journal) : writer, store);
    expect(unshippedOf(journal)).toEqual([]);
    await expectExactly(records);
    await journal.close();
  });

  it('again and again, at any places, costs nothing but time', async () => {
    const fault = fc.record({
      call: fc.integer({ min: 1, max: STEPS.length }),
      persist: fc.constantFrom('NotPersist' as const, 'ButPersist' as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 6 }), fc.boolean(), async (faults: Fault[], heirs) => {
        await store.command('TRUNCATE TABLE spanledger.audit_records');
        let journal = await journalOf(2, 2);
        const all = new Map(
          unshippedOf(journal).map((record) => [`${record.chainId}:${record.seq}`, record]),
        );
        let writer = writerIn(journal);
        for (const each of faults) {
          await ship(writer, new FaultyStore(store, each).asStore).catch((error: unknown) => {
            if (!(error instanceof Lost)) throw error;
          });
          if (heirs) {
            await journal.close();
            journal = openJournal(journal.dir);
            writer = writerIn(journal);
          }
          await writer.append(toolCalls(1));
          for (const record of unshippedOf(journal)) all.set(`${record.chainId}:${record.seq}`, record);
        }
        await ship(writer, store);
        await expectExactly([...all.values()]);
        await journal.close();
      }),
      { numRuns: 15 },
    );
  });
});
