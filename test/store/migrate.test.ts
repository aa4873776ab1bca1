import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { migrate, migrations } from '../../src/store/migrate.ts';
import { COLUMNS, FIELDS_TYPE } from '../../src/verify/columns.ts';
import { codeOf, fileFolder } from '../support/ledger-kit.ts';

const folder = fileFolder();
let store: Store;

beforeAll(async () => {
  store = await Store.embedded(layoutOf(join(folder, 'ledger')));
});
beforeEach(() => store.command('DROP DATABASE IF EXISTS spanledger SYNC'));
afterAll(() => store.close());

const tables = async () =>
  (
    await store.query<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = 'spanledger' ORDER BY name`,
    )
  ).map(({ name }) => name);
const VIEWS = [
  'asked',
  'by_conversation',
  'by_tool',
  'by_user',
  'failures',
  'resolved',
  'tool_calls',
  'traces',
];
const ALL = [
  'audit_content',
  'audit_content_keys',
  'audit_records',
  'audit_tombstones',
  'schema_migrations',
  ...VIEWS,
].sort();
const names = migrations().map(({ name }) => name);
const schema = () =>
  store.query(
    `SELECT name, create_table_query FROM system.tables WHERE database = 'spanledger' ORDER BY name`,
  );

describe('migrating', () => {
  it('applies each migration once, in order', async () => {
    expect(names).toEqual([...names].sort());
    expect(await migrate(store)).toEqual(names);
    expect(await tables()).toEqual(ALL);
    const before = await schema();
    expect(await migrate(store)).toEqual([]);
    expect(await schema()).toEqual(before);
    const rows = await store.query('SELECT name, digest FROM spanledger.schema_migrations ORDER BY name');
    expect(rows).toEqual(migrations().map(({ name, digest }) => ({ name, digest })));
  });

  it('refuses a database that was made by another text', async () => {
    await migrate(store);
    await store.command(
      `ALTER TABLE spanledger.schema_migrations UPDATE digest = 'another' WHERE name = '${names[0]}' SETTINGS mutations_sync = 2`,
    );
    expect(await codeOf(() => migrate(store))).toBe('store_schema');
  });

  // Cut after each step, as a crash would: the first two make the database and its register, and each
  // migration's statements are followed by its entry there.
  const steps = migrations().reduce((sum, { statements }) => sum + statements.length + 1, 2);
  it.each(Array.from({ length: steps }, (_, i) => i))('goes on after a crash %d steps in', async (count) => {
    const crash = new Error('crash');
    let done = 0;
    const step = async (work: () => Promise<void>) => (done++ < count ? work() : Promise.reject(crash));
    const failing = Object.create(store, {
      command: { value: (sql: string) => step(() => store.command(sql)) },
      insert: { value: (sql: string, rows: string) => step(() => store.insert(sql, rows)) },
      query: { value: (sql: string) => store.query(sql) },
    }) as Store;
    await expect(migrate(failing)).rejects.toBe(crash);
    expect((await tables()).length).toBeLessThanOrEqual(count);
    const rest = await migrate(store);
    expect(names.slice(names.length - rest.length)).toEqual(rest);
    expect(await tables()).toEqual(ALL);
    expect(await migrate(store)).toEqual([]);
  });

  it('keeps what is in the tables when it is applied again', async () => {
    await migrate(store);
    await store.command(
      `INSERT INTO spanledger.audit_tombstones SELECT 'c', 0, 'expired', 0, toFixedString('', 32), toFixedString('', 32)`,
    );
    await store.command('TRUNCATE TABLE spanledger.schema_migrations');
    expect(await migrate(store)).toEqual(names);
    expect(await store.query('SELECT seq FROM spanledger.audit_tombstones')).toEqual([{ seq: '0' }]);
  });
});

describe('the schema', () => {
  it('keeps what it is told: every ledger table syncs parts, their names, and merges', async () => {
    await migrate(store);
    for (const { name, create_table_query } of (await schema()) as {
      name: string;
      create_table_query: string;
    }[]) {
      if (VIEWS.includes(name)) continue;
      const wanted = ['fsync_after_insert = 1', 'fsync_part_directory = 1'];
      if (name.startsWith('audit_')) wanted.push('min_rows_to_fsync_after_merge = 1');
      for (const setting of wanted) expect(create_table_query, name).toContain(setting);
    }
  });

  it('derives its columns by the very expressions the verifier expects', async () => {
    await migrate(store);
    const columns = await store.query<{ name: string; kind: string; expression: string }>(
      `SELECT name, default_kind AS kind, default_expression AS expression FROM system.columns
       WHERE database = 'spanledger' AND table = 'audit_records' AND default_kind = 'MATERIALIZED'`,
    );
    expect(columns.map(({ name }) => name)).toEqual(['fields', 'occurred_at']);
    const same = async (one: string, other: string) => {
      const sql = (text: string) => `formatQuerySingleLine('SELECT ${text.replaceAll("'", "\\'")}')`;
      return (await store.query<{ same: number }>(`SELECT ${sql(one)} = ${sql(other)} AS same`))[0]!.same;
    };
    expect(await same(columns[0]!.expression, `JSONExtract(payload, '${FIELDS_TYPE}')`)).toBe(1);
    const direct = columns[1]!.expression.replace('fields.occurred_at', "tupleElement(said, 'occurred_at')");
    expect(await same(direct, COLUMNS[1].expected)).toBe(1);
  });
});
