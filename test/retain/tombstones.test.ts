import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { bury } from '../../src/retain/tombstones.ts';
import { FabricatedChain, START } from '../support/fabricated-ledger.ts';
import { codeOf, LEDGER_ID, memoryFolder, openStore } from '../support/ledger-kit.ts';
import { TamperedLedger } from '../support/tampered-ledger.ts';

const ledger = new TamperedLedger();
const chain = new FabricatedChain('a').open();
for (let i = 1; i <= 30; i++) chain.add('gap', { n: i }, START + i, { retention_class: 'default' });

beforeAll(async () => {
  ledger.store = await openStore(join(memoryFolder(), 'ledger'));
  await ledger.keep();
});
beforeEach(async () => {
  await ledger.reset();
  await ledger.put(chain.rows);
});
afterAll(() => ledger.store.close());

const buried = (stretches: [number, number][], reason: 'expired' | 'erased' = 'expired') =>
  bury(ledger.store, { ledgerId: LEDGER_ID, reason, places: new Map([['a', stretches]]) });

async function tombstones(): Promise<[string, string, string, string][]> {
  const rows = await ledger.store.query<{ seq: string; reason: string; digest: string; hash: string }>(
    'SELECT seq, reason, lower(hex(payload_digest)) AS digest, lower(hex(record_hash)) AS hash FROM spanledger.audit_tombstones ORDER BY audit_tombstones.seq',
  );
  return rows.map(({ seq, reason, digest, hash }) => [seq, reason, digest, hash]);
}

it('says of each record what it was, once, however often it is called', async () => {
  const first = await buried([
    [2, 4],
    [9, 9],
  ]);
  expect(first).toMatchObject({ written: 4, unsound: [] });
  expect([...first.places]).toEqual([
    [
      'a',
      [
        [2, 4],
        [9, 9],
      ],
    ],
  ]);
  const [again, other] = await Promise.all([buried([[1, 5]]), buried([[1, 5]])]);
  expect([again.unsound, other.unsound]).toEqual([[], []]);
  expect(again.tombstones).toHaveLength(5);
  const there = await tombstones();
  expect(there.map(([seq]) => Number(seq))).toEqual([1, 2, 3, 4, 5, 9]);
  for (const [seq, reason, , hash] of there) {
    expect(reason).toBe('expired');
    expect(hash).toBe(chain.records[Number(seq)]!.recordHash);
  }
});

it('leaves a tombstone that is there as it is, also where its record has gone', async () => {
  await buried([[3, 6]]);
  await ledger.remove("chain_id = 'a' AND seq IN (4, 5)");
  const again = await buried([[3, 8]], 'erased');
  expect(again).toMatchObject({ written: 2, unsound: [] });
  expect(again.tombstones.map(({ seq }) => seq)).toEqual([7, 8]);
  expect([...again.otherwise]).toEqual([['a', [[3, 6]]]]);
  expect((await tombstones()).map(([seq, reason]) => `${seq} ${reason}`)).toEqual([
    '3 expired',
    '4 expired',
    '5 expired',
    '6 expired',
    '7 erased',
    '8 erased',
  ]);
});

it('has nothing of a record that does not hash, which is the evidence', async () => {
  await ledger.update(`payload = replaceOne(payload, '"n":7', '"n":8')`, "chain_id = 'a' AND seq = 7");
  await ledger.copy({ payload: `replaceOne(payload, '"n":9', '"n":5')` }, "chain_id = 'a' AND seq = 9");
  await ledger.remove("chain_id = 'a' AND seq = 11");
  const result = await buried([[6, 13]]);
  expect(result.unsound.map(({ seq }) => seq)).toEqual([7, 9, 12]);
  expect((await tombstones()).map(([seq]) => Number(seq))).toEqual([6, 8, 10, 13]);
});

it('compares what was there before', async () => {
  await ledger.bury("chain_id = 'a' AND seq = 3", 'expired', { expires_at: 'expires_at - 86400' });
  const result = await buried([[2, 4]]);
  expect(result.unsound.map(({ seq }) => seq)).toEqual([3]);
});

it('comes again where the engine remembers it and it is gone', async () => {
  await buried([[2, 4]]);
  await ledger.store.command('TRUNCATE TABLE spanledger.audit_tombstones');
  expect(await buried([[2, 4]])).toMatchObject({ written: 3, unsound: [] });
  expect(await tombstones()).toHaveLength(3);
});

it('refuses to go on where one that was taken is not there', async () => {
  await ledger.store.command('RENAME TABLE spanledger.audit_tombstones TO kept.tombstones');
  await ledger.store.command('CREATE TABLE spanledger.audit_tombstones AS kept.tombstones ENGINE = Null');
  expect(await codeOf(() => buried([[2, 4]]))).toBe('store_failed');
  await ledger.rebuild();
});
