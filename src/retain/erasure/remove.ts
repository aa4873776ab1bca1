import { setTimeout as wait } from 'node:timers/promises';
import type { Store } from '../../store/client.ts';
import { conditionOf, placesWhere, quoted, STATEMENT, type Table } from '../places.ts';
import { inParts, NOWHERE, type Places, union, within } from '../ranges.ts';
import { each } from './plan.ts';

/** What has a payload, or opens one. */
const TABLES = ['audit_records', 'audit_content', 'audit_content_keys'] as const;
/** Places named by a statement, which has at most 256 KiB; the engine reads so many numbers gladly. */
const PLACES = { places: 10_000, stretches: Number.POSITIVE_INFINITY };
const KEYS = 1_000;
/** A query that began before holds what it reads: so long it is waited for, in milliseconds. */
const PARTS_MS = 30_000;
const LOOK_MS = 100;

/** Of these places those at which a table has rows. */
export async function presentIn(store: Store, places: Places, table: Table): Promise<Places> {
  let present: Places = NOWHERE;
  for (const part of inParts(places, STATEMENT))
    present = union(present, within(places, await placesWhere(store, conditionOf(part), {}, table)));
  return present;
}

/**
 * Deletes rows at places that have tombstones and are named in the line, in the form that the schema watch knows: each place
 * by its number. Done when it resolves; what is there no more is not asked for again.
 */
export async function removeRows(store: Store, places: Places, table: Table): Promise<void> {
  for (const [chain, stretches] of await presentIn(store, places, table))
    for (const part of inParts(new Map([[chain, stretches]]), PLACES)) {
      const seqs = [...each(part)].map(({ seq }) => seq);
      await store.command(
        `ALTER TABLE spanledger.${table} DELETE WHERE chain_id = ${quoted(chain)} AND seq IN (${seqs.join(', ')}) SETTINGS mutations_sync = 2`,
      );
    }
}

/** Destroys data keys, but for those that open something still: a record that came since. @returns these */
export async function removeKeys(store: Store, keys: readonly string[]): Promise<string[]> {
  const used: string[] = [];
  for (let i = 0; i < keys.length; i += KEYS) {
    const ids = keys.slice(i, i + KEYS);
    const still = new Set(await idsIn(store, ids, 'audit_content'));
    used.push(...still);
    const gone = (await idsIn(store, ids, 'audit_content_keys')).filter((id) => !still.has(id));
    if (gone.length > 0)
      await store.command(
        `ALTER TABLE spanledger.audit_content_keys DELETE WHERE key_id IN (${gone.map((id) => `unhex('${id}')`).join(', ')}) SETTINGS mutations_sync = 2`,
      );
  }
  return used;
}

/** Which of these keys the table names. */
async function idsIn(
  store: Store,
  ids: readonly string[],
  table: 'audit_content' | 'audit_content_keys',
): Promise<string[]> {
  const id = table === 'audit_content' ? 'key_id' : 'lower(hex(key_id))';
  const rows = await store.query<{ id: string }>(
    `SELECT DISTINCT ${id} AS id FROM spanledger.${table} WHERE ${id} IN {ids:Array(String)}`,
    { ids: [...ids] },
  );
  return rows.map((row) => row.id);
}

/** Parts of tables that nobody reads any more, and that the engine has on disk all the same. */
export interface LeftParts {
  inactive: number;
  /** Detached by hand: they may be somebody's only copy, and stay. */
  detached: string[];
}

/**
 * Has the engine remove from disk what mutations have replaced, and what it has detached itself: else it keeps the old
 * parts for `old_parts_lifetime`. That is 0 meanwhile, and dropping a partition that is not there makes it look. A part that
 * somebody reads is waited for.
 */
export async function dropLeftParts(store: Store): Promise<LeftParts> {
  await dropDetached(store);
  const replaced = new Set((await inactive(store)).map(nameOf));
  const end = Date.now() + PARTS_MS;
  for (;;) {
    // What merges replace meanwhile holds nothing of whoever has gone.
    const left = (await inactive(store)).filter((part) => replaced.has(nameOf(part)));
    if (left.length === 0 || Date.now() > end)
      return { inactive: left.length, detached: await detachedByHand(store) };
    for (const table of new Set(left.map((part) => part.table))) await dropInactive(store, table);
    await wait(LOOK_MS);
  }
}

interface Part {
  table: string;
  name: string;
}

const nameOf = ({ table, name }: Part) => `${table}/${name}`;

function inactive(store: Store): Promise<Part[]> {
  return store.query<Part>(
    `SELECT table, name FROM system.parts WHERE database = 'spanledger' AND table IN ({tables:Array(String)}) AND NOT active`,
    { tables: TABLES },
  );
}

const NO_PARTITION: { [table: string]: string } = {
  audit_records: "('', 0)",
  audit_content: "('', 0)",
  audit_content_keys: "ID 'none'",
};

async function dropInactive(store: Store, table: string): Promise<void> {
  await store.command(`ALTER TABLE spanledger.${table} MODIFY SETTING old_parts_lifetime = 0`);
  try {
    await store.command(`ALTER TABLE spanledger.${table} DROP PARTITION ${NO_PARTITION[table]}`);
  } finally {
    await store.command(`ALTER TABLE spanledger.${table} MODIFY SETTING old_parts_lifetime = ${LIFETIME}`);
  }
}

/** As the migrations have it; seconds. */
const LIFETIME = 480;

/** After a crash in the middle of it. */
export async function restoreLifetime(store: Store): Promise<void> {
  const rows = await store.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = 'spanledger' AND name IN ({tables:Array(String)}) AND create_table_query LIKE '%old_parts_lifetime = 0%'`,
    { tables: TABLES },
  );
  for (const { name } of rows)
    await store.command(`ALTER TABLE spanledger.${name} MODIFY SETTING old_parts_lifetime = ${LIFETIME}`);
}

async function dropDetached(store: Store): Promise<void> {
  const rows = await store.query<{ table: string; name: string }>(
    `SELECT table, name FROM system.detached_parts WHERE database = 'spanledger' AND table IN ({tables:Array(String)}) AND reason != ''`,
    { tables: TABLES },
  );
  for (const { table, name } of rows)
    await store.command(
      `ALTER TABLE spanledger.${table} DROP DETACHED PART ${quoted(name)} SETTINGS allow_drop_detached = 1`,
    );
}

async function detachedByHand(store: Store): Promise<string[]> {
  const rows = await store.query<{ name: string }>(
    `SELECT concat(table, '/', name) AS name FROM system.detached_parts WHERE database = 'spanledger' AND table IN ({tables:Array(String)}) ORDER BY name`,
    { tables: TABLES },
  );
  return rows.map(({ name }) => name);
}
