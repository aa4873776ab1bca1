import type { Store } from './client.ts';

/** What proofs are made of, as the store has it: nothing here is believed before it is checked. */

/** Hashes read at a time. */
const PAGE = 20_000;

const HASHES = `
SELECT toString(seq) AS place, groupUniqArray(hash) AS hashes FROM
(
    SELECT seq, lower(hex(record_hash)) AS hash FROM spanledger.audit_records
    WHERE chain_id = {chain:String} AND seq >= {from:UInt64} AND seq < {to:UInt64}
    UNION ALL
    SELECT seq, lower(hex(record_hash)) FROM spanledger.audit_tombstones
    WHERE chain_id = {chain:String} AND seq >= {from:UInt64} AND seq < {to:UInt64}
)
GROUP BY seq ORDER BY seq`;

/** Record hashes of a chain's first places, in order, live or as tombstones: by pages, each with the first seq in it. */
export async function* recordHashes(
  store: Store,
  chain: string,
  size: number,
): AsyncGenerator<{ seq: number; hashes: string[] }> {
  for (let from = 0; from < size; from += PAGE) {
    const to = Math.min(from + PAGE, size);
    const rows = await store.query<{ place: string; hashes: string[] }>(HASHES, { chain, from, to });
    for (const { place, hashes } of rows) yield { seq: Number(place), hashes };
  }
}

const OPENED = `
SELECT JSONExtractString(payload, 'control', 'role') AS role, JSONExtractString(payload, 'control', 'vkey') AS vkey
FROM spanledger.audit_records WHERE chain_id = {chain:String} AND seq = 0 LIMIT 1`;

/** What a chain says of itself as it opens; undefined where its first record is not there. */
export async function openingOf(
  store: Store,
  chain: string,
): Promise<{ role: string; vkey: string } | undefined> {
  const [row] = await store.query<{ role: string; vkey: string }>(OPENED, { chain });
  return row;
}

/** A forger may have left rounds too: one of each chain, and of so many. */
const MAX_ROUNDS = 10;
const ROUNDS = `
SELECT toString(chain_id) AS chain, toString(seq) AS place, toString(listed) AS size FROM
(
    SELECT chain_id, seq, arrayFirst(line -> line.1 = {chain:String},
        JSONExtract(payload, 'control', 'chains', 'Array(Tuple(chain_id String, size UInt64))')).2 AS listed
    FROM spanledger.audit_records
    WHERE retention_class = 'ledger' AND action = 'round' AND position(payload, {chain:String}) > 0
)
WHERE listed > {seq:UInt64} ORDER BY chain_id, seq LIMIT 1 BY chain_id LIMIT ${MAX_ROUNDS}`;

/** Of each control chain the first round that lists a chain beyond a place. */
export async function roundsOver(
  store: Store,
  chain: string,
  seq: number,
): Promise<{ chainId: string; seq: number; size: number }[]> {
  const rows = await store.query<{ chain: string; place: string; size: string }>(ROUNDS, { chain, seq });
  return rows.map((row) => ({ chainId: row.chain, seq: Number(row.place), size: Number(row.size) }));
}

const CHECKPOINT = `
SELECT toString(seq) AS size, JSONExtractString(payload, 'control', 'note') AS note FROM spanledger.audit_records
WHERE retention_class = 'ledger' AND chain_id = {chain:String} AND seq >= {size:UInt64} AND action IN ('checkpoint', 'chain_closed')
ORDER BY seq LIMIT 1`;

/** The first checkpoint record of a chain over at least so many records: its note, and how many it is over. */
export async function checkpointOver(
  store: Store,
  chain: string,
  size: number,
): Promise<{ size: number; note: string } | undefined> {
  const [row] = await store.query<{ size: string; note: string }>(CHECKPOINT, { chain, size });
  return row === undefined ? undefined : { size: Number(row.size), note: row.note };
}

/** Where witnesses answer, the first of these are enough of them. */
const MAX_RECEIPTS = 1_000;
const COSIGNATURES = `
SELECT toString(covered) AS size, groupUniqArrayArray(lines) AS lines FROM
(
    SELECT JSONExtractUInt(payload, 'control', 'size') AS covered,
        JSONExtract(payload, 'control', 'proof', 'cosignatures', 'Array(String)') AS lines
    FROM spanledger.audit_records
    WHERE retention_class = 'ledger' AND chain_id = {chain:String} AND seq > {size:UInt64} AND action = 'checkpoint_anchored'
      AND JSONExtractString(payload, 'control', 'kind') = 'witness' AND covered >= {size:UInt64}
    ORDER BY seq LIMIT ${MAX_RECEIPTS}
)
GROUP BY covered ORDER BY covered`;

/** What witnesses have signed of a control chain's checkpoints over at least so many records: by size, their lines. */
export async function cosignaturesOver(
  store: Store,
  chain: string,
  size: number,
): Promise<{ size: number; lines: string[] }[]> {
  const rows = await store.query<{ size: string; lines: string[] }>(COSIGNATURES, { chain, size });
  return rows.map((row) => ({ size: Number(row.size), lines: row.lines }));
}

const ROTATIONS = `
SELECT toString(seq) AS place FROM spanledger.audit_records
WHERE retention_class = 'ledger' AND chain_id = {chain:String} AND seq >= {size:UInt64} AND action = 'key_rotated'
ORDER BY seq LIMIT 100`;

/** Where the key of a control chain was followed by another, from a place on. */
export async function rotationsFrom(store: Store, chain: string, size: number): Promise<number[]> {
  const rows = await store.query<{ place: string }>(ROTATIONS, { chain, size });
  return rows.map(({ place }) => Number(place));
}
