import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { Store } from './client.ts';

export interface Migration {
  name: string;
  digest: string;
  statements: string[];
}

const FOLDER = new URL('./migrations/', import.meta.url);

/** Where migrations are recorded; made before the first of them. */
export const REGISTER = `CREATE TABLE IF NOT EXISTS spanledger.schema_migrations
(
    name       String,
    digest     String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`;

/**
 * Brings a database to this version's schema: numbered files, in order, each once, each recorded with its
 * digest. Safe to run twice, and after a crash between two statements.
 *
 * @returns the names applied now.
 * @throws SpanledgerError `store_schema` when a migration already applied had another text.
 */
export async function migrate(store: Store): Promise<string[]> {
  let known = await appliedTo(store);
  if (known === undefined) {
    await store.command('CREATE DATABASE IF NOT EXISTS spanledger');
    await store.command(REGISTER);
    known = new Map();
  }
  const applied: string[] = [];
  for (const { name, digest, statements } of migrations()) {
    if (known.has(name)) {
      if (known.get(name) === digest) continue;
      throw new SpanledgerError(
        'store_schema',
        `migration ${name} was applied to this database with another text`,
        {
          hint: 'use the version of spanledger that made the database, or one after it',
        },
      );
    }
    for (const statement of statements) await store.command(statement);
    await store.insert(
      'INSERT INTO spanledger.schema_migrations (name, digest) SETTINGS async_insert = 0 FORMAT JSONCompactEachRow',
      `${JSON.stringify([name, digest])}\n`,
    );
    applied.push(name);
  }
  return applied;
}

/** The digests of what was applied, by name; undefined where nothing was. Whoever only writes records may ask this. */
export async function appliedTo(store: Store): Promise<Map<string, string> | undefined> {
  try {
    const rows = await store.query<{ name: string; digest: string }>(
      'SELECT name, digest FROM spanledger.schema_migrations',
    );
    return new Map(rows.map(({ name, digest }) => [name, digest]));
  } catch (error) {
    if (isSpanledgerError(error, 'store_schema')) return undefined;
    throw error;
  }
}

export function migrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      const text = readFileSync(new URL(name, FOLDER), 'utf8');
      const statements = text
        .split(/;\s*$/m)
        .map((statement) => statement.trim())
        .filter((statement) => statement !== '');
      return { name, digest: hash('sha256', text), statements };
    });
}

const CREATES = /^(?:--.*\n)*CREATE (?:TABLE|VIEW) IF NOT EXISTS spanledger\.(\w+)/;

/** The tables and views that migrations make, by name, in the order in which they are made. */
export function created(): Map<string, string> {
  const statements = migrations().flatMap((migration) => migration.statements);
  return new Map(
    statements.flatMap((statement) => {
      const name = CREATES.exec(statement)?.[1];
      return name === undefined ? [] : [[name, statement] as const];
    }),
  );
}

/** Names of the tables and views that a database has. */
export async function presentIn(store: Store): Promise<Set<string>> {
  const rows = await store.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = 'spanledger'`,
  );
  return new Set(rows.map(({ name }) => name));
}
