import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onlyReads } from '../../src/cli/read-only.ts';
import type { Store } from '../../src/store/client.ts';
import { codeOf, fileFolder, openStore } from '../support/ledger-kit.ts';

const folder = fileFolder();
const outside = join(folder, 'outside');
let store: Store;

beforeAll(async () => {
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret.csv'), 'secret\n1\n');
  store = await openStore(join(folder, 'ledger'));
});
afterAll(() => store.close());

describe('is asked, as the engine writes it', () => {
  it.each([
    ['select 1', 'SELECT 1'],
    ['SELECT 1;', 'SELECT 1'],
    ['-- why\nselect /* ; drop */ 1 -- so', 'SELECT 1'],
    ['FROM system.one SELECT dummy', 'SELECT dummy FROM system.one'],
    ['WITH x AS (SELECT 1) SELECT * FROM x', 'WITH x AS (SELECT 1) SELECT * FROM x'],
    ['(SELECT 1) UNION ALL (SELECT 2)', 'SELECT 1 UNION ALL SELECT 2'],
    ['show tables from spanledger', 'SHOW TABLES FROM spanledger'],
    ['desc spanledger.audit_records', 'DESCRIBE TABLE spanledger.audit_records'],
    ['explain select 1', 'EXPLAIN SELECT 1'],
    ['exists spanledger.audit_records', 'EXISTS TABLE spanledger.audit_records'],
  ])('%j', async (query, text) => {
    expect(await onlyReads(store, query)).toBe(text);
  });

  it.each([
    "SELECT 'file(1) INTO OUTFILE url(2)' AS it",
    'SELECT "url", `input` FROM (SELECT 1 AS url, 2 AS input)',
    "SELECT format('{}', 1), JSONExtractString(payload, 'file') FROM spanledger.audit_records",
    "SELECT URLHash('http://x'), domain('http://x')",
    'SELECT number FROM numbers(3) ORDER BY number DESC LIMIT 1 BY number',
    "SELECT * FROM spanledger.by_tool(tool = 'x', since = '1970-01-01T00:00:00Z')",
    "SELECT * FROM values('a UInt8', 1)",
    'SELECT arrayMap(x -> x + 1, [1, 2]), arrayMap(length, [[1]])',
    'SELECT * FROM view(SELECT 1)',
    'SELECT 1 AS outfile, 2 AS `INTO OUTFILE`',
    'SELECT action, count() FROM spanledger.audit_records GROUP BY ALL HAVING count() > 0 SETTINGS max_threads = 1',
  ])('%s, and means the same', async (query) => {
    const asked = await onlyReads(store, query);
    expect(await store.text(asked, 'JSONEachRow')).toBe(await store.text(query, 'JSONEachRow'));
  });
});

const secret = () => join(outside, 'secret.csv');

describe('is refused, and touches nothing', () => {
  const queries: [what: string, query: () => string][] = [
    ['nothing', () => '  '],
    ['no SQL', () => 'SELEC 1'],
    ['two statements', () => `SELECT 1; INSERT INTO FUNCTION file('${outside}/new.csv') SELECT 1`],
    ['a write', () => "INSERT INTO spanledger.schema_migrations (name) VALUES ('x')"],
    ['a write after WITH', () => 'WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x'],
    ['a drop', () => 'DROP TABLE spanledger.audit_records'],
    ['a setting', () => 'SET readonly = 0'],
    ['another database', () => 'USE system'],
    ['a system command', () => 'SYSTEM FLUSH LOGS'],
    ['an outfile', () => `SELECT 1 INTO OUTFILE '${outside}/new.csv'`],
    ['an outfile, commented', () => `SELECT 1 INTO/**/OUTFILE '${outside}/new.csv' FORMAT CSV`],
    ['an outfile of SHOW', () => `SHOW TABLES FROM spanledger INTO OUTFILE '${outside}/new.csv'`],
    ['an outfile of DESCRIBE', () => `DESCRIBE spanledger.resolved INTO OUTFILE '${outside}/new.csv'`],
    ['an insert into a function', () => `INSERT INTO FUNCTION file('${outside}/new.csv') SELECT 1`],
    ['one explained', () => `EXPLAIN PIPELINE INSERT INTO FUNCTION file('${outside}/new.csv') SELECT 1 AS a`],
    ['file', () => `SELECT * FROM file('${secret()}')`],
    ['file, back-quoted', () => `SELECT * FROM \`file\`('${secret()}')`],
    ['file, quoted', () => `SELECT * FROM "file" ('${secret()}')`],
    ['file, commented', () => `SELECT * FROM file/* */('${secret()}')`],
    ['file, with a database', () => `SELECT * FROM default.file('${secret()}')`],
    ['file, as a value', () => `SELECT file('${secret()}')`],
    ['file, for each', () => `SELECT arrayMap(file, ['${secret()}'])`],
    ['file, applied', () => `SELECT * APPLY(file) FROM (SELECT '${secret()}')`],
    ['file, described', () => `DESCRIBE file('${secret()}')`],
    ['file, in a subquery', () => `SELECT 1 WHERE 1 IN (SELECT * FROM file('${secret()}'))`],
    ['file, in a view', () => `SELECT * FROM view(SELECT * FROM file('${secret()}'))`],
    ['file, in a WITH', () => `WITH x AS (SELECT * FROM file('${secret()}')) SELECT * FROM x`],
    ['a language model', () => "SELECT aiGenerate('x', 'y')"],
    ...[
      'url',
      's3',
      'gcs',
      'hdfs',
      'remote',
      'remoteSecure',
      'cluster',
      'clusterAllReplicas',
      'executable',
      'mysql',
      'postgresql',
      'mongodb',
      'redis',
      'sqlite',
      'odbc',
      'jdbc',
      'azureBlobStorage',
      'iceberg',
      'deltaLake',
      'hudi',
      'fileCluster',
      'urlCluster',
      's3Cluster',
      'input',
      'dictionary',
      'filesystem',
      'eval',
      'loop',
    ].map((name): [string, () => string] => [
      `the table function ${name}`,
      () => `SELECT * FROM ${name}('a', 'b')`,
    ]),
  ];

  it.each(queries)('%s', async (_, query) => {
    expect(await codeOf(() => onlyReads(store, query()))).toBe('query_invalid');
    expect(readdirSync(outside)).toEqual(['secret.csv']);
  });

  it('whatever of this engine’s table functions is not known to be harmless', async () => {
    const names = await store.query<{ name: string }>(
      'SELECT name FROM system.table_functions ORDER BY name',
    );
    const passed: string[] = [];
    for (const { name } of names) {
      const code = await codeOf(() => onlyReads(store, `SELECT * FROM \`${name}\`('x')`));
      if (code === 'no error') passed.push(name);
    }
    const harmless = /^(format$|generate|merge$|null$|numbers|primes$|values$|zeros)/;
    expect(passed.filter((name) => !harmless.test(name) && name !== 'SQLStandardValues')).toEqual([]);
    expect(names.length - passed.length).toBeGreaterThan(50);
    expect(existsSync(join(outside, 'new.csv'))).toBe(false);
  });
});
