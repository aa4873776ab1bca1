import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { created, migrate, migrations, REGISTER } from '../../src/store/migrate.ts';
import { FIELDS_TYPE } from '../../src/verify/columns.ts';
import { isSystemTable, readSchema } from '../../src/verify/schema.ts';
import { memoryFolder, openStore, sealChain } from '../support/ledger-kit.ts';
import { TamperedLedger, told } from '../support/tampered-ledger.ts';

/* ATTACKS.md, rows 4, 12, 13, 36 and 84: the database itself is not what our migrations made. */

const folder = memoryFolder();
const ledger = new TamperedLedger();
const RECORDS = 'spanledger.audit_records';

beforeAll(async () => {
  ledger.store = await openStore(join(folder, 'ledger'));
  await ledger.put(
    sealChain('chain', ['{"retention_class":"ledger","turn":1}', '{"retention_class":"ledger"}']),
  );
  await ledger.keep();
});
beforeEach(() => ledger.rebuild());
afterAll(() => ledger.store.close());

const run = async (statements: readonly string[]) => {
  for (const sql of statements) await ledger.store.command(sql);
};
const details = async () => (await readSchema(ledger.store)).differences.map(({ detail }) => detail);

/** All that is found of the database, by both engines alike; and nothing is `valid` with it. */
async function mismatches(): Promise<string[]> {
  const result = await ledger.verify();
  const found = result.findings.filter(({ code }) => code === 'schema_mismatch');
  for (const each of found) expect(each).toMatchObject({ severity: 'critical', chain_id: '', seq: 0 });
  if (found.length > 0) expect(result.status).toBe('tampered');
  return found.map(({ detail }) => detail);
}

const alter = (what: string, table = RECORDS) => `ALTER TABLE ${table} ${what} SETTINGS mutations_sync = 2`;

const TYPE = FIELDS_TYPE;

const ALIASES = [
  ...created()
    .get('audit_records')!
    .matchAll(/^ {4}`?(\w+)`? +(\S+) +ALIAS (.+),$/gm),
].map(([, name, type, expression]) => ({ name: name!, type: type!, expression: expression! }));

/** What an attacker does, and what is found first, and how much. */
const ATTACKS: [what: string, statements: string[], found: RegExp, count?: number][] = [
  [
    'occurred_at from something else (row 4)',
    [
      alter(
        `MODIFY COLUMN occurred_at DateTime64(9, 'UTC') MATERIALIZED toDateTime64('2020-01-01 00:00:00', 9, 'UTC')`,
      ),
      alter('MATERIALIZE COLUMN occurred_at'),
    ],
    /^(column occurred_at of audit_records is .*2020-01-01|a mutation of audit_records .*MATERIALIZE COLUMN occurred_at)/,
    2,
  ],
  [
    'fields read from something else (row 4)',
    [
      alter(
        `MODIFY COLUMN fields ${TYPE} MATERIALIZED JSONExtract(replaceOne(payload, 'turn', 'x'), '${TYPE}')`,
      ),
    ],
    /^column fields of audit_records is …?.*replaceOne/,
  ],
  ['an alias of another type', [alter('MODIFY COLUMN turn UInt8 ALIAS fields.turn')], /^column turn .*UInt8/],
  [
    'a type in which values round (row 12)',
    [
      alter(
        `MODIFY COLUMN occurred_at DateTime64(3, 'UTC') MATERIALIZED parseDateTime64BestEffortOrZero(fields.occurred_at, 9, 'UTC')`,
      ),
    ],
    /column occurred_at of audit_records is DateTime64\(3/,
    2,
  ],
  [
    'a stored column of another type',
    [alter('MODIFY COLUMN payload LowCardinality(String)')],
    /column payload of audit_records is LowCardinality\(String\)/,
    2,
  ],
  [
    'another default',
    [alter(`MODIFY COLUMN purge_after DateTime('UTC') DEFAULT now()`)],
    /^column purge_after of audit_records is .*now\(\)/,
  ],
  [
    'a default that is computed',
    [
      alter(
        `MODIFY COLUMN created_at DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3, 'UTC')`,
        'spanledger.audit_content_keys',
      ),
    ],
    /^column created_at of audit_content_keys is .*toDateTime64\(0, 3/,
  ],
  [
    'a clock of a column’s own',
    [alter('MODIFY COLUMN payload String TTL purge_after - INTERVAL 1 YEAR')],
    /^column payload of audit_records is .*TTL/,
    2,
  ],
  ['another codec', [alter('MODIFY COLUMN payload CODEC(ZSTD(9))')], /^column payload .*ZSTD\(9\)/],
  ['a column more', [alter('ADD COLUMN note String')], /^column note of audit_records is String, not none/],
  ['a column less', [alter('DROP COLUMN span_id')], /^column span_id of audit_records is none, not/],
  [
    'a column elsewhere',
    [
      'ALTER TABLE spanledger.audit_records MODIFY COLUMN model LowCardinality(String) ALIAS fields.model.response AFTER action',
    ],
    /^columns of audit_records/,
  ],
  [
    'a column that has another’s name',
    [
      alter('DROP COLUMN user_id'),
      alter('RENAME COLUMN agent_name TO user_id'),
      alter('ADD COLUMN agent_name String ALIAS fields.agent.name'),
    ],
    /^column user_id of audit_records is LowCardinality\(String\) ALIAS fields\.agent\.name/,
    4,
  ],
  ['an index less', [alter('DROP INDEX by_user')], /^index by_user of audit_records is none/, 2],
  [
    'an index of something else',
    [alter('DROP INDEX by_user'), alter(`ADD INDEX by_user payload TYPE bloom_filter(0.01) GRANULARITY 1`)],
    /^index by_user of audit_records is payload TYPE/,
    2,
  ],
  [
    'a projection',
    [alter('ADD PROJECTION counted (SELECT chain_id, count() GROUP BY chain_id)')],
    /^projection counted of audit_records/,
  ],
  ['a constraint', [alter('ADD CONSTRAINT few CHECK seq < 1000')], /^constraint few of audit_records/],
  [
    'a shorter TTL (row 36)',
    [alter('MODIFY TTL purge_after - INTERVAL 50 YEAR')],
    /^TTL of audit_records is purge_after - toIntervalYear\(50\), not purge_after/,
    2,
  ],
  ['no TTL', [alter('REMOVE TTL')], /^TTL of audit_records is none, not purge_after/],
  [
    'a TTL on what stays for ever',
    [alter('MODIFY TTL expires_at', 'spanledger.audit_tombstones')],
    /^TTL of audit_tombstones is expires_at, not none/,
    2,
  ],
  [
    'inserts that are not synced',
    [alter('MODIFY SETTING fsync_after_insert = 0')],
    /^setting fsync_after_insert of audit_records is 0, not 1/,
  ],
  [
    'a setting by which mutations are forgotten',
    [alter('MODIFY SETTING finished_mutations_to_keep = 1')],
    /^setting finished_mutations_to_keep of audit_records is 1, not none/,
  ],
  [
    'a setting by which rows change without a mutation',
    [alter('MODIFY SETTING enable_block_number_column = 1')],
    /^setting enable_block_number_column of audit_records is 1, not none/,
  ],
  [
    'another engine, that drops what looks alike',
    [
      'DROP TABLE spanledger.audit_tombstones SYNC',
      created().get('audit_tombstones')!.replace('= MergeTree', '= ReplacingMergeTree'),
    ],
    /^ENGINE of audit_tombstones is ReplacingMergeTree, not MergeTree/,
  ],
  [
    'another order',
    [
      'DROP TABLE spanledger.audit_tombstones SYNC',
      created().get('audit_tombstones')!.replace('ORDER BY (chain_id, seq)', 'ORDER BY seq'),
    ],
    /^ORDER BY of audit_tombstones is seq, not \(chain_id, seq\)/,
  ],
  [
    'a view that serves other rows (row 13)',
    [
      `CREATE OR REPLACE VIEW spanledger.resolved AS ${created().get('resolved')!.split(' AS\n')[1]!} AND r.seq < 5`,
    ],
    /^select of resolved is …?.*seq < 5/,
  ],
  [
    'a view with parameters that serves other rows',
    [
      `CREATE OR REPLACE VIEW spanledger.by_user AS ${created().get('by_user')!.split(' AS\n')[1]!.replace('user_id = {user:String}', "user_id = concat({user:String}, 'x')")}`,
    ],
    /^select of by_user is …?.*concat/,
  ],
  [
    'a view whose columns round',
    [
      `CREATE OR REPLACE VIEW spanledger.traces (tenant String, trace_id FixedString(32), conversation_id String, user_id String, user_role String) AS ${created().get('traces')!.split(' AS\n')[1]!}`,
    ],
    /^column trace_id of traces is FixedString\(32\), not String/,
  ],
  [
    'a view kept as a table',
    [
      'DROP VIEW spanledger.asked',
      'CREATE TABLE spanledger.asked ENGINE = MergeTree ORDER BY tuple() AS SELECT 1 AS position',
    ],
    /^statement of asked is CREATE TABLE, not CREATE VIEW/,
    1,
  ],
  ['a view less', ['DROP VIEW spanledger.failures'], /^view failures is not there/],
  [
    'a view of another name',
    ['CREATE VIEW spanledger.failed AS SELECT 1', 'DROP VIEW spanledger.failures'],
    /^view (failures is not there|failed \(View\) is none of ours)/,
    2,
  ],
  [
    'a table set aside',
    ['DETACH TABLE spanledger.audit_content PERMANENTLY'],
    /^table audit_content is not there/,
  ],
  [
    'a table more',
    ['CREATE TABLE spanledger.audit_records_2 AS spanledger.audit_records'],
    /^table audit_records_2 \(MergeTree\) is none of ours/,
  ],
  [
    'a materialized view more',
    [`CREATE MATERIALIZED VIEW spanledger.copied ENGINE = Memory AS SELECT chain_id FROM ${RECORDS}`],
    /copied.* is none of ours/,
    2,
  ],
  [
    'a dictionary more',
    [
      `CREATE DICTIONARY spanledger.names (id UInt64, name String) PRIMARY KEY id SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(0)`,
    ],
    /^table names \(Dictionary\) is none of ours/,
  ],
  [
    'a purge of what has not expired',
    [alter(`UPDATE purge_after = toDateTime('2001-01-01 00:00:00', 'UTC') WHERE seq = 1`)],
    /^a mutation of audit_records \(mutation_\d+\.txt\) is neither purge nor erasure: UPDATE purge_after = toDateTime\('…', '…'\) WHERE seq = 1/,
  ],
  [
    'more than a purge',
    [alter(`UPDATE purge_after = expires_at, payload = payload WHERE seq = 1`)],
    /^a mutation of audit_records .*payload = payload/,
  ],
  [
    'a payload edited in place, of which the finding says no word',
    [alter(`UPDATE payload = replaceOne(payload, 'turn', 'Jane Roe') WHERE chain_id = 'chain'`)],
    /^a mutation of audit_records .*UPDATE payload = replaceOne\(payload, '…', '…'\) WHERE chain_id = '…'$/,
  ],
  ['rows deleted', [alter('DELETE WHERE seq = 1')], /^a mutation of audit_records .*DELETE WHERE seq = 1/],
  [
    'rows deleted as an erasure does, which nothing tells',
    [alter(`DELETE WHERE chain_id = 'chain' AND seq IN (0, 1)`)],
    /^a mutation of audit_records .*DELETE WHERE/,
  ],
  [
    'rows hidden',
    [`DELETE FROM ${RECORDS} WHERE seq = 1`],
    /^a mutation of audit_records .*UPDATE _row_exists = 0 WHERE seq = 1/,
  ],
  [
    'a key deleted by whom it is of',
    [alter(`DELETE WHERE subject = 'x'`, 'spanledger.audit_content_keys')],
    /^a mutation of audit_content_keys .*DELETE WHERE subject = '…'/,
  ],
  [
    'tombstones deleted',
    [alter('DELETE WHERE 1', 'spanledger.audit_tombstones')],
    /^a mutation of audit_tombstones .*DELETE WHERE 1/,
  ],
];

describe('what is not ours is found, and named', () => {
  it.each(ATTACKS)('%s', async (_, statements, found, count = 1) => {
    await run(statements);
    const all = await mismatches();
    expect(all.filter((each) => found.test(each))).not.toEqual([]);
    expect(all).toHaveLength(count);
    expect(all.join()).not.toContain('Jane Roe');
  });

  it('each alias, of another expression (row 4)', async () => {
    expect(ALIASES.map(({ name }) => name)).toContain('user_id');
    expect(ALIASES).toHaveLength(21);
    for (const { name, type } of ALIASES)
      await run([alter(`MODIFY COLUMN ${name} ${type} ALIAS CAST('1', '${type}')`)]);
    const all = await mismatches();
    expect(all).toHaveLength(ALIASES.length);
    for (const { name } of ALIASES)
      expect(all.filter((each) => each.startsWith(`column ${name} of audit_records is `))).toHaveLength(1);
    for (const { name, type, expression } of ALIASES)
      await run([alter(`MODIFY COLUMN ${name} ${type} ALIAS ${expression}`)]);
    expect(await mismatches()).toEqual([]);
  });

  it('anything at once, each by its name', async () => {
    const single = ATTACKS.filter(
      ([, statements, , count = 1]) =>
        statements.length === 1 && count === 1 && statements[0]!.startsWith('ALTER'),
    );
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(single, { minLength: 1, maxLength: 3 }), async (attacks) => {
        await ledger.rebuild();
        for (const [, statements] of attacks) {
          // Two may be about one thing, of which only one can then be done.
          await run(statements).catch(() => undefined);
        }
        expect((await details()).length).toBeGreaterThan(0);
        const [[, last, found]] = attacks.slice(-1) as [(typeof ATTACKS)[number]];
        expect(last).toHaveLength(1);
        expect((await details()).some((each) => found.test(each))).toBe(true);
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  it('beside a record that is broken, which is still what is told first', async () => {
    await ledger.update(`payload = '{}'`, 'seq = 1');
    const result = await ledger.verify();
    expect(result.findings.map(({ code }) => code)).toEqual([
      'schema_mismatch',
      'record_mismatch',
      'derived_mismatch',
    ]);
    expect(result.broken_at_record).toEqual({ chain_id: 'chain', seq: 1, id: 'chain:1' });
  });

  it('with no record broken, and says so', async () => {
    await run([alter('REMOVE TTL')]);
    expect(await ledger.verify()).toMatchObject({ status: 'tampered', broken_at_record: null });
  });
});

describe('what is ours is no mismatch', () => {
  const sound = async () => {
    expect(await readSchema(ledger.store)).toEqual({ differences: [], unchecked: [] });
  };

  it('as migrations left it, after inserts and merges', async () => {
    await sound();
    await ledger.put(sealChain('other', ['{"retention_class":"ledger"}']));
    await run([`OPTIMIZE TABLE ${RECORDS} FINAL`]);
    await sound();
    expect(await ledger.verify()).toMatchObject({ status: 'valid', findings: [], unchecked: [] });
  });

  it('as an older version left it, and this one brought it on', async () => {
    await ledger.store.command('DROP DATABASE spanledger SYNC');
    const [oldest, ...since] = migrations();
    await run(['CREATE DATABASE spanledger', REGISTER, ...oldest!.statements]);
    await run([
      `INSERT INTO spanledger.schema_migrations (name, digest) VALUES ('${oldest!.name}', '${oldest!.digest}')`,
    ]);
    await ledger.reset();
    const older = await readSchema(ledger.store);
    expect(older.differences).toEqual([]);
    expect(older.unchecked).toHaveLength(created().size - oldest!.statements.length);
    expect(await migrate(ledger.store)).toEqual(since.map(({ name }) => name));
    await sound();
    expect(await ledger.verify()).toMatchObject({ status: 'valid', findings: [], unchecked: [] });
  });

  it.skipIf(process.env.CLICKHOUSE_URL)('after the engine was started again', async () => {
    const again = async () => {
      await ledger.store.close();
      ledger.store = await Store.embedded(layoutOf(join(folder, 'ledger')));
    };
    await run([alter(`UPDATE purge_after = expires_at WHERE seq = 9`)]);
    await again();
    // What was kept was so in memory.
    await ledger.keep();
    await sound();
    expect(await ledger.verify()).toMatchObject({ status: 'valid', records_checked: 2, unchecked: [] });
    await run([alter(`UPDATE payload = payload WHERE seq = 9`)]);
    await again();
    expect(await mismatches()).toEqual([expect.stringMatching(/payload = payload/)]);
    await ledger.keep();
  });

  it.each([
    `UPDATE purge_after = expires_at WHERE 1`,
    `UPDATE purge_after = expires_at IN PARTITION ('ledger', 210001) WHERE NOT (chain_id = 'x' AND seq BETWEEN 1 AND 3)`,
    `UPDATE purge_after = expires_at IN PARTITION ID 'x' WHERE chain_id != 'held'`,
  ])('a purge: %s', async (purge) => {
    await run([alter(purge), alter(purge, 'spanledger.audit_content')]);
    await sound();
  });

  it('an erasure of what has tombstones that say so, and of keys', async () => {
    await ledger.bury(`seq IN (0, 1)`, 'erased');
    await run([
      alter(`DELETE WHERE chain_id = 'chain' AND seq IN (0, 1)`),
      alter(`DELETE WHERE chain_id = 'chain' AND seq = 1`, 'spanledger.audit_content'),
      alter(`DELETE WHERE key_id = unhex('${'0a'.repeat(16)}')`, 'spanledger.audit_content_keys'),
    ]);
    await sound();
    // The mutation is ours; that no control chain tells of it is another matter.
    expect(told(await ledger.verify())).toEqual(['erasure_unrecorded chain:0-1']);
  });

  it('what says nothing of rows: comments, and settings of the operator’s', async () => {
    await run([
      alter(`MODIFY COMMENT 'the ledger'`),
      alter(`COMMENT COLUMN seq 'the place'`),
      alter('MODIFY SETTING parts_to_throw_insert = 500'),
    ]);
    await sound();
  });
});

describe('what cannot be looked at is said', () => {
  it('a table of a migration that was never applied here', async () => {
    await run([
      'DROP TABLE spanledger.audit_content SYNC',
      'DROP TABLE spanledger.audit_content_keys SYNC',
      'DROP TABLE spanledger.schema_migrations SYNC',
      REGISTER,
    ]);
    const { differences, unchecked } = await readSchema(ledger.store);
    expect(differences).toEqual([]);
    expect(unchecked).toEqual([
      expect.stringMatching(/audit_content: migration 0003/),
      expect.stringMatching(/audit_content_keys: migration 0003/),
    ]);
    expect((await ledger.verify()).status).toBe('incomplete');
  });
});

describe('whoever may drop what the engine itself tells by', () => {
  it.skipIf(process.env.CLICKHOUSE_URL).each(['mutations', 'tables'])(
    'is found to have put system.%s in its place',
    async (name) => {
      await run([
        alter('UPDATE payload = payload WHERE seq = 1'),
        'CREATE TABLE spanledger.more (a String) ENGINE = Memory',
        `CREATE TABLE kept.${name} ENGINE = Memory AS SELECT * FROM system.${name} WHERE table NOT IN ('audit_records', 'more')`,
        `DROP TABLE system.${name}`,
        `CREATE VIEW system.${name} AS SELECT *, ') ENGINE = SystemMutations' AS \`) ENGINE = SystemTables\` FROM kept.${name} COMMENT ') ENGINE = SystemMutations'`,
      ]);
      const all = await details();
      const hidden = name === 'tables' ? 'none of ours' : 'a mutation of audit_records';
      expect(all.filter((each) => each.includes(hidden))).toEqual([]);
      expect(all.filter((each) => each.startsWith(`system.${name} is not the engine's own`))).toHaveLength(1);
    },
  );

  it.each([
    [
      true,
      "CREATE TABLE system.mutations\n(\n    `database` String COMMENT 'It\\'s (a) name',\n    `is_done` UInt8\n)\nENGINE = SystemMutations\nCOMMENT 'Mutations.'",
    ],
    [true, 'CREATE TABLE system.tables (`name` String) ENGINE = SystemTables()'],
    [false, "CREATE VIEW system.tables (`a` String) AS SELECT ') ENGINE = SystemTables' AS a"],
    [false, "CREATE TABLE system.tables (`a` String) ENGINE = Memory COMMENT ') ENGINE = SystemTables'"],
    [
      false,
      "CREATE TABLE system.tables (`a` String COMMENT 'it\\') ENGINE = SystemTables', `b` String) ENGINE = Memory",
    ],
    [
      false,
      'CREATE TABLE system.tables (`ENGINE` String, `b` UInt8 ALIAS ENGINE = SystemTables, `) ENGINE = SystemTables` Int8) ENGINE = Log',
    ],
  ])('%s: %s', (isOwn, statement) => {
    expect(isSystemTable(statement)).toBe(isOwn);
  });
});
