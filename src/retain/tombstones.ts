import { hash, randomUUID } from 'node:crypto';
import { recordHash, ZERO_HASH } from '../chain/entry.ts';
import { SpanledgerError } from '../errors.ts';
import type { Store } from '../store/client.ts';
import { unixTime } from '../store/records.ts';
import { type Places, type Stretches, within } from './ranges.ts';

/** What remains of a record whose payload goes: one row of `audit_tombstones`. */
export interface Tombstone {
  chainId: string;
  seq: number;
  /** Unix seconds, as the record had it. */
  expiresAt: number;
  /** Hex, both. */
  payloadDigest: string;
  recordHash: string;
}

export type Reason = 'expired' | 'erased';

/** What became of places that were to have tombstones. */
export interface Buried {
  /** By chain: each has its tombstone of that reason, which is durable, was read back, and is what its record says. */
  places: Map<string, [number, number][]>;
  /** Tombstones of these places, in order; those of places whose record has gone before too. */
  tombstones: Tombstone[];
  /** Places that had one of the other reason: it stays, and it is for whoever wrote it to go on. */
  otherwise: Map<string, [number, number][]>;
  /** How many of them were not there before. */
  written: number;
  /** Records that do not hash over the one before, or stand there twice and differ: nothing may remove what proves it. */
  unsound: { chainId: string; seq: number }[];
}

/** Seqs looked at in one query; an insert has no more rows than a journal's batch. */
const WINDOW = 10_000;

/**
 * Writes tombstones for records that are in the store, where they have none yet, and reads all of them back. A record is
 * asked first to hash over what stands before it: of one that was tampered with the payload is the evidence. Where there is
 * a tombstone already, it stays as it is and is compared: one place has one.
 *
 * It may be called again after a crash, and by two at once: what both insert carries one token.
 *
 * @throws SpanledgerError `store_failed` where one that was written is not there, or is another; of the store
 */
export async function bury(
  store: Store,
  { ledgerId, reason, places }: { ledgerId: string; reason: Reason; places: Places },
): Promise<Buried> {
  const buried: Buried = { places: new Map(), tombstones: [], otherwise: new Map(), written: 0, unsound: [] };
  for (const [chainId, stretches] of places)
    for (const [first, last] of windowsOf(stretches)) {
      const wanted = within(
        new Map([[chainId, [[first, last]] as const]]),
        new Map([[chainId, stretches]]),
      ).get(chainId)!;
      const before = await standing(store, chainId, first, last);
      const { tombstones, unsound } = soundIn(before, { ledgerId, chainId, wanted });
      buried.unsound.push(...unsound);
      const missing = without(tombstones, before);
      await insert(store, reason, missing, 'once');
      if (missing.length > 0) await confirm(store, reason, { chainId, first, last }, missing);
      buried.written += missing.length;
      const other = new Set(
        before.filter((row) => row.reason !== '' && row.reason !== reason).map(({ seq }) => seq),
      );
      for (const tombstone of tombstones) {
        if (!other.has(tombstone.seq)) buried.tombstones.push(tombstone);
        extend(other.has(tombstone.seq) ? buried.otherwise : buried.places, tombstone);
      }
    }
  return buried;
}

/** A row at a place, in the one table or the other. */
interface Row {
  seq: number;
  live: boolean;
  /** Of a tombstone; empty of a record. */
  reason: string;
  expires: number;
  digest: string;
  hash: string;
}

const STANDING = `
SELECT toString(seq) AS place, live, reason, toString(expires) AS until, digest, hash FROM
(
    SELECT seq, true AS live, '' AS reason, toUnixTimestamp(expires_at) AS expires, lower(hex(SHA256(payload))) AS digest, lower(hex(record_hash)) AS hash
    FROM spanledger.audit_records WHERE chain_id = {chain:String} AND seq BETWEEN {from:UInt64} AND {last:UInt64}
    UNION ALL
    SELECT seq, false, toString(reason), toUnixTimestamp(expires_at), lower(hex(payload_digest)), lower(hex(record_hash))
    FROM spanledger.audit_tombstones WHERE chain_id = {chain:String} AND seq BETWEEN {from:UInt64} AND {last:UInt64}
)
GROUP BY seq, live, reason, expires, digest, hash ORDER BY seq, live`;

/** Each row once, and those of the place before them: they are hashed over it. */
async function standing(store: Store, chain: string, first: number, last: number): Promise<Row[]> {
  const rows = await store.query<{
    place: string;
    live: boolean;
    reason: string;
    until: string;
    digest: string;
    hash: string;
  }>(STANDING, { chain, from: Math.max(0, first - 1), last });
  return rows.map(({ place, live, reason, until, digest, hash }) => ({
    seq: Number(place),
    live,
    reason,
    expires: Number(until),
    digest,
    hash,
  }));
}

/** Wanted places at which all rows agree, and hash. */
function soundIn(
  rows: readonly Row[],
  { ledgerId, chainId, wanted }: { ledgerId: string; chainId: string; wanted: Stretches },
): Pick<Buried, 'tombstones' | 'unsound'> {
  const at = new Map<number, Row[]>();
  for (const row of rows) at.set(row.seq, [...(at.get(row.seq) ?? []), row]);
  const tombstones: Tombstone[] = [];
  const unsound: Buried['unsound'] = [];
  for (const [first, last] of wanted)
    for (let seq = first; seq <= last; seq++) {
      const [row, ...others] = at.get(seq) ?? [];
      if (row === undefined) continue;
      const { expires: expiresAt, digest, hash } = row;
      const isOne = others.every(
        (other) => other.expires === expiresAt && other.digest === digest && other.hash === hash,
      );
      const [previous] = at.get(seq - 1) ?? [];
      const prevHash = seq === 0 ? ZERO_HASH : previous?.hash;
      const hashes =
        prevHash !== undefined &&
        recordHash({ ledgerId, chainId, seq, expiresAt, prevHash, payloadDigest: digest }) === hash;
      if (isOne && hashes)
        tombstones.push({ chainId, seq, expiresAt, payloadDigest: digest, recordHash: hash });
      else unsound.push({ chainId, seq });
    }
  return { tombstones, unsound };
}

function without(tombstones: readonly Tombstone[], rows: readonly Row[]): Tombstone[] {
  const there = new Set(rows.filter(({ live }) => !live).map(({ seq }) => seq));
  return tombstones.filter(({ seq }) => !there.has(seq));
}

/** `once`: a request that is still running when it comes again adds nothing; `again`: after looking at what is there. */
async function insert(
  store: Store,
  reason: Reason,
  tombstones: readonly Tombstone[],
  how: 'once' | 'again',
): Promise<void> {
  if (tombstones.length === 0) return;
  let text = '';
  for (const { chainId, seq, expiresAt, payloadDigest, recordHash } of tombstones)
    text += `${chainId}\t${seq}\t${reason}\t${unixTime(expiresAt)}\t${bytesOf(payloadDigest)}\t${bytesOf(recordHash)}\n`;
  const token = how === 'once' ? hash('sha256', text) : `again:${randomUUID()}`;
  const columns = 'chain_id, seq, reason, expires_at, payload_digest, record_hash';
  await store.insert(
    `INSERT INTO spanledger.audit_tombstones (${columns}) SETTINGS async_insert = 0, insert_deduplication_token = 'tombstones:${token}' FORMAT TabSeparated`,
    text,
  );
}

function bytesOf(hex: string): string {
  return hex.replace(/../g, '\\x$&');
}

/** The engine remembers the token of an insert whose rows are gone, and swallows it without a word. */
async function confirm(
  store: Store,
  reason: Reason,
  { chainId, first, last }: { chainId: string; first: number; last: number },
  written: readonly Tombstone[],
): Promise<void> {
  const rows = await standing(store, chainId, first, last);
  const swallowed = without(written, rows);
  if (swallowed.length === 0) return compare(rows, written);
  await insert(store, reason, swallowed, 'again');
  compare(await standing(store, chainId, first, last), written);
}

function compare(rows: readonly Row[], written: readonly Tombstone[]): void {
  const at = new Map<number, Row[]>();
  for (const row of rows) if (!row.live) at.set(row.seq, [...(at.get(row.seq) ?? []), row]);
  for (const { chainId, seq, expiresAt, payloadDigest, recordHash } of written) {
    const [row, ...others] = at.get(seq) ?? [];
    const isSame =
      row?.expires === expiresAt &&
      row.digest === payloadDigest &&
      row.hash === recordHash &&
      others.length === 0;
    if (!isSame)
      throw new SpanledgerError(
        'store_failed',
        `ClickHouse took the tombstone of ${chainId}:${seq} and does not have it`,
        { hint: 'nothing was removed; is its disk full, or does somebody else write there?' },
      );
  }
}

/** Windows of seqs that hold these stretches, so that what lies far apart is not read with all between. */
function windowsOf(stretches: Stretches): [number, number][] {
  const windows: [number, number][] = [];
  for (const [first, last] of stretches)
    for (let from = first; from <= last; ) {
      const window = windows.at(-1);
      if (window !== undefined && from < window[0] + WINDOW) {
        window[1] = Math.min(last, window[0] + WINDOW - 1);
        from = window[1] + 1;
      } else windows.push([from, from]);
    }
  return windows;
}

function extend(places: Map<string, [number, number][]>, { chainId, seq }: Tombstone): void {
  const those = places.get(chainId) ?? [];
  places.set(chainId, those);
  const last = those.at(-1);
  if (last !== undefined && last[1] === seq - 1) last[1] = seq;
  else those.push([seq, seq]);
}
