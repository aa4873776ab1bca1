import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { BATCH, type Journal } from '../../src/journal/journal.ts';
import type { Writer } from '../../src/pipeline.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import type { Store } from '../../src/store/client.ts';
import { insertRecords } from '../../src/store/records.ts';
import { verify } from '../../src/verify/verify.ts';
import { FaultyStore, Lost } from '../support/faulty-store.ts';
import {
  id,
  LEDGER_ID,
  memoryFolder,
  openJournal,
  openStore,
  recordOf,
  ship,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolCall } from '../support/test-spans.ts';
import { fillSegment, trim } from './trimmed.ts';

const folder = memoryFolder();
let made = 0;
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
});
beforeEach(() => store.command('TRUNCATE TABLE spanledger.audit_records'));
afterAll(() => store.close());

/** A writer of which the store has a part. */
interface Begun {
  journal: Journal;
  writer: Writer;
  chainId: string;
  /** Shipped so far. */
  size: number;
  /** Acknowledged since: no tampering with the store may cost them. */
  spans: string[];
}

async function append(begun: Pick<Begun, 'writer' | 'spans'>, count: number): Promise<void> {
  const spans = Array.from({ length: count }, () => id(8));
  await begun.writer.append(spans.map((spanId) => toolCall({ spanId })));
  begun.spans.push(...spans);
}

async function begin(shipped: number, waiting: number, log: 'kept' | 'trimmed' = 'kept'): Promise<Begun> {
  const journal = openJournal(join(folder, `journal-${made++}`));
  const begun: Begun = { journal, writer: writerIn(journal), chainId: '', size: 0, spans: [] };
  if (log === 'trimmed') fillSegment(journal);
  if (shipped > 0) {
    await append(begun, shipped);
    await ship(begun.writer, store);
  }
  if (log === 'trimmed') await trim(journal);
  begun.size = journal.chain?.size ?? 0;
  begun.spans = [];
  if (waiting > 0) await append(begun, waiting);
  begun.chainId = journal.chain!.chainId;
  return begun;
}

const remove = (where: string) =>
  store.command(`ALTER TABLE spanledger.audit_records DELETE WHERE ${where} SETTINGS mutations_sync = 2`);

/** Somebody's row, at a place of the chain. */
async function occupy({ chainId }: Begun, seq: number): Promise<string> {
  const recordHash = id(32);
  const foreign: SealedRecord = {
    chainId,
    seq,
    expiresAt: 4_102_444_800,
    retentionClass: 'ledger',
    prevHash: '',
    recordHash,
    payload: '{"forged":true}',
  };
  await insertRecords(store, [foreign], [foreign], 'again');
  return recordHash;
}

interface Landed {
  chain: string;
  seq: number;
  record: AuditRecord;
}

const landed = async (): Promise<Landed[]> =>
  (
    await store.query<{ chain: string; seq: string; payload: string }>(
      'SELECT chain_id AS chain, seq, payload FROM spanledger.audit_records ORDER BY chain_id, seq',
    )
  ).map(({ chain, seq, payload }) => ({ chain, seq: Number(seq), record: recordOf({ payload }) }));

/** Every acknowledged span is in the ledger, and is recorded again only with word of where it stood. */
async function expectNothingLost({ spans }: Begun): Promise<Landed[]> {
  const all = await landed();
  for (const span of spans) {
    const found = all.filter(
      ({ record }) => record.trace?.span_id === span && record.action === 'tool_invoked',
    );
    const first = found.filter(({ record }) => record.details?.recorded_before === undefined);
    expect(found.length, `span ${span}`).toBeGreaterThanOrEqual(1);
    expect(first.length, `span ${span}`).toBeLessThanOrEqual(1);
  }
  return all;
}

const forks = (all: readonly Landed[]) => all.filter(({ record }) => record.action === 'fork_detected');

describe('a place that is not ours any more', () => {
  it.each([
    {
      what: 'the last record is gone',
      kind: 'rollback',
      tamper: (b: Begun) => remove(`seq = ${b.size - 1}`),
      at: -1,
      found: 0,
    },
    { what: 'the whole table is gone', kind: 'rollback', tamper: () => remove('1'), at: -1, found: 0 },
    {
      what: 'the last records are gone',
      kind: 'rollback',
      tamper: () => remove('seq >= 2'),
      at: -1,
      found: 0,
    },
    {
      what: 'another stands at the last',
      kind: 'fork',
      tamper: async (b: Begun) => {
        await remove(`seq = ${b.size - 1}`);
        await occupy(b, b.size - 1);
      },
      at: -1,
      found: 1,
    },
    {
      what: 'another stands at the next',
      kind: 'fork',
      tamper: (b: Begun) => occupy(b, b.size),
      at: 0,
      found: 1,
    },
    {
      what: 'another stands within the next batch',
      kind: 'fork',
      tamper: (b: Begun) => occupy(b, b.size + 2),
      at: 2,
      found: 1,
    },
    {
      what: 'two others stand at the next',
      kind: 'fork',
      tamper: async (b: Begun) => {
        await occupy(b, b.size);
        await occupy(b, b.size);
      },
      at: 0,
      found: 2,
    },
  ])('$what: $kind, told in a successor, and nothing is lost', async ({ kind, tamper, at, found }) => {
    // What the log still holds would be sent again.
    const begun = await begin(4, 5, kind === 'rollback' ? 'trimmed' : 'kept');
    const { journal, writer, chainId, size } = begun;
    const waiting = unshippedOf(journal);
    const expected = at < 0 ? waiting[0]!.prevHash : waiting[at]!.recordHash;
    await tamper(begun);
    const { stopped } = await ship(writer, store);
    expect(stopped).toMatchObject([{ chainId, kind, seq: size + at, expected }]);
    expect(stopped[0]!.found).toHaveLength(found);
    expect(unshippedOf(journal)).toEqual([]);

    const all = await expectNothingLost(begun);
    const successor = all.filter(({ chain }) => chain === journal.chain!.chainId);
    expect(successor.map(({ record }) => record.action).slice(0, 2)).toEqual([
      'chain_opened',
      'fork_detected',
    ]);
    expect(successor[0]!.record.control).toMatchObject({
      predecessor: { chain_id: chainId, size, head: waiting[0]!.prevHash },
      unclean: true,
    });
    expect(successor[1]!.record.control).toEqual({
      chain_id: chainId,
      kind,
      seq: size + at,
      expected,
      found: stopped[0]!.found,
    });
    // What had not been confirmed is recorded again, in order, saying where and when it was recorded first.
    const again = waiting.map((sealed) => ({ place: `${chainId}:${sealed.seq}`, first: recordOf(sealed) }));
    expect(
      successor
        .slice(2)
        .map(({ record }) => [
          record.details?.recorded_before,
          record.details?.recorded_before_at,
          record.action,
          record.trace,
        ]),
    ).toEqual(again.map(({ place, first }) => [place, first.recorded_at, first.action, first.trace]));
    // Appending goes on in the successor.
    await append(begun, 2);
    expect((await ship(writer, store)).stopped).toEqual([]);
    await expectNothingLost(begun);
    for (const engine of ['sql', 'node'] as const) {
      const { chains } = await verify(store, { ledgerId: LEDGER_ID, engine });
      expect(chains.find(({ chain_id }) => chain_id === journal.chain!.chainId)).toMatchObject({
        status: 'valid',
      });
    }
    await journal.close();
  });

  it('before anything was shipped: the chain’s very first', async () => {
    const begun = await begin(0, 3);
    await occupy(begun, 0);
    const { stopped } = await ship(begun.writer, store);
    expect(stopped).toMatchObject([{ chainId: begun.chainId, kind: 'fork', seq: 0 }]);
    await expectNothingLost(begun);
    await begun.journal.close();
  });

  it('found by an heir: told in the heir’s own chain', async () => {
    const begun = await begin(4, 5);
    await occupy(begun, begun.size);
    await begun.journal.close();
    begun.journal = openJournal(begun.journal.dir);
    begun.writer = writerIn(begun.journal);
    await append(begun, 1);
    const { stopped } = await ship(begun.writer, store);
    expect(stopped).toMatchObject([{ chainId: begun.chainId, kind: 'fork' }]);
    const all = await expectNothingLost(begun);
    expect(forks(all).map(({ chain }) => chain)).toEqual([begun.journal.chain!.chainId]);
    await begun.journal.close();
  });

  it('in a chain that was closed long ago: its own end is told, and the chains after it go on', async () => {
    const begun = await begin(4, 3);
    await begun.writer.close();
    begun.writer = writerIn(begun.journal);
    await append(begun, 3);
    const second = begun.journal.chain!.chainId;
    await occupy(begun, begun.size);
    await ship(begun.writer, store);
    const all = await expectNothingLost(begun);
    expect(forks(all)).toMatchObject([{ chain: second, record: { control: { chain_id: begun.chainId } } }]);
    expect(begun.journal.chain!.chainId).toBe(second);
    const { chains } = await verify(store, { ledgerId: LEDGER_ID });
    expect(chains.find(({ chain_id }) => chain_id === second)).toMatchObject({ status: 'valid' });
    await begun.journal.close();
  });

  it('taken while the batch is under way', async () => {
    const begun = await begin(0, 3);
    const faulty = new FaultyStore(store);
    faulty.after = async (step) => {
      if (step === 'insert' && forks(await landed()).length === 0 && faulty.steps.length < 3)
        await occupy(begun, 1);
    };
    const { stopped } = await ship(begun.writer, faulty.asStore);
    expect(stopped).toMatchObject([{ chainId: begun.chainId, kind: 'fork', seq: 1 }]);
    await expectNothingLost(begun);
    await begun.journal.close();
  });

  it.each([1, 1_200])('is told once, though %d more are recorded while it is found', async (more) => {
    const begun = await begin(4, 5);
    await occupy(begun, begun.size);
    const faulty = new FaultyStore(store);
    faulty.after = async () => {
      if (begun.journal.chain!.chainId !== begun.chainId) return;
      const spans = Array.from({ length: more }, () => id(8));
      // Committed, and not durable yet.
      begun.writer.commit(spans.map((spanId) => toolCall({ spanId })));
      begun.spans.push(...spans);
    };
    const { stopped } = await ship(begun.writer, faulty.asStore);
    expect(begun.spans.length, 'recorded meanwhile').toBeGreaterThan(5);
    expect(stopped).toMatchObject([{ chainId: begun.chainId, kind: 'fork', seq: begun.size }]);
    const all = await expectNothingLost(begun);
    expect(forks(all)).toHaveLength(1);
    const again = all.filter(({ record }) => record.details?.recorded_before !== undefined);
    expect(again.map(({ record }) => record.trace!.span_id)).toEqual(begun.spans);
    const { chains } = await verify(store, { ledgerId: LEDGER_ID });
    expect(chains.find(({ chain_id }) => chain_id === begun.journal.chain!.chainId)).toMatchObject({
      status: 'valid',
    });
    await begun.journal.close();
  });

  it('of which only the hash is still ours: what stands there is not what we sent', async () => {
    const begun = await begin(0, 3);
    const faulty = new FaultyStore(store);
    faulty.after = async (step) => {
      if (step === 'insert' && faulty.steps.length < 3)
        await store.command(
          `ALTER TABLE spanledger.audit_records UPDATE payload = replaceOne(payload, 'tester', 'nobody') WHERE seq = 3 SETTINGS mutations_sync = 2`,
        );
    };
    const { stopped } = await ship(begun.writer, faulty.asStore);
    expect(stopped).toMatchObject([{ chainId: begun.chainId, kind: 'fork', seq: 3 }]);
    const all = await expectNothingLost(begun);
    const again = all.filter(({ record }) => record.details?.recorded_before === `${begun.chainId}:3`);
    expect(again.map(({ record }) => record.agent?.name)).toEqual(['tester']);
    await begun.journal.close();
  });
});

describe('a journal put back to an older state', () => {
  it('doubles nothing it sends again, and what it has forgotten is told as a fork, once', async () => {
    const begun = await begin(4, 5);
    const older = `${begun.journal.dir}-older`;
    cpSync(begun.journal.dir, older, { recursive: true });
    await ship(begun.writer, store);
    await append(begun, 3);
    await ship(begun.writer, store);
    const { size } = begun.journal.chain!;
    await begun.journal.close();

    begun.journal = openJournal(older);
    // Of what waits in it, one batch had begun: the rest makes another.
    begun.journal.transact((transaction) => transaction.set(BATCH, { first: begun.size, rows: 2 }));
    begun.writer = writerIn(begun.journal);
    await append(begun, 2);
    const { stopped } = await ship(begun.writer, store);
    expect(stopped).toMatchObject([
      { chainId: begun.chainId, kind: 'fork', seq: size - 3, expected: '', found: [expect.any(String)] },
    ]);
    await append(begun, 2);
    expect((await ship(begun.writer, store)).stopped).toEqual([]);
    const all = await expectNothingLost(begun);
    expect(forks(all).map(({ chain }) => chain)).toEqual([begun.journal.chain!.chainId]);
    expect(await verify(store, { ledgerId: LEDGER_ID })).toMatchObject({
      status: 'tampered',
      findings: [{ code: 'fork', chain_id: begun.chainId, seq: size - 3 }],
    });
    await begun.journal.close();
  });
});

describe('a store that fails while a fork is told', () => {
  const STEPS = 8;
  const cases = Array.from({ length: STEPS }, (_, i) =>
    (['NotPersist', 'ButPersist'] as const).flatMap((persist) =>
      (['the same writer', 'an heir'] as const).map((who) => [i + 1, persist, who] as const),
    ),
  ).flat();

  it.each(cases)(
    'at call %d %s, then %s: it is told all the same, and nothing is lost',
    async (call, persist, who) => {
      const begun = await begin(4, 5);
      await occupy(begun, begun.size);
      const faulty = new FaultyStore(store, { call, persist });
      const failed = await ship(begun.writer, faulty.asStore).then(
        () => false,
        (error: unknown) => error instanceof Lost,
      );
      expect(failed).toBe(call <= faulty.steps.length);
      if (who === 'an heir') {
        await begun.journal.close();
        begun.journal = openJournal(begun.journal.dir);
        begun.writer = writerIn(begun.journal);
      }
      await append(begun, 2);
      await ship(begun.writer, store);
      const all = await expectNothingLost(begun);
      const told = forks(all).filter(({ record }) => record.control?.chain_id === begun.chainId);
      expect(told).toHaveLength(1);
      const { chains } = await verify(store, { ledgerId: LEDGER_ID });
      for (const { chain_id, status } of chains)
        expect(status, chain_id).toBe(chain_id === begun.chainId ? 'tampered' : 'valid');
      await begun.journal.close();
    },
  );
});
