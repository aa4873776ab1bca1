import { hash, randomUUID } from 'node:crypto';
import { ZERO_HASH } from '../chain/entry.ts';
import type { SealedRecord } from '../chain/seal.ts';
import type { Batch } from '../target/batch.ts';
import type { Store } from './client.ts';

/** Made of the batch's content, so that one token can never stand for two batches. */
function deduplicationToken(batch: Batch): string {
  const first = batch[0];
  const last = batch.at(-1)!;
  return `${first.chainId}:${first.seq}-${last.seq}:${last.recordHash}`;
}

/**
 * Inserts rows of a batch: `once`, so that a request that is still running when it is sent again adds nothing,
 * or `again`, after looking at what is there. Neither is proof that anything arrived: `confirm` is.
 */
export async function insertRecords(
  store: Store,
  batch: Batch,
  rows: readonly SealedRecord[],
  how: 'once' | 'again',
): Promise<void> {
  if (rows.length === 0) return;
  // A token never used before, since newer engines do not listen to `insert_deduplicate = 0`. Chain ids, numbers
  // and hex: nothing in either token can leave its quotes.
  const token = how === 'once' ? deduplicationToken(batch) : `again:${randomUUID()}`;
  const columns = 'chain_id, seq, retention_class, expires_at, record_hash, payload';
  const sql = `INSERT INTO spanledger.audit_records (${columns}) SETTINGS async_insert = 0, insert_deduplication_token = '${token}' FORMAT TabSeparated`;
  let text = '';
  for (const row of rows) text += tabSeparated(row);
  await store.insert(sql, text);
}

/** Ten digits, also of a clock that began at 1970: with fewer the engine reads a date in them. */
export function unixTime(seconds: number): string {
  return String(seconds).padStart(10, '0');
}

/** Bytes travel as `\xHH`: JSON cannot say them, and binary formats do not pass the embedded connection. */
function tabSeparated({
  chainId,
  seq,
  retentionClass,
  expiresAt,
  recordHash,
  payload,
}: SealedRecord): string {
  const hashBytes = recordHash.replace(/../g, '\\x$&');
  // Canonical JSON holds no raw tab or line feed; only its backslashes need care, and most have none.
  const escaped = payload.includes('\\') ? payload.replaceAll('\\', '\\\\') : payload;
  return `${chainId}\t${seq}\t${retentionClass}\t${unixTime(expiresAt)}\t${hashBytes}\t${escaped}\n`;
}

const CONFIRM = `
SELECT count() AS rows, uniqExact(seq) AS places,
       lower(hex(SHA256(arrayStringConcat(arrayMap(row -> row.2, arraySort(groupArray((seq, concat(toString(seq), ' ', retention_class, ' ',
           toString(toUnixTimestamp(expires_at)), ' ', lower(hex(record_hash)), ' ', lower(hex(SHA256(payload))), '\\n'))))))))) AS digest
FROM spanledger.audit_records
WHERE chain_id = {chain:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64}`;

/** Reads back what the store holds of the batch's places, each payload hashed again by the engine. */
export async function confirm(store: Store, batch: Batch): Promise<boolean> {
  const [found] = await store.query<{ rows: string; places: string; digest: string }>(
    CONFIRM,
    rangeOf(batch),
  );
  let expected = '';
  for (const row of batch) {
    expected += `${row.seq} ${row.retentionClass} ${row.expiresAt} ${row.recordHash} ${hash('sha256', row.payload)}\n`;
  }
  return Number(found?.rows) === batch.length && found?.digest === hash('sha256', expected);
}

/** A row at a place: a record, or the tombstone of one, whose class nobody knows any more. */
export interface Standing {
  recordHash: string;
  payloadDigest: string;
  expiresAt: number;
  retentionClass: string | undefined;
}

/** The row is the record, to the byte: not only its hash, which anybody can copy. */
export function isSame(record: SealedRecord, standing: Standing): boolean {
  return (
    standing.recordHash === record.recordHash &&
    standing.payloadDigest === hash('sha256', record.payload) &&
    standing.expiresAt === record.expiresAt &&
    (standing.retentionClass ?? record.retentionClass) === record.retentionClass
  );
}

const STANDING = `
SELECT seq, groupUniqArray((hash, digest, expires, class)) AS rows FROM
(
    SELECT seq, lower(hex(record_hash)) AS hash, lower(hex(SHA256(payload))) AS digest, toUnixTimestamp(expires_at) AS expires, toString(retention_class) AS class
    FROM spanledger.audit_records WHERE chain_id = {chain:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64}
    UNION ALL
    SELECT seq, lower(hex(record_hash)), lower(hex(payload_digest)), toUnixTimestamp(expires_at), ''
    FROM spanledger.audit_tombstones WHERE chain_id = {chain:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64}
)
GROUP BY seq`;

/** What stands at places of a chain, live or as tombstone, by seq; several rows where the store has several. */
export async function standingAt(
  store: Store,
  chainId: string,
  first: number,
  last: number,
): Promise<Map<number, Standing[]>> {
  const places = await store.query<{ seq: string; rows: [string, string, number, string][] }>(STANDING, {
    chain: chainId,
    first,
    last,
  });
  return new Map(
    places.map(({ seq, rows }) => [
      Number(seq),
      rows.map(([recordHash, payloadDigest, expiresAt, retentionClass]) => ({
        recordHash,
        payloadDigest,
        expiresAt: Number(expiresAt),
        retentionClass: retentionClass === '' ? undefined : retentionClass,
      })),
    ]),
  );
}

function rangeOf(batch: Batch): { chain: string; first: number; last: number } {
  return { chain: batch[0].chainId, first: batch[0].seq, last: batch.at(-1)!.seq };
}

const OPENER = `
SELECT JSONExtractString(payload, 'control', 'writer') AS writer FROM spanledger.audit_records
WHERE chain_id = {chain:String} AND seq = 0 LIMIT 1`;

/** Who opened a chain, by its first record; undefined where the store has none. */
export async function openerOf(store: Store, chain: string): Promise<string | undefined> {
  const [row] = await store.query<{ writer: string }>(OPENER, { chain });
  return row?.writer;
}

const HEAD = `
SELECT toString(count()) AS rows, max(seq) AS last, argMax(hash, seq) AS head FROM
(
    SELECT seq, lower(hex(record_hash)) AS hash FROM spanledger.audit_records WHERE chain_id = {chain:String}
    UNION ALL
    SELECT seq, lower(hex(record_hash)) FROM spanledger.audit_tombstones WHERE chain_id = {chain:String}
)`;

/** How far a chain has come in the store: its last seq and one, and the hash there; 0 and zeros where it is not. */
export async function headOf(store: Store, chain: string): Promise<{ size: number; head: string }> {
  const [row] = await store.query<{ rows: string; last: string; head: string }>(HEAD, { chain });
  return row === undefined || row.rows === '0'
    ? { size: 0, head: ZERO_HASH }
    : { size: Number(row.last) + 1, head: row.head };
}
