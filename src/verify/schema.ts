import { isSpanledgerError, messageOf } from '../errors.ts';
import type { Store } from '../store/client.ts';
import { appliedTo, created, migrations, REGISTER } from '../store/migrate.ts';
import { type Definition, definitionOf, differences } from './definition.ts';
import { isErasureOfKeys, isPurge, type Mutation, placesErasedBy } from './mutations.ts';
import { VIEW_COLUMNS } from './view-columns.ts';

/** Where a database is not what our migrations made. */
export interface Difference {
  /** `table`, `view` and `mutation` are named without their database; a `policy`, and a `system` table, by their full name. */
  of: 'table' | 'view' | 'policy' | 'mutation' | 'system';
  object: string;
  /** As `Definition` names it; undefined: the object as a whole. */
  part?: string;
  expected?: string | undefined;
  found?: string | undefined;
  /** In a line; never what a mutation or a policy wrote in quotes. */
  detail: string;
}

/** What a database was found to be. Both empty: what our migrations made, and nothing else. */
export interface Schema {
  differences: Difference[];
  /** What could not be looked at, and why. */
  unchecked: string[];
}

type SchemaPart = 'system tables' | 'definitions' | 'mutations' | 'row policies' | 'masking policies';

/** Settings of tables by which rows change or stand elsewhere without a mutation; all others we don't set are the operator's. */
const TELLING = ['enable_block_number_column', 'enable_block_offset_column', 'disk', 'table_disk'];
/** How long the engine keeps what was replaced says nothing of rows; an erasure has it drop that at once. */
const REPLACED_FOR = 'setting old_parts_lifetime';
/** Of mutations that are done the engine keeps so many, unless it is told otherwise: with fewer nobody sees what they were. */
const FINISHED = 'finished_mutations_to_keep';
const FINISHED_KEPT = 100;

/**
 * Compares tables, views, row policies and mutations with what the migrations of this version say, in the words of
 * the engine: it writes our statements as it writes its own. Nothing is written, and nothing but its spelling is
 * taken from the database.
 *
 * @param only these parts of it
 * @throws SpanledgerError `store_unreachable`, `store_failed`
 */
export async function readSchema(store: Store, only?: readonly SchemaPart[]): Promise<Schema> {
  const schema: Schema = { differences: [], unchecked: [] };
  const parts: [what: SchemaPart, work: () => Promise<void>][] = [
    ['system tables', () => readSystem(store, schema)],
    ['definitions', () => readDefinitions(store, schema)],
    ['mutations', () => readMutations(store, schema)],
    ['row policies', () => readPolicies(store, schema)],
    ['masking policies', () => readMasks(store, schema)],
  ];
  for (const [what, work] of parts) {
    if (only?.includes(what) === false) continue;
    try {
      await work();
    } catch (error) {
      const why = whyUnseen(error);
      if (why === undefined) throw error;
      schema.unchecked.push(`${what}: ${why}`);
    }
  }
  return schema;
}

/** Of ClickHouse: the user has not the right; a table of its own is not there. */
const UNSEEN = /Not enough privileges|ACCESS_DENIED|(Unknown table|Table|UNKNOWN_TABLE).* system\./;

function whyUnseen(error: unknown): string | undefined {
  if (!isSpanledgerError(error)) return undefined;
  const said = messageOf(error).replace(/^ClickHouse: /, '');
  return UNSEEN.test(said) ? said.slice(0, 200) : undefined;
}

/** Whoever may drop tables may put one of their own in the place of one of the engine's, which then tells what they like. */
async function readSystem(store: Store, { differences }: Schema): Promise<void> {
  for (const name of ['tables', 'mutations', ...(store.where === 'embedded' ? [] : ['row_policies'])]) {
    const statement = await shownCreate(store, `system.${name}`);
    if (statement !== undefined && !isSystemTable(statement))
      differences.push({
        of: 'system',
        object: `system.${name}`,
        detail: `system.${name} is not the engine's own: what it tells of the ledger is not to be believed`,
      });
  }
}

/** Undefined for the engine's own tables, where it keeps no statement of them. */
async function shownCreate(store: Store, table: string): Promise<string | undefined> {
  try {
    const row = await store.text(`SHOW CREATE TABLE ${table}`, 'JSONEachRow');
    return (JSON.parse(row) as { statement: string }).statement;
  } catch (error) {
    if (/There is no metadata of table/.test(messageOf(error))) return undefined;
    throw error;
  }
}

/** Nobody else can make a table of such an engine; but a comment, a text or a name may say that it is one. */
export function isSystemTable(statement: string): boolean {
  const bare = statement.replace(/`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*'/gs, 'x');
  return /^CREATE TABLE system\.\w+\s*\(.*\)\s*ENGINE = System\w+/s.test(bare);
}

interface Expected {
  name: string;
  statement: string;
  /** Of the migration that makes it; none makes the register. */
  migration: string | undefined;
}

function expectedObjects(): Expected[] {
  const all = migrations();
  return [
    ...[...created()].map(([name, statement]) => ({
      name,
      statement,
      migration: all.find(({ statements }) => statements.includes(statement))?.name,
    })),
    { name: 'schema_migrations', statement: REGISTER, migration: undefined },
  ];
}

function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

async function readDefinitions(store: Store, schema: Schema): Promise<void> {
  const expected = expectedObjects();
  // In the query: parameters stand in the address, and these are longer than what is before a server may let pass.
  const pairs = expected.map(({ name, statement }) => `(${literal(name)}, ${literal(statement)})`);
  const ours = await store.query<{ name: string; statement: string }>(
    `SELECT each.1 AS name, formatQuerySingleLine(each.2) AS statement
     FROM (SELECT arrayJoin([${pairs.join(', ')}]) AS each)`,
  );
  const theirs = await store.query<{ name: string; engine: string; statement: string }>(
    `SELECT name, engine, ifNull(formatQuerySingleLineOrNull(create_table_query), create_table_query) AS statement
     FROM system.tables WHERE database = 'spanledger' ORDER BY name`,
  );
  const live = new Map(theirs.map((each) => [each.name, each]));
  if (live.size === 0) return;
  const applied = ours.every(({ name }) => live.has(name)) ? undefined : await appliedTo(store);
  for (const { name, statement } of ours) {
    const of = / VIEW /.test(statement.slice(0, 20)) ? 'view' : 'table';
    const found = live.get(name);
    live.delete(name);
    const { migration } = expected.find((each) => each.name === name)!;
    if (found === undefined) {
      const seen = await isVisible(store, name);
      if (seen !== true) schema.unchecked.push(`${of} ${name}: ${seen}`);
      else if (migration !== undefined && applied?.has(migration) !== true)
        schema.unchecked.push(`${of} ${name}: migration ${migration} is not applied`);
      else schema.differences.push({ of, object: name, detail: `${of} ${name} is not there` });
    } else if (found.statement === '')
      schema.unchecked.push(`${of} ${name}: this user may not see its definition`);
    else compare({ of, object: name }, statement, found.statement, schema);
  }
  for (const { name, engine } of live.values()) {
    const of = engine === 'View' ? 'view' : 'table';
    schema.differences.push({ of, object: name, detail: `${of} ${name} (${engine}) is none of ours` });
  }
  const seen = await isVisible(store, 'no_such_table');
  if (seen !== true) schema.unchecked.push(`tables that are not ours: ${seen}`);
}

/** A table that a user may not see is not there: asked for by its name, the engine says so. */
async function isVisible(store: Store, name: string): Promise<true | string> {
  try {
    await store.text(`EXISTS TABLE spanledger.${name}`, 'JSONEachRow');
    return true;
  } catch (error) {
    const why = whyUnseen(error);
    if (why === undefined) throw error;
    return why;
  }
}

function compare(
  { of, object }: Pick<Difference, 'of' | 'object'>,
  ourStatement: string,
  theirStatement: string,
  { differences: told }: Schema,
): void {
  const columns = VIEW_COLUMNS[object];
  const withColumns =
    columns === undefined ? ourStatement : ourStatement.replace(' AS ', ` (${columns}) AS `);
  const ours = tolerant(definitionOf(withColumns));
  const live = tolerant(definitionOf(theirStatement), ours);
  const theirs = of === 'view' ? withStoredTypes(live) : live;
  const found = differences(ours, theirs);
  // That a column is there or not says enough of their order.
  const isSameColumns = !found.some(
    (each) => each.part.startsWith('column ') && (each.expected === undefined || each.found === undefined),
  );
  const another = found.filter(({ part }) => part === 'statement');
  for (const each of another.length > 0 ? another : found) {
    if (each.part === 'columns' && !isSameColumns) continue;
    const detail = `${each.part} of ${object} is ${near(each.found, each.expected)}, not ${near(each.expected, each.found)}`;
    told.push({ of, object, ...each, detail });
  }
}

/** Leaves out what a server may rightly have otherwise: replicated engines, settings of its own, a key said twice. */
function tolerant(definition: Definition, ours?: Definition): Definition {
  const engine = definition.get('ENGINE');
  if (engine !== undefined)
    definition.set('ENGINE', engine.replace(/^(Replicated|Shared)(MergeTree)(\('[^']*', '[^']*'\))?$/, '$2'));
  if (definition.get('PRIMARY KEY') === definition.get('ORDER BY')) definition.delete('PRIMARY KEY');
  const ttl = definition.get('TTL');
  if (ttl !== undefined) definition.set('TTL', ttl.replace(/ DELETE$/, ''));
  if (definition.get('SQL SECURITY') === 'INVOKER') definition.delete('SQL SECURITY');
  definition.delete(REPLACED_FOR);
  for (const part of ours === undefined ? [] : [...definition.keys()]) {
    const setting = /^setting (.*)/.exec(part)?.[1];
    if (setting === undefined || ours!.has(part) || TELLING.includes(setting)) continue;
    if (setting !== FINISHED || Number(definition.get(part)) >= FINISHED_KEPT) definition.delete(part);
  }
  return definition;
}

/** How values are kept, which versions of the engine infer otherwise, is not what they are. */
function withStoredTypes(definition: Definition): Definition {
  for (const [part, type] of definition)
    if (part.startsWith('column '))
      definition.set(part, type.replace(/LowCardinality\(((?:[^()]|\([^()]*\))*)\)/g, '$1'));
  return definition;
}

async function readMutations(store: Store, { differences, unchecked }: Schema): Promise<void> {
  const mutations = await store.query<Mutation>(
    `SELECT table, mutation_id AS id, command FROM system.mutations WHERE database = 'spanledger' ORDER BY table, create_time, mutation_id`,
  );
  for (const mutation of mutations) {
    if (isPurge(mutation) || isErasureOfKeys(mutation) || (await isErasure(store, mutation))) continue;
    const { table, id, command } = mutation;
    const object = `${table} ${id}`;
    const said = cut(masked(command.replace(/^\((.*)\)$/s, '$1')));
    differences.push({
      of: 'mutation',
      object,
      detail: `a mutation of ${table} (${id}) is neither purge nor erasure: ${said}`,
    });
  }
  const [kept] = await store.query<{ value: string }>(
    `SELECT value FROM system.merge_tree_settings WHERE name = '${FINISHED}'`,
  );
  if (kept !== undefined && Number(kept.value) < FINISHED_KEPT)
    unchecked.push(
      `mutations that are done: the server keeps ${kept.value} of them (${FINISHED}), not ${FINISHED_KEPT} or more`,
    );
}

/** Ours deletes what has a tombstone that says so, and names each place. */
async function isErasure(store: Store, mutation: Mutation): Promise<boolean> {
  const places = placesErasedBy(mutation);
  if (places === undefined) return false;
  const [row] = await store.query<{ erased: string }>(
    `SELECT uniqExact(seq) AS erased FROM spanledger.audit_tombstones
     WHERE chain_id = {chain:String} AND seq IN {seqs:Array(UInt64)} AND reason = 'erased'`,
    { chain: places.chainId, seqs: places.seqs },
  );
  return Number(row!.erased) === new Set(places.seqs).size;
}

/** The embedded engine, as we open it, has no users to have policies for. */
async function readPolicies(store: Store, { differences }: Schema): Promise<void> {
  if (store.where === 'embedded') return;
  const policies = await store.query<{ name: string; filter: string }>(
    `SELECT name, ifNull(select_filter, '') AS filter FROM system.row_policies WHERE database IN ('spanledger', '', '*') ORDER BY name`,
  );
  for (const { name, filter } of policies)
    differences.push({
      of: 'policy',
      object: name,
      detail: `row policy ${name} hides rows but where ${cut(masked(filter))}`,
    });
}

/** Only ClickHouse Cloud has them; elsewhere nobody needs the right to look. */
async function readMasks(store: Store, { differences }: Schema): Promise<void> {
  if (store.where === 'embedded') return;
  const [row] = await store.query<{ isCloud: unknown }>("SELECT getSetting('cloud_mode') AS isCloud");
  if (row?.isCloud !== true && row?.isCloud !== 1) return;
  const masks = await store.query<{ name: string }>(
    `SELECT name FROM system.masking_policies WHERE database IN ('spanledger', '', '*') ORDER BY name`,
  );
  for (const { name } of masks)
    differences.push({
      of: 'policy',
      object: name,
      detail: `masking policy ${name} shows other values than there are`,
    });
}

/** Long enough to see what is meant, in one line of a table. */
const MOST = 120;

function cut(text: string): string {
  return text.length > MOST ? `${text.slice(0, MOST - 1)}…` : text;
}

/** Around the first place where it differs from the other. */
function near(text: string | undefined, other: string | undefined): string {
  if (text === undefined) return 'none';
  if (text.length <= MOST || other === undefined) return cut(text);
  let first = 0;
  while (first < text.length && text[first] === other[first]) first += 1;
  const from = Math.max(0, Math.min(first - 30, text.length - MOST));
  return `${from > 0 ? '…' : ''}${cut(text.slice(from))}`;
}

/** What somebody wrote in quotes may be of a record. */
function masked(text: string): string {
  return text.replace(/'(?:[^'\\]|\\.|'')*'/gs, "'…'");
}
