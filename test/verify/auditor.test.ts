import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { LEDGER_ID, memoryFolder, openJournal, openStore, ship, writerIn } from '../support/ledger-kit.ts';
import { TamperedLedger } from '../support/tampered-ledger.ts';
import { toolCalls } from '../support/test-spans.ts';

/* deploy/clickhouse/verify.sql, for an auditor with only a SQL client. */

const SQL = readFileSync('deploy/clickhouse/verify.sql', 'utf8');
const folder = memoryFolder();
const ledger = new TamperedLedger();
let chain: string;

interface Row {
  chain: string;
  records: string;
  tombstones: string;
  size: string;
  head: string;
  duplicates: string;
  breaks: string;
  first_break: string | null;
  verdict: string;
}

const audit = (id = LEDGER_ID) => ledger.store.query<Row>(SQL, { ledger: id });

beforeAll(async () => {
  ledger.store = await openStore(join(folder, 'ledger'));
  const journal = openJournal(join(folder, 'journal'));
  for (const spans of [6, 3]) {
    const writer = writerIn(journal);
    await writer.append(toolCalls(spans));
    await writer.close();
  }
  await ship(writerIn(journal), ledger.store);
  await journal.close();
  await ledger.keep();
  chain = String((await ledger.rows())[0]!.chainId);
});
beforeEach(() => ledger.reset());
afterAll(() => ledger.store.close());

it('is run as the README says', () => {
  const told = /clickhouse-client --param_ledger=LEDGER_ID --queries-file \S*verify\.sql/;
  expect(readFileSync('README.md', 'utf8')).toMatch(told);
  expect(SQL).toMatch(told);
});

it('finds the rows of a good ledger consistent, with the size and head that verify finds', async () => {
  const rows = await audit();
  const { chains, records_checked } = await ledger.verify();
  expect(chains).toHaveLength(2);
  expect(rows.slice(0, -1).map(({ chain, size, head }) => ({ chain, size: Number(size), head }))).toEqual(
    chains.map(({ chain_id, size, head }) => ({ chain: chain_id, size, head })),
  );
  expect(rows.map(({ verdict }) => verdict)).toEqual(Array(3).fill('rows_consistent'));
  expect(rows.at(-1)).toMatchObject({ chain: 'the ledger', records: String(records_checked), breaks: '0' });
});

const at = (seq: number) => `chain_id = '${chain}' AND seq = ${seq}`;

it.each<[what: string, tamper: () => Promise<unknown>, verdict: string, seq: number]>([
  ['an edited payload', () => ledger.move({ payload: `concat(payload, ' ')` }, at(3)), 'record_mismatch', 3],
  ['an edited hash', () => ledger.move({ record_hash: 'reverse(record_hash)' }, at(3)), 'record_mismatch', 3],
  ['another expiry', () => ledger.move({ expires_at: 'expires_at + 1' }, at(2)), 'record_mismatch', 2],
  ['a record that is gone', () => ledger.remove(at(3)), 'seq_gap', 4],
  ['a beginning that is gone', () => ledger.remove(at(0)), 'genesis_missing', 1],
  [
    'two records at one place',
    () => ledger.copy({ record_hash: `unhex(repeat('ff', 32))` }, at(3)),
    'duplicate_conflict',
    3,
  ],
  [
    'a tombstone of another record',
    () => ledger.bury(at(3), 'erased', { payload_digest: 'SHA256(record_hash)' }),
    'tombstone_mismatch',
    3,
  ],
  ['a record of another chain', () => ledger.move({ chain_id: `'other'` }, at(0)), 'genesis_missing', 1],
])('tells of %s, where it is', async (_, tamper, verdict, seq) => {
  await tamper();
  const rows = await audit();
  expect(rows.find((row) => row.chain === chain)).toMatchObject({ verdict, first_break: String(seq) });
  expect(rows.at(-1)!.chain).toBe('the ledger');
  expect(rows.at(-1)!.verdict).not.toBe('rows_consistent');
  expect((await ledger.verify()).status).toBe('tampered');
});

it('tells of the same record twice, and of what left a tombstone, and breaks nothing', async () => {
  await ledger.copy({}, at(1));
  await ledger.bury(at(2));
  await ledger.bury(at(3));
  await ledger.remove(at(3));
  const rows = await audit();
  expect(rows.find((row) => row.chain === chain)).toMatchObject({
    duplicates: '1',
    tombstones: '1',
    breaks: '0',
    verdict: 'rows_consistent',
  });
});

it('says of no records that there are none, and of another ledger’s that none of them fits', async () => {
  expect((await audit('00000000-0000-4000-8000-000000000000')).map(({ verdict }) => verdict)).toEqual(
    Array(3).fill('record_mismatch'),
  );
  await ledger.remove('1');
  expect((await audit()).map(({ chain, verdict }) => [chain, verdict])).toEqual([['the ledger', 'empty']]);
});

it('takes nothing for NULL, nor does verify stumble over it', async () => {
  await ledger.store.command(
    'ALTER TABLE spanledger.audit_records MODIFY COLUMN record_hash Nullable(FixedString(32))',
  );
  await ledger.update('record_hash = NULL', at(3));
  expect((await audit()).find((row) => row.chain === chain)).toMatchObject({
    verdict: 'record_mismatch',
    first_break: '3',
  });
  const { status, broken_at_record: broken } = await ledger.verify();
  expect({ status, broken }).toEqual({
    status: 'tampered',
    broken: { chain_id: chain, seq: 3, id: `${chain}:3` },
  });
  await ledger.rebuild();
});

it('never says valid', () => {
  expect(SQL.replace(/^--.*$/gm, '')).not.toMatch(/'valid'/);
});
