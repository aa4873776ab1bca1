import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Store } from '../../src/store/client.ts';
import { codeOf, fileFolder, openStore } from '../support/ledger-kit.ts';

// A file of its own: on the embedded engine there is no way back.
const folder = fileFolder();
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
  await store.readOnly();
});
afterAll(() => store.close());

it.each([
  'CREATE TABLE t (n UInt8) ENGINE = Memory',
  `INSERT INTO spanledger.schema_migrations (name, digest) VALUES ('x', 'y')`,
  'ALTER TABLE spanledger.audit_records DELETE WHERE 1',
  'TRUNCATE TABLE spanledger.audit_records',
  'DROP TABLE spanledger.audit_records',
  'RENAME TABLE spanledger.audit_records TO spanledger.audit_record',
  'OPTIMIZE TABLE spanledger.audit_records',
  'SET readonly = 0',
])('refuses %s', async (sql) => {
  expect(await codeOf(() => store.command(sql))).toBe('store_failed');
});

it.each([
  ['SELECT count() AS n FROM spanledger.audit_records', { n: 0 }],
  ['SELECT number AS n FROM numbers(1)', { n: 0 }],
  ["SELECT n FROM values('n UInt8', 0)", { n: 0 }],
  ["SELECT count() AS n FROM spanledger.by_conversation(conversation = 'x')", { n: 0 }],
  ['EXISTS TABLE spanledger.audit_records', { result: 1 }],
])('answers %s', async (sql, row) => {
  expect(JSON.parse(await store.text(sql, 'JSONEachRow'))).toEqual(row);
});

it('shows, describes and explains', async () => {
  for (const sql of [
    'SHOW TABLES FROM spanledger',
    'DESCRIBE TABLE spanledger.audit_records',
    'EXPLAIN SELECT 1',
    'SHOW CREATE TABLE spanledger.audit_records',
  ])
    expect(await store.text(sql, 'JSONEachRow')).not.toBe('');
});

const outside = join(folder, 'outside.csv');
writeFileSync(outside, 'secret\n1\n');

// The engine in this process takes any table it does not know for a file.
it.each([
  `SELECT * FROM file('${outside}')`,
  `SELECT * FROM \`${outside}\``,
  `SELECT * FROM '${outside}'`,
  `SELECT 1 IN \`${outside}\``,
  `DESCRIBE \`${outside}\``,
  `INSERT INTO FUNCTION file('${outside}.new') SELECT 1`,
  `SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a UInt8')`,
  `SELECT * FROM s3('http://127.0.0.1:1/b/k', 'CSV', 'a UInt8')`,
  `SELECT * FROM executable('id', 'CSV', 'a String')`,
  `SELECT * FROM sqlite('${outside}', 't')`,
  'SELECT 1 SETTINGS max_threads = 1',
])('reads and writes nothing outside of the database: %s', async (sql) => {
  expect(await codeOf(() => store.text(sql, 'JSONEachRow'))).toBe('store_failed');
  expect(existsSync(`${outside}.new`)).toBe(false);
});
