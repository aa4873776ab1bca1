import { hash } from 'node:crypto';
import type { ContentField } from '../record/record.ts';
import type { Store } from '../store/client.ts';
import { keyIdOf } from '../vault/blob.ts';

/** A content that a record refers to. */
export interface ContentPlace {
  chainId: string;
  seq: bigint;
  field: ContentField;
  /** SHA-256 of the sealed bytes, hex. */
  digest: string;
  /** Unix seconds. */
  expiresAt: number;
}

/** A row that says it is the content of that place and ref. */
export interface FoundContent {
  place: ContentPlace;
  /** Of its bytes, hex. */
  digest: string;
  /** The key that its bytes name is there, wrapped. */
  hasKey: boolean;
}

/** Places asked for in one query. */
export const CONTENTS_AT_ONCE = 500;
/** Of sealed bytes in one answer, which holds them as text; those of one record come together, however many. */
const PAGE_BYTES = 8 * 1024 * 1024;

const WHERE = `(chain_id, seq) IN (SELECT place.1, place.2 FROM (SELECT arrayJoin(arrayZip({chains:Array(String)}, {seqs:Array(UInt64)})) AS place))`;
const HASHED = `
SELECT chain_id, seq, toString(field) AS name, lower(hex(ref)) AS said, lower(hex(SHA256(sealed))) AS digest, lower(hex(substring(sealed, 1, 16))) AS id
FROM spanledger.audit_content WHERE ${WHERE}`;
const BYTES = `
SELECT chain_id, seq, toString(field) AS name, lower(hex(ref)) AS said, base64Encode(sealed) AS bytes
FROM spanledger.audit_content WHERE ${WHERE}`;
const SIZES = `
SELECT chain_id, seq, sum(length(sealed)) AS bytes FROM spanledger.audit_content WHERE ${WHERE} GROUP BY chain_id, seq`;
const KEYS = `
SELECT DISTINCT lower(hex(key_id)) AS id FROM spanledger.audit_content_keys WHERE key_id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16))`;

interface RawContent {
  chain_id: string;
  seq: string;
  name: string;
  said: string;
}
type Hashed = RawContent & { digest: string; id: string };

/**
 * The rows of contents at these places, at most `CONTENTS_AT_ONCE`. The engine hashes them, and what does not hash to
 * its ref is read and hashed here; or all of it is.
 */
export async function readContents(
  store: Store,
  places: readonly ContentPlace[],
  by: 'engine' | 'here',
): Promise<FoundContent[]> {
  const wanted = new Map(places.map((place) => [nameOf(String(place.seq), place), place]));
  const at = (row: RawContent) =>
    wanted.get(nameOf(row.seq, { chainId: row.chain_id, field: row.name, digest: row.said }));
  let rows: Hashed[] = [];
  let doubtful: readonly ContentPlace[] = places;
  if (by === 'engine') {
    const hashed = await store.query<Hashed>(HASHED, asked(places));
    const wrong = new Set(hashed.filter(({ said, digest }) => said !== digest).map(at));
    doubtful = places.filter((place) => wrong.has(place));
    rows = hashed.filter((row) => !wrong.has(at(row)));
  }
  const isDoubtful = new Set(doubtful);
  for (const page of await pagesOf(store, doubtful))
    for (const { bytes, ...row } of await store.query<RawContent & { bytes: string }>(BYTES, asked(page))) {
      const place = at(row);
      if (place === undefined || !isDoubtful.has(place)) continue;
      const sealed = Buffer.from(bytes, 'base64');
      rows.push({ ...row, digest: hash('sha256', sealed), id: keyIdOf(sealed) });
    }
  const found = rows.filter((row) => at(row) !== undefined);
  const keys = await keysAmong(store, [...new Set(found.map(({ id }) => id))]);
  return found.map((row) => ({ place: at(row)!, digest: row.digest, hasKey: keys.has(row.id) }));
}

function asked(places: readonly ContentPlace[]) {
  return { chains: places.map(({ chainId }) => chainId), seqs: places.map(({ seq }) => seq) };
}

/** One place for each record, so many at a time as come to `PAGE_BYTES`, or one. */
async function pagesOf(store: Store, places: readonly ContentPlace[]): Promise<ContentPlace[][]> {
  if (places.length === 0) return [];
  const recordOf = (chainId: string, seq: bigint | string) => `${chainId}:${seq}`;
  const sizes = new Map<string, number>();
  for (const row of await store.query<{ chain_id: string; seq: string; bytes: string }>(SIZES, asked(places)))
    sizes.set(recordOf(row.chain_id, row.seq), Number(row.bytes));
  const pages: ContentPlace[][] = [];
  let left = 0;
  for (const [record, place] of new Map(places.map((each) => [recordOf(each.chainId, each.seq), each]))) {
    const size = sizes.get(record) ?? 0;
    if (size > left || pages.length === 0) {
      pages.push([]);
      left = PAGE_BYTES;
    }
    pages.at(-1)!.push(place);
    left -= size;
  }
  return pages;
}

async function keysAmong(store: Store, ids: readonly string[]): Promise<Set<string>> {
  const whole = ids.filter((id) => id.length === 32);
  if (whole.length === 0) return new Set();
  const rows = await store.query<{ id: string }>(KEYS, { ids: whole });
  return new Set(rows.map(({ id }) => id));
}

function nameOf(seq: string, place: { chainId: string; field: string; digest: string }): string {
  return `${place.chainId}:${seq} ${place.field} ${place.digest}`;
}
