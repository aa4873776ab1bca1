import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import type { Journal } from '../../src/journal/journal.ts';
import type { Writer } from '../../src/pipeline.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import type { Store } from '../../src/store/client.ts';
import { insertRecords } from '../../src/store/records.ts';
import type { Verification } from '../../src/verify/findings.ts';
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
import { leaveOut } from '../support/older-store.ts';
import { toolCalls } from '../support/test-spans.ts';
import { fillSegment, trim } from './trimmed.ts';

/* The store is put back to an older state, or made anew, under a journal that relied on it. */

const folder = memoryFolder();
let made = 0;
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
});
beforeEach(async () => {
  await store.command('TRUNCATE TABLE spanledger.audit_records');
  await store.command('TRUNCATE TABLE spanledger.audit_tombstones');
});
afterAll(() => store.close());

const newJournal = () => openJournal(join(folder, `journal-${made++}`));
const remove = (where: string) => leaveOut(store, where);
const wipe = () => store.command('TRUNCATE TABLE spanledger.audit_records');

/** A chain of `calls` tool calls, shipped; closed unless it goes on. */
async function shipped(journal: Journal, calls: number, close = true): Promise<Writer> {
  const writer = writerIn(journal);
  await writer.append(toolCalls(calls));
  if (close) await writer.close();
  await ship(writer, store);
  return writer;
}

interface Stored {
  id: string;
  chain: string;
  record: AuditRecord;
}

const stored = async (): Promise<Stored[]> =>
  (
    await store.query<{ id: string; chain: string; payload: string }>(
      `SELECT concat(chain_id, ':', toString(seq)) AS id, chain_id AS chain, payload FROM spanledger.audit_records ORDER BY chain_id, seq`,
    )
  ).map(({ id, chain, payload }) => ({ id, chain, record: recordOf({ payload }) }));
const ids = async () => (await stored()).map(({ id }) => id);
const told = async () =>
  (await stored())
    .filter(({ record }) => record.action === 'fork_detected')
    .map(({ record }) => {
      const { chain_id, kind, seq } = record.control as { [name: string]: unknown };
      return `${kind} ${chain_id}:${seq}`;
    });

/** What both engines say, in the same words. */
async function verified(): Promise<Verification> {
  const [sql, node] = [
    await verify(store, { ledgerId: LEDGER_ID, engine: 'sql' }),
    await verify(store, { ledgerId: LEDGER_ID, engine: 'node' }),
  ];
  expect({ ...sql, elapsed_ms: 0 }).toEqual({ ...node, elapsed_ms: 0 });
  return sql;
}

describe('what the journal still has is sent again', () => {
  const losses: [what: string, lose: () => Promise<unknown>][] = [
    ['everything', wipe],
    ['the last record', () => remove('seq = 4')],
    ['all but the first records', () => remove('seq >= 2')],
    ['every other record, the last included', () => remove('seq % 2 = 0')],
  ];
  const afterwards = ['nothing is waiting', 'records are waiting'] as const;
  const cases = losses.flatMap(([what, lose]) =>
    afterwards.flatMap((waiting) =>
      (['the same writer', 'an heir'] as const).map((who) => ({ what, lose, waiting, who })),
    ),
  );

  it.each(cases)('$what gone, $waiting, $who', async ({ lose, waiting, who }) => {
    let journal = newJournal();
    let writer = await shipped(journal, 4, false);
    const before = await ids();
    await lose();
    const left = (await ids()).length;
    if (waiting === 'records are waiting') await writer.append(toolCalls(3));
    if (who === 'an heir') {
      await journal.close();
      journal = openJournal(journal.dir);
      writer = writerIn(journal);
    }
    const unshipped = unshippedOf(journal).map(({ chainId, seq }) => `${chainId}:${seq}`);
    expect(await ship(writer, store)).toEqual({
      records: unshipped.length,
      again: before.length - left,
      stopped: [],
    });
    expect(await ids()).toEqual([...before, ...unshipped]);
    expect(await verified()).toMatchObject({ status: 'valid', findings: [] });
    expect(await ship(writer, store)).toEqual({ records: 0, again: 0, stopped: [] });
    await journal.close();
  });

  it('of several chains, each as it was', async () => {
    const journal = newJournal();
    for (let i = 0; i < 3; i++) await shipped(journal, 3);
    const before = await ids();
    await wipe();
    expect((await ship(writerIn(journal), store)).again).toBe(before.length);
    expect(await ids()).toEqual(before);
    expect(await verified()).toMatchObject({ status: 'valid', findings: [] });
    await journal.close();
  });

  it('but not where the store has its tombstone', async () => {
    const journal = newJournal();
    await shipped(journal, 3);
    await store.command(
      `INSERT INTO spanledger.audit_tombstones (chain_id, seq, reason, expires_at, payload_digest, record_hash)
       SELECT chain_id, seq, 'expired', expires_at, SHA256(payload), record_hash FROM spanledger.audit_records`,
    );
    await wipe();
    expect(await ship(writerIn(journal), store)).toEqual({ records: 0, again: 0, stopped: [] });
    expect(await ids()).toEqual([]);
    await journal.close();
  });

  it('but never over the record of somebody else', async () => {
    const journal = newJournal();
    await shipped(journal, 4);
    const chainId = journal.chain!.chainId;
    await remove('seq >= 2');
    const foreign: SealedRecord = {
      chainId,
      seq: 3,
      expiresAt: 4_102_444_800,
      retentionClass: 'ledger',
      prevHash: '',
      recordHash: id(32),
      payload: '{"forged":true}',
    };
    await insertRecords(store, [foreign], [foreign], 'again');
    const { stopped } = await ship(writerIn(journal), store);
    expect(stopped).toMatchObject([{ chainId, kind: 'fork', seq: 3, found: [foreign.recordHash] }]);
    expect(await told()).toEqual([`fork ${chainId}:3`]);
    await journal.close();
  });
});

describe('what only the store had is lost, and told', () => {
  /** A journal whose log holds nothing of the chain it shipped. */
  async function gone(): Promise<{ journal: Journal; chainId: string; size: number; head: string }> {
    const journal = newJournal();
    fillSegment(journal);
    await shipped(journal, 4, false);
    await trim(journal);
    const { chainId, size, head } = journal.chain!;
    return { journal, chainId, size, head };
  }

  it.each(['the same run', 'later runs'])(
    'the whole store, with nothing to ship: once, in %s',
    async (who) => {
      const { journal, chainId, size, head } = await gone();
      await wipe();
      let writer = writerIn(journal);
      const lost = { chainId, kind: 'rollback', seq: size - 1, expected: head, found: [] };
      expect(await ship(writer, store)).toEqual({ records: 2, again: 0, stopped: [lost] });
      for (let i = 0; i < 3; i++) {
        if (who === 'later runs') writer = writerIn(journal);
        expect(await ship(writer, store)).toEqual({ records: 0, again: 0, stopped: [] });
      }
      expect(await told()).toEqual([`rollback ${chainId}:${size - 1}`]);
      const verification = await verified();
      expect(verification).toMatchObject({
        status: 'tampered',
        broken_at_record: { chain_id: chainId, seq: 0 },
      });
      expect(verification.findings).toMatchObject([
        { code: 'genesis_missing', severity: 'critical', chain_id: chainId, seq: 0, to: size - 1 },
      ]);
      await journal.close();
    },
  );

  it('the end of a chain: it is found tampered with', async () => {
    const { journal, chainId, size } = await gone();
    await remove('seq >= 3');
    expect((await ship(writerIn(journal), store)).stopped).toMatchObject([{ chainId, kind: 'rollback' }]);
    const { status, chains, findings } = await verified();
    expect(status).toBe('tampered');
    expect(chains.find(({ chain_id }) => chain_id === chainId)).toMatchObject({
      size: 3,
      status: 'tampered',
    });
    expect(findings).toMatchObject([{ code: 'seq_gap', chain_id: chainId, seq: 3, to: size - 1 }]);
    await journal.close();
  });

  it('a chain whose later records the journal still has: these are sent again, and the hole is told', async () => {
    const journal = newJournal();
    fillSegment(journal);
    const writer = await shipped(journal, 4, false);
    await trim(journal);
    const { chainId, size: first } = journal.chain!;
    await writer.append(toolCalls(2));
    await ship(writer, store);
    const { size } = journal.chain!;
    await writer.append(toolCalls(1));
    const waiting = unshippedOf(journal).length;
    await wipe();
    const shipment = await ship(writer, store);
    expect(shipment).toMatchObject({
      again: size - first,
      stopped: [{ chainId, kind: 'rollback', seq: first - 1 }],
    });
    const all = await stored();
    expect(all.filter(({ chain }) => chain === chainId)).toHaveLength(size - first);
    const moved = all.filter(({ record }) => record.details?.recorded_before !== undefined);
    expect(moved.map(({ record }) => record.details!.recorded_before)).toEqual(
      Array.from({ length: waiting }, (_, i) => `${chainId}:${size + i}`),
    );
    expect((await verified()).findings).toMatchObject([
      { code: 'genesis_missing', chain_id: chainId, seq: 0, to: first - 1 },
    ]);
    expect(await ship(writer, store)).toEqual({ records: 0, again: 0, stopped: [] });
    // The same loss again: what can be is sent again, and nothing is told twice.
    const before = await ids();
    await wipe();
    expect(await ship(writerIn(journal), store)).toMatchObject({ again: before.length, stopped: [] });
    expect(await ids()).toEqual(before);
    await journal.close();
  });

  it('a chain before those the journal still has: these stand again, and its end is told', async () => {
    const { journal, chainId, size } = await gone();
    for (let i = 0; i < 2; i++) await shipped(journal, 3);
    const later = (await ids()).filter((each) => !each.startsWith(chainId));
    await wipe();
    expect(await ship(writerIn(journal), store)).toMatchObject({
      again: later.length,
      stopped: [{ chainId, kind: 'rollback', seq: size - 1 }],
    });
    expect(await ids()).toEqual(expect.arrayContaining(later));
    expect(await told()).toEqual([`rollback ${chainId}:${size - 1}`]);
    const { status, findings, chains } = await verified();
    expect(status).toBe('tampered');
    expect(findings).toMatchObject([{ code: 'genesis_missing', chain_id: chainId, seq: 0, to: size - 1 }]);
    for (const chain of chains) expect(chain.status).toBe('valid');
    await journal.close();
  });

  it('an older state of the store, that has the chain before: the rest is sent again, and nothing is told', async () => {
    const { journal } = await gone();
    for (let i = 0; i < 2; i++) await shipped(journal, 3);
    const before = await ids();
    await remove(`chain_id = '${journal.chain!.chainId}'`);
    expect(await ship(writerIn(journal), store)).toMatchObject({ stopped: [] });
    expect(await ids()).toEqual(before);
    expect(await verified()).toMatchObject({ status: 'valid', findings: [] });
    await journal.close();
  });

  it('is not what a stopped chain could never ship', async () => {
    const journal = newJournal();
    const writer = await shipped(journal, 4, false);
    const { chainId, size } = journal.chain!;
    await writer.append(toolCalls(3));
    const foreign: SealedRecord = {
      chainId,
      seq: size,
      expiresAt: 4_102_444_800,
      retentionClass: 'ledger',
      prevHash: '',
      recordHash: id(32),
      payload: '{"forged":true}',
    };
    await insertRecords(store, [foreign], [foreign], 'again');
    expect((await ship(writer, store)).stopped).toHaveLength(1);
    const before = await stored();
    await wipe();
    expect(await ship(writerIn(journal), store)).toMatchObject({ stopped: [] });
    // All but the stranger's, and nothing under the stopped chain that was recorded again elsewhere.
    expect(await ids()).toEqual(
      before.map((each) => each.id).filter((each) => each !== `${chainId}:${size}`),
    );
    await journal.close();
  });

  it('is told of a conversation’s chains only where they are asked for', async () => {
    const { journal, chainId } = await gone();
    await wipe();
    await ship(writerIn(journal), store);
    const verification = await verify(store, { ledgerId: LEDGER_ID, conversation: 'nobody' });
    expect(verification).toMatchObject({ status: 'empty', findings: [] });
    expect((await verify(store, { ledgerId: LEDGER_ID })).findings[0]!.chain_id).toBe(chainId);
    await journal.close();
  });
});

describe('a store that fails while a rollback is told', () => {
  const STEPS = 9;
  const cases = Array.from({ length: STEPS }, (_, i) =>
    (['NotPersist', 'ButPersist'] as const).flatMap((persist) =>
      (['the same writer', 'an heir'] as const).map((who) => [i + 1, persist, who] as const),
    ),
  ).flat();

  it.each(cases)(
    'at call %d %s, then %s: it is told once, and all is sent again',
    async (call, persist, who) => {
      let journal = newJournal();
      fillSegment(journal);
      let writer = await shipped(journal, 4, false);
      await trim(journal);
      const { chainId, size: first } = journal.chain!;
      await writer.append(toolCalls(2));
      await ship(writer, store);
      const { size } = journal.chain!;
      await wipe();
      const faulty = new FaultyStore(store, { call, persist });
      const failed = await ship(writer, faulty.asStore).then(
        () => false,
        (error: unknown) => error instanceof Lost,
      );
      expect(failed).toBe(call <= faulty.steps.length);
      if (who === 'an heir') {
        await journal.close();
        journal = openJournal(journal.dir);
        writer = writerIn(journal);
      }
      await ship(writer, store);
      await ship(writer, store);
      expect(await told()).toEqual([`rollback ${chainId}:${first - 1}`]);
      const again = (await ids()).filter((each) => each.startsWith(chainId));
      expect(again).toEqual(Array.from({ length: size - first }, (_, i) => `${chainId}:${first + i}`));
      expect((await verified()).findings).toMatchObject([{ code: 'genesis_missing', to: first - 1 }]);
      await journal.close();
    },
  );
});
