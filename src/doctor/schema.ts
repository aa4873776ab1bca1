import type { Store } from '../store/client.ts';
import { appliedTo, created, migrations, presentIn, REGISTER } from '../store/migrate.ts';
import { asked } from './ask.ts';
import { type Check, count, fail, ok, skipped, warn } from './check.ts';

/** Parts of a table beyond which merges don't keep up: the engine itself refuses inserts at 3,000 of a partition. */
const MANY_PARTS = 1_000;

/** The schema is this version's, every table as it was made, and nobody is changing what is in it. */
export async function schemaChecks(store: Store): Promise<Check[]> {
  return [
    ...(await asked('store.schema', () => migrationsCheck(store))),
    ...(await asked('store.tables', () => tablesCheck(store))),
    ...(await asked('store.row_policies', () => rowPoliciesCheck(store))),
    ...(await asked('store.mutations', () => mutationsCheck(store))),
    ...(await asked('store.parts', () => partsCheck(store))),
    ...(await asked('store.detached', () => detachedCheck(store))),
  ];
}

async function migrationsCheck(store: Store): Promise<Check> {
  const check = 'store.schema';
  if ((await detachedIn(store)).some(isBroken))
    return skipped(
      check,
      'parts of the store are broken, so what is missing says nothing: see store.detached',
    );
  const applied = (await appliedTo(store)) ?? new Map<string, string>();
  const ours = migrations();
  const other = ours.filter(({ name, digest }) => applied.has(name) && applied.get(name) !== digest);
  if (other.length > 0)
    return fail(
      check,
      `applied with another text: ${other.map(({ name }) => name).join(', ')}`,
      'install the version that made the database, or one after it',
    );
  const missing = ours.filter(({ name }) => !applied.has(name)).map(({ name }) => name);
  if (missing.length > 0)
    return fail(
      check,
      `not applied: ${missing.join(', ')}`,
      'spanledger migrate, on a server as a user with the role spanledger_migrator',
    );
  const there = await presentIn(store);
  const gone = [...created().keys()].filter((name) => !there.has(name));
  if (gone.length > 0) return fail(check, `dropped: ${gone.join(', ')}`, 'spanledger migrate');
  const unknown = [...applied.keys()].filter((name) => !ours.some((each) => each.name === name));
  return unknown.length > 0
    ? warn(
        check,
        `this version does not know ${unknown.join(', ')}: a later one made the database`,
        'install the version that made the database, or one after it',
      )
    : ok(
        check,
        `${count(ours.length, 'migration')} applied, ${count(there.size, 'table or view', 'tables and views')} there`,
      );
}

interface TableOptions {
  ttl: string | undefined;
  settings: Map<string, string>;
}

/** Of a table's engine clause, ours or as `system.tables` shows it. */
export function optionsOf(engine: string): TableOptions {
  const [, ttl] = /\bTTL (.+?)(?: DELETE)?\s*(?=\bSETTINGS\b|$)/s.exec(engine) ?? [];
  const [, settings = ''] = /\bSETTINGS\s+(.*)$/s.exec(engine) ?? [];
  return {
    ttl,
    settings: new Map(
      [...settings.matchAll(/(\w+) = ('[^']*'|[\w.]+)/g)].map(([, name, value]) => [name!, value!]),
    ),
  };
}

/** A shorter TTL deletes what is not archived; without its fsync settings a confirmed record may be lost with the power. */
async function tablesCheck(store: Store): Promise<Check[]> {
  const check = 'store.tables';
  const rows = await store.query<{ name: string; engine_full: string }>(
    `SELECT name, engine_full FROM system.tables WHERE database = 'spanledger' AND engine LIKE '%MergeTree'`,
  );
  const ours = [...created(), ['schema_migrations', REGISTER] as const].filter(([, statement]) =>
    statement.includes('ENGINE ='),
  );
  const checks: Check[] = [];
  for (const [name, statement] of ours) {
    const row = rows.find((each) => each.name === name);
    if (row === undefined) continue;
    const expected = optionsOf(statement.slice(statement.lastIndexOf('ENGINE =')));
    const found = optionsOf(row.engine_full);
    if (found.ttl !== expected.ttl)
      checks.push(
        fail(
          check,
          `the TTL of ${name} is ${found.ttl ?? 'none'}, not ${expected.ttl ?? 'none'}: ${expected.ttl === undefined ? 'rows go by themselves' : 'the engine deletes by another clock than retention sets'}`,
          `ALTER TABLE spanledger.${name} ${expected.ttl === undefined ? 'REMOVE TTL' : `MODIFY TTL ${expected.ttl}`}`,
        ),
      );
    for (const [setting, value] of expected.settings) {
      const now = found.settings.get(setting);
      if (now !== value)
        checks.push(
          fail(
            check,
            `${setting} of ${name} is ${now ?? 'the default'}, not ${value}`,
            `ALTER TABLE spanledger.${name} MODIFY SETTING ${setting} = ${value}`,
          ),
        );
    }
  }
  return checks.length > 0
    ? checks
    : [ok(check, `TTL and settings of ${count(ours.length, 'table')} are as they were made`)];
}

/** With one, whoever it is about sees less than there is, and takes records for lost. */
async function rowPoliciesCheck(store: Store): Promise<Check> {
  const check = 'store.row_policies';
  if (store.where === 'embedded') return skipped(check, 'the embedded engine has no row policies');
  const rows = await store.query<{ name: string; filter: string }>(
    `SELECT name, ifNull(select_filter, '') AS filter FROM system.row_policies WHERE database = 'spanledger' ORDER BY name`,
  );
  return rows.length === 0
    ? ok(check, 'none on the tables of the ledger')
    : fail(
        check,
        `rows are hidden by ${rows.map(({ name, filter }) => `${name} (${filter})`).join(', ')}`,
        `DROP ROW POLICY ${rows[0]!.name}`,
      );
}

async function mutationsCheck(store: Store): Promise<Check> {
  const check = 'store.mutations';
  const rows = await store.query<{ id: string; what: string; failed: string }>(
    `SELECT concat(table, ' ', mutation_id) AS id, command AS what, latest_fail_reason AS failed FROM system.mutations
     WHERE database = 'spanledger' AND NOT is_done ORDER BY create_time`,
  );
  const [first] = rows;
  return first === undefined
    ? ok(check, 'none is under way')
    : warn(
        check,
        `${count(rows.length, 'mutation')} under way, the oldest ${first.id}: ${first.what}${first.failed === '' ? '' : `, which fails: ${first.failed.slice(0, 200)}`}`,
        `spanledger sql "SELECT * FROM system.mutations WHERE database = 'spanledger' AND NOT is_done", and KILL MUTATION for one nobody meant`,
      );
}

async function partsCheck(store: Store): Promise<Check> {
  const check = 'store.parts';
  const rows = await store.query<{ table: string; parts: string }>(
    `SELECT table, toString(count()) AS parts FROM system.parts WHERE database = 'spanledger' AND active GROUP BY table ORDER BY count() DESC`,
  );
  const found =
    rows.length === 0
      ? 'no parts yet'
      : `parts: ${rows.map(({ table, parts }) => `${table} ${parts}`).join(', ')}`;
  const [most] = rows;
  return Number(most?.parts ?? 0) > MANY_PARTS
    ? warn(
        check,
        `${found}: merges don't keep up, and the engine will refuse inserts`,
        `OPTIMIZE TABLE spanledger.${most!.table}, and see whether the store's disk is slow`,
      )
    : ok(check, found);
}

async function detachedCheck(store: Store): Promise<Check> {
  const check = 'store.detached';
  const rows = await detachedIn(store);
  const broken = rows.filter(isBroken);
  if (broken.length > 0)
    return fail(
      check,
      `${count(broken.length, 'part')} cannot be read, and the engine has set them aside; the first is ${broken[0]!.name} of ${broken[0]!.table} (${broken[0]!.reason})`,
      'is the disk sound? Put the store back from a backup, then spanledger verify: journals send again what they still have',
    );
  const [first] = rows;
  return first === undefined
    ? ok(check, 'no part is detached')
    : warn(
        check,
        `${count(rows.length, 'part')} detached, of which queries see nothing; the first is ${first.name} of ${first.table}${first.reason === '' ? '' : ` (${first.reason})`}`,
        `ALTER TABLE spanledger.${first.table} ATTACH PART '${first.name}', then spanledger verify`,
      );
}

interface Detached {
  table: string;
  name: string;
  reason: string;
}

function detachedIn(store: Store): Promise<Detached[]> {
  return store.query<Detached>(
    `SELECT table, name, ifNull(toString(reason), '') AS reason FROM system.detached_parts WHERE database = 'spanledger' ORDER BY table, name`,
  );
}

/** As the engine found it when it began; others somebody has detached. */
function isBroken({ reason }: Detached): boolean {
  return reason.startsWith('broken');
}
