import type { Store } from '../../src/store/client.ts';
import { created } from '../../src/store/migrate.ts';

const LIST = 'chain_id, seq, retention_class, expires_at, record_hash, payload';

/** Leaves rows out as an older state of the store would: without a mutation, of which the verifier would tell. */
export async function leaveOut(store: Store, where: string): Promise<void> {
  await store.command('CREATE DATABASE IF NOT EXISTS kept');
  await store.command(
    `CREATE TABLE kept.older ENGINE = Memory AS SELECT ${LIST} FROM spanledger.audit_records WHERE NOT (${where})`,
  );
  await store.command('TRUNCATE TABLE spanledger.audit_records');
  await store.command(
    `INSERT INTO spanledger.audit_records (${LIST}) SELECT ${LIST} FROM kept.older SETTINGS insert_deduplicate = 0`,
  );
  await store.command('DROP TABLE kept.older SYNC');
}

/**
 * Makes anew, empty, each table that a mutation changed: for as long as it is there the engine keeps the mutation,
 * and the verifier tells of it.
 *
 * @returns their names.
 */
export async function forgetMutations(store: Store): Promise<string[]> {
  const changed = await store.query<{ table: string }>(
    `SELECT DISTINCT table FROM system.mutations WHERE database = 'spanledger'`,
  );
  for (const { table } of changed) {
    await store.command(`DROP TABLE spanledger.${table} SYNC`);
    await store.command(created().get(table)!);
  }
  return changed.map(({ table }) => table);
}
