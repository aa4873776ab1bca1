import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { type Entry, entryText, payloadDigest, recordHash, ZERO_HASH } from '../../src/chain/entry.ts';
import type { Store } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { type VerifyOptions, verify } from '../../src/verify/verify.ts';
import { LEDGER_ID } from './ledger-kit.ts';
import { forgetMutations } from './older-store.ts';

/** A row of `audit_records` as whoever has all rights on the database may write it: nothing need fit. */
export interface RawRow {
  chainId: string | Buffer;
  seq: bigint;
  retentionClass: string;
  expiresAt: number;
  recordHash: string;
  payload: string | Buffer;
}

const COLUMNS = ['chain_id', 'seq', 'retention_class', 'expires_at', 'record_hash', 'payload'];
const LIST = COLUMNS.join(', ');

/** What an attacker with all rights on the database does to a ledger, in SQL, and back again. */
export class TamperedLedger {
  store!: Store;

  /** Keeps what is in the ledger now, to come back to. */
  async keep(): Promise<void> {
    await this.store.command('CREATE DATABASE IF NOT EXISTS kept');
    await this.store.command('DROP TABLE IF EXISTS kept.records SYNC');
    await this.store.command('DROP TABLE IF EXISTS kept.moving SYNC');
    for (const table of ['records', 'moving'])
      await this.store.command(
        `CREATE TABLE kept.${table} ENGINE = Memory AS SELECT ${LIST} FROM spanledger.audit_records ${table === 'moving' ? 'LIMIT 0' : ''}`,
      );
  }

  async reset(): Promise<void> {
    const changed = await forgetMutations(this.store);
    for (const table of ['audit_records', 'audit_tombstones'])
      if (!changed.includes(table)) await this.store.command(`TRUNCATE TABLE spanledger.${table}`);
    // The engine remembers blocks it has had, and takes none of them twice.
    await this.store.command(
      `INSERT INTO spanledger.audit_records (${LIST}) SELECT ${LIST} FROM kept.records SETTINGS insert_deduplicate = 0`,
    );
  }

  /** Also from changes to the tables themselves. */
  async rebuild(): Promise<void> {
    await this.store.command('DROP DATABASE spanledger SYNC');
    await migrate(this.store);
    await this.reset();
  }

  async update(set: string, where: string): Promise<void> {
    await this.store.command(
      `ALTER TABLE spanledger.audit_records UPDATE ${set} WHERE ${where} SETTINGS mutations_sync = 2`,
    );
  }

  async remove(where: string): Promise<void> {
    await this.#writeAnew(COLUMNS.join(', '), `WHERE NOT (${where})`);
  }

  /** Rows again with some columns another, beside themselves. */
  async copy(changes: { [column: string]: string }, where: string): Promise<void> {
    const values = COLUMNS.map((column) => changes[column] ?? column).join(', ');
    await this.store.command(
      `INSERT INTO spanledger.audit_records (${LIST}) SELECT ${values} FROM spanledger.audit_records WHERE ${where} SETTINGS insert_deduplicate = 0`,
    );
  }

  /** Rows with some columns another, also those an update may not change; what is derived from them follows. */
  async move(changes: { [column: string]: string }, where: string): Promise<void> {
    const values = COLUMNS.map((column) =>
      column in changes ? `if(${where}, ${changes[column]}, ${column})` : column,
    );
    await this.#writeAnew(values.join(', '), '');
  }

  /** Sooner done than a mutation, which waits for its turn. */
  async #writeAnew(values: string, where: string): Promise<void> {
    await this.store.command('TRUNCATE TABLE kept.moving');
    await this.store.command(
      `INSERT INTO kept.moving SELECT ${values} FROM spanledger.audit_records ${where}`,
    );
    await this.store.command('TRUNCATE TABLE spanledger.audit_records');
    await this.store.command(
      `INSERT INTO spanledger.audit_records (${LIST}) SELECT ${LIST} FROM kept.moving SETTINGS insert_deduplicate = 0`,
    );
  }

  async put(rows: readonly RawRow[]): Promise<void> {
    if (rows.length === 0) return;
    const values = rows.map(
      ({ chainId, seq, retentionClass, expiresAt, recordHash, payload }) =>
        `(${unhex(chainId)}, ${seq}, '${retentionClass}', ${expiresAt}, unhex('${recordHash}'), ${unhex(payload)})`,
    );
    await this.store.command(
      `INSERT INTO spanledger.audit_records (${LIST}) SETTINGS async_insert = 0, insert_deduplication_token = '${Math.random()}' VALUES ${values.join(', ')}`,
    );
  }

  /** Tombstones as they should be made of rows that are there, unless changed; their rows stay. */
  async bury(
    where: string,
    reason: 'expired' | 'erased' = 'expired',
    changes: { [column: string]: string } = {},
  ) {
    const columns = ['chain_id', 'seq', 'reason', 'expires_at', 'payload_digest', 'record_hash'];
    const own: { [column: string]: string } = { reason: `'${reason}'`, payload_digest: 'SHA256(payload)' };
    const values = columns.map((column) => changes[column] ?? own[column] ?? column).join(', ');
    await this.store.command(
      `INSERT INTO spanledger.audit_tombstones (${columns.join(', ')}) SELECT ${values} FROM spanledger.audit_records WHERE ${where} SETTINGS insert_deduplicate = 0`,
    );
  }

  async rows(chain?: string, table = 'spanledger.audit_records'): Promise<RawRow[]> {
    const rows = await this.store.query<{ [column: string]: string }>(
      `SELECT hex(chain_id) AS chain_id, seq, retention_class, toString(toUnixTimestamp(expires_at)) AS expires_at,
              lower(hex(record_hash)) AS record_hash, hex(payload) AS payload
       FROM ${table} AS records ORDER BY records.chain_id, seq, record_hash`,
    );
    const all = rows.map((row) => ({
      chainId: Buffer.from(row.chain_id!, 'hex').toString(),
      seq: BigInt(row.seq!),
      retentionClass: row.retention_class!,
      expiresAt: Number(row.expires_at),
      recordHash: row.record_hash!,
      payload: Buffer.from(row.payload!, 'hex'),
    }));
    return chain === undefined ? all : all.filter((row) => row.chainId === chain);
  }

  /** A chain written anew: rows as they come out of `change`, their hashes made to fit from the first of them on. */
  async reseal(chain: string, change: (row: RawRow) => Partial<RawRow>, hash = recordHash): Promise<void> {
    const before = await this.rows(chain);
    let prevHash = ZERO_HASH;
    const after = before.map((row) => {
      const changed = { ...row, ...change(row) };
      const { seq, expiresAt, payload } = changed;
      const digest = payloadDigest(payload);
      prevHash = hash({
        ledgerId: LEDGER_ID,
        chainId: chain,
        seq,
        expiresAt,
        prevHash,
        payloadDigest: digest,
      });
      return { ...changed, recordHash: prevHash };
    });
    await this.remove(`chain_id = '${chain}'`);
    await this.put(after);
  }

  /** The hash that fits a payload at a place. */
  hashOf(entry: Omit<Entry, 'ledgerId' | 'payloadDigest'>, payload: string | Buffer): string {
    return recordHash({ ...entry, ledgerId: LEDGER_ID, payloadDigest: payloadDigest(payload) });
  }

  /** The hash of an entry written otherwise than ours. */
  hashOfText(entry: Entry, change: (text: string) => string): string {
    return createHash('sha256')
      .update(`\0${change(entryText(entry))}`)
      .digest('hex');
  }

  /** What both engines find, which must be the same in everything but the time it took. */
  async verify(options: Omit<VerifyOptions, 'ledgerId' | 'engine'> = {}): Promise<Verification> {
    const [sql, node] = await Promise.all(
      (['sql', 'node'] as const).map((engine) =>
        verify(this.store, { ...options, ledgerId: LEDGER_ID, engine }),
      ),
    );
    expect({ ...sql!, elapsed_ms: 0 }).toEqual({ ...node!, elapsed_ms: 0 });
    return sql!;
  }
}

/**
 * Findings as `code chain:seq` or `code chain:seq-to`, chains by the names given. Those about the schema are left
 * out: a mutation, with which much of this is done, is one.
 */
export function told(result: Verification, names: { [chain: string]: string } = {}): string[] {
  return butOfSchema(result).map(({ code, chain_id, seq, to }) => {
    const place = to === undefined || to === seq ? `${seq}` : `${seq}-${to}`;
    return `${code} ${names[chain_id] ?? chain_id}:${place}`;
  });
}

/** All findings but those about the schema. */
export function butOfSchema({ findings }: Verification) {
  return findings.filter(({ code }) => code !== 'schema_mismatch');
}

function unhex(bytes: string | Buffer): string {
  return `unhex('${Buffer.from(bytes).toString('hex')}')`;
}
