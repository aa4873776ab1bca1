import type { Store } from '../store/client.ts';
import { appliedTo, created, migrations, presentIn } from '../store/migrate.ts';
import { type Difference, readSchema } from '../verify/schema.ts';
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

/**
 * Every table and view is what its migration makes, by the same comparison as `verify` makes: a shorter TTL deletes what
 * is not archived, without its fsync settings a confirmed record may be lost with the power, and a view may serve other
 * rows. What is not there at all, `store.schema` tells.
 */
async function tablesCheck(store: Store): Promise<Check[]> {
  const check = 'store.tables';
  const { differences, unchecked } = await readSchema(store, ['definitions']);
  const ours = created();
  const amiss = differences.filter(({ object, part }) => part !== undefined || !ours.has(object));
  if (amiss.length > 0) return amiss.map((each) => fail(check, each.detail, remedyOf(each)));
  const unseen = unchecked.filter((each) => !each.endsWith('is not applied'));
  return unseen.length > 0
    ? [skipped(check, unseen.join('; '))]
    : [ok(check, `${count(ours.size, 'table or view', 'tables and views')} are as they were made`)];
}

function remedyOf({ of, object, part, expected }: Difference): string {
  const table = `spanledger.${object}`;
  if (part === undefined) return `find out who made it and why, and drop ${table}`;
  if (of === 'view') return `DROP VIEW ${table}, then spanledger migrate`;
  if (part === 'TTL')
    return `ALTER TABLE ${table} ${expected === undefined ? 'REMOVE TTL' : `MODIFY TTL ${expected}`}`;
  const setting = /^setting (.*)/.exec(part)?.[1];
  if (setting !== undefined)
    return expected === undefined
      ? `ALTER TABLE ${table} RESET SETTING ${setting}`
      : `ALTER TABLE ${table} MODIFY SETTING ${setting} = ${expected}`;
  return 'spanledger verify says what of it can be believed; put the store back from a backup';
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
