import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { Store } from '../../src/store/client.ts';
import { journalChild } from '../support/child.ts';
import { codeOf, fileFolder } from '../support/ledger-kit.ts';

const folder = fileFolder();
const layout = layoutOf(join(folder, 'ledger'));
let store: Store;

beforeAll(async () => {
  store = await Store.embedded(layout);
});
afterAll(() => store.close());

const hex = (text: string) => Buffer.from(text).toString('hex');

const HOSTILE = [
  '',
  "it's",
  '"',
  '`',
  '\\',
  '\\\\',
  "\\'",
  "'; DROP TABLE spanledger.audit_records; --",
  "') OR 1 = 1 --",
  '/* ',
  '-- ',
  '{s:String}',
  '${s}',
  '\t',
  '\n',
  '\r\n',
  '\b\f\v\x1b\x7f',
  '\\N',
  'NULL',
  '\\x41',
  '\u2028\u2029\ufeff\u00a0',
  'é e\u0301 Ω 漢字 👩‍👩‍👧‍👦 🏳️‍🌈',
  '\u{10ffff}\ufffd\uffff',
  "['a', 'b']",
  'x'.repeat(10_000),
];

describe('what the engine answers', () => {
  it('has 64-bit integers as text', async () => {
    const [row] = await store.query<{ [name: string]: string }>(
      'SELECT toUInt64(18446744073709551615) AS most, toInt64(-9223372036854775808) AS least, count() AS rows, toUInt32(7) AS small',
    );
    expect(row).toEqual({ most: '18446744073709551615', least: '-9223372036854775808', rows: '1', small: 7 });
  });

  it('has no rows where there are none', async () => {
    expect(await store.query('SELECT 1 WHERE 0')).toEqual([]);
  });

  it.each([
    ["SELECT 'SETTINGS' AS word", 'SETTINGS'],
    ["SELECT 'max_threads SETTINGS x' AS word SETTINGS max_threads = 1", 'max_threads SETTINGS x'],
    ["SELECT 'a' AS word settings max_threads = 1", 'a'],
    ["SELECT 'a' AS word -- a comment at its end", 'a'],
    ["SELECT 'a\\nb' AS word", 'a\nb'],
  ])('to %j is what was asked', async (sql, word) => {
    expect(await store.query(sql)).toEqual([{ word }]);
  });
});

describe('a parameter', () => {
  const SQL =
    'SELECT lower(hex({s:String})) AS one, arrayMap(s -> lower(hex(s)), {list:Array(String)}) AS list';

  it.each(HOSTILE)('is what it is: %j', async (text) => {
    const rows = await store.query(SQL, { s: text, list: [text, 'next', text] });
    expect(rows).toEqual([{ one: hex(text), list: [hex(text), hex('next'), hex(text)] }]);
  });

  it('is what it is, whatever it is', async () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(anyText, fc.array(anyText, { maxLength: 4 }), async (text, list) => {
        const rows = await store.query(SQL, { s: text, list });
        expect(rows).toEqual([{ one: hex(text), list: list.map(hex) }]);
      }),
      { numRuns: 150 },
    );
  });
});

describe('an error', () => {
  it.each([
    ['nonsense', 'store_failed'],
    ['SELECT * FROM no_such_table', 'store_failed'],
    ['SELECT throwIf(1)', 'store_failed'],
    ['SELECT {missing:String}', 'store_failed'],
  ])('of %j is %s', async (sql, code) => {
    expect(await codeOf(() => store.query(sql))).toBe(code);
    expect(await codeOf(() => store.command(sql))).toBe(code);
  });

  it.each([
    'SELECT * FROM spanledger.audit_records',
    "SELECT * FROM spanledger.by_tool(tool = '', since = '')",
    'INSERT INTO spanledger.audit_records SELECT * FROM spanledger.resolved',
  ])('of a database without our tables says what to do: %s', async (sql) => {
    for (const made of [false, true]) {
      if (made) await store.command('CREATE DATABASE spanledger');
      const error = await store.query(sql).catch((thrown: unknown) => thrown);
      expect(isSpanledgerError(error, 'store_schema') && error.hint).toContain('spanledger migrate');
    }
    await store.command('DROP DATABASE spanledger SYNC');
  });

  it('of a table that is none of ours is another', async () => {
    const sql = 'SELECT * FROM no_such_table JOIN spanledger.audit_records ON 1 = 1';
    expect(await codeOf(() => store.query(sql))).toBe('store_failed');
  });

  it('is none that rows end in semicolons or white space: they stay as they are', async () => {
    await store.command('CREATE TABLE texts (n UInt8, t String) ENGINE = MergeTree ORDER BY n');
    const rows = ['a', 'a;', 'a;;', 'a ', ' ', '', '\\\\', 'é\\n'];
    for (const [n, row] of rows.entries())
      await store.insert('INSERT INTO texts FORMAT TabSeparated', `${n}\t${row}\n`);
    expect(await store.query('SELECT t FROM texts ORDER BY n')).toEqual(
      rows.map((row) => ({ t: row.replace('\\\\', '\\').replace('\\n', '\n') })),
    );
  });

  it('of an insert is told, and nothing is inserted', async () => {
    await store.command('CREATE TABLE numbers (n UInt8) ENGINE = MergeTree ORDER BY n');
    const insert = (rows: string) => store.insert('INSERT INTO numbers FORMAT TabSeparated', rows);
    await insert('1\n2\n');
    expect(await codeOf(() => insert('3\nno number\n'))).toBe('store_failed');
    expect(await codeOf(() => store.insert('INSERT INTO nowhere FORMAT TabSeparated', '1\n'))).toBe(
      'store_failed',
    );
    expect(await store.query('SELECT n FROM numbers ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

describe('one directory', () => {
  it('is busy while this process has it, and names the process', async () => {
    const error = await Store.embedded(layout).catch((thrown: unknown) => thrown);
    expect(isSpanledgerError(error, 'directory_busy')).toBe(true);
    expect((error as Error).message).toBe(`${layout.dir} is open in another process (${process.pid})`);
  });

  it('is busy while another process has it, and free once that is killed', async () => {
    const other = layoutOf(join(folder, 'other'));
    const child = journalChild('lock', other.storeLock);
    expect(await child.heard(1)).toEqual(['locked']);
    await expect(Store.embedded(other)).rejects.toThrow(
      `${other.dir} is open in another process (${child.process.pid})`,
    );
    await child.kill();
    await store.close();
    const second = await Store.embedded(other);
    expect(await second.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.close();
    await second.close();
    store = await Store.embedded(layout);
    expect(await store.query('SELECT count() AS n FROM numbers')).toEqual([{ n: '2' }]);
  });

  it('that cannot be one is told, and its lock let go of', async () => {
    await store.close();
    const bad = layoutOf(join(folder, 'bad'));
    mkdirSync(bad.dir);
    writeFileSync(bad.clickhouse, 'a file');
    for (let i = 0; i < 2; i++) {
      const error = await Store.embedded(bad).catch((thrown: unknown) => thrown);
      expect(isSpanledgerError(error, 'store_unreachable') && error.hint).toContain(bad.clickhouse);
    }
    expect(existsSync(bad.storeLock)).toBe(true);
    store = await Store.embedded(layout);
  });
});
