import type { Store } from './client.ts';

/** A record as it stands in the store, and the hash of what stands before it. */
export interface StoredRecord {
  payload: string;
  expiresAt: number;
  recordHash: string;
  /** Undefined where nothing stands there. */
  prevHash: string | undefined;
}

const RECORD = `
SELECT payload, toUnixTimestamp(expires_at) AS expires, lower(hex(record_hash)) AS hash,
(
    SELECT any(hash) FROM
    (
        SELECT lower(hex(record_hash)) AS hash FROM spanledger.audit_records WHERE chain_id = {chain:String} AND seq = {before:Int64}
        UNION ALL
        SELECT lower(hex(record_hash)) FROM spanledger.audit_tombstones WHERE chain_id = {chain:String} AND seq = {before:Int64}
    )
) AS before
FROM spanledger.audit_records WHERE chain_id = {chain:String} AND seq = {seq:UInt64} LIMIT 1`;

/** Undefined where no record stands, or only the tombstone of one. */
export async function recordAt(
  store: Store,
  chainId: string,
  seq: number,
): Promise<StoredRecord | undefined> {
  const [row] = await store.query<{ payload: string; expires: number; hash: string; before: string | null }>(
    RECORD,
    { chain: chainId, seq, before: seq - 1 },
  );
  if (row === undefined) return undefined;
  const { payload, expires, hash, before } = row;
  return { payload, expiresAt: Number(expires), recordHash: hash, prevHash: before || undefined };
}
