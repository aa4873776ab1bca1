import { randomUUID } from 'node:crypto';
import type { SealedRecord } from '../chain/seal.ts';
import { SpanledgerError } from '../errors.ts';
import type { ContentField } from '../record/record.ts';
import type { SealedContent } from '../vault/sealed.ts';
import type { WrappedKey } from '../vault/wrapped-key.ts';
import type { Store } from './client.ts';
import { unixTime } from './records.ts';

/** A content at its record's place. */
export interface PlacedContent extends SealedContent {
  chainId: string;
  seq: number;
}

export function contentsOf(records: readonly SealedRecord[]): PlacedContent[] {
  return records.flatMap(({ chainId, seq, contents = [] }) =>
    contents.map((each) => ({ ...each, chainId, seq })),
  );
}

/**
 * Brings contents, and the wrapped keys that open them, to the store, those that are not there yet, and reads all of
 * them back, hashed by the engine. Their records come after: no ref is ever there without what it refers to. What is
 * past its time by now is not brought back.
 *
 * @throws SpanledgerError `store_failed`, `store_unreachable`
 */
export async function deliverContents(store: Store, placed: readonly PlacedContent[]): Promise<void> {
  const now = Date.now() / 1_000;
  const contents = placed.filter(({ expiresAt }) => expiresAt > now);
  if (contents.length === 0) return;
  const { keys, rows } = await missingOf(store, contents);
  if (keys.length > 0) await insertKeys(store, keys);
  if (rows.length > 0) await insertContents(store, rows);
  if (keys.length + rows.length === 0) return;
  const lost = await missingOf(store, contents);
  if (lost.keys.length + lost.rows.length === 0) return;
  throw new SpanledgerError('store_failed', 'ClickHouse took contents and does not have them', {
    hint: 'is its disk full, or does a TTL or a row policy of somebody hide what is inserted?',
  });
}

async function missingOf(
  store: Store,
  contents: readonly PlacedContent[],
): Promise<{ keys: WrappedKey[]; rows: PlacedContent[] }> {
  const keys = [...new Map(contents.map(({ key }) => [key.id, key])).values()];
  const knownKeys = await keysIn(store, keys);
  const known = await placesIn(store, contents);
  return {
    keys: keys.filter(({ id }) => !knownKeys.has(id)),
    rows: contents.filter((each) => !known.has(placeOf(each))),
  };
}

/** What is sent was looked for before, so that its token is new. Contents travel in base64, short bytes as `\xHH`. */
async function insertContents(store: Store, contents: readonly PlacedContent[]): Promise<void> {
  const columns = 'chain_id, seq, field, retention_class, expires_at, ref, sealed_base64';
  const sql = `INSERT INTO spanledger.audit_content (${columns}) SETTINGS ${insertSettings()} FORMAT TabSeparated`;
  let text = '';
  for (const { chainId, seq, field, retentionClass, expiresAt, ref, sealed } of contents)
    text += `${chainId}\t${seq}\t${field}\t${retentionClass}\t${unixTime(expiresAt)}\t${bytesOf(hexOf(ref))}\t${Buffer.from(sealed).toString('base64')}\n`;
  await store.insert(sql, text);
}

async function insertKeys(store: Store, keys: readonly WrappedKey[]): Promise<void> {
  const sql = `INSERT INTO spanledger.audit_content_keys (key_id, subject, master, wrapped) SETTINGS ${insertSettings()} FORMAT TabSeparated`;
  let text = '';
  for (const { id, subject, master, wrapped } of keys)
    text += `${bytesOf(id)}\t${subject}\t${master}\t${bytesOf(Buffer.from(wrapped, 'base64').toString('hex'))}\n`;
  await store.insert(sql, text);
}

function bytesOf(hex: string): string {
  return hex.replace(/../g, '\\x$&');
}

const insertSettings = () => `async_insert = 0, insert_deduplication_token = 'content:${randomUUID()}'`;

const PLACES = `
SELECT chain_id, seq, toString(field) AS name, lower(hex(ref)) AS digest FROM spanledger.audit_content
WHERE chain_id = {chain:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64} AND SHA256(sealed) = ref
GROUP BY chain_id, seq, field, ref`;

/** Which of some contents of one chain are there, whole. */
async function placesIn(store: Store, contents: readonly PlacedContent[]): Promise<Set<string>> {
  const rows = await store.query<{ chain_id: string; seq: string; name: string; digest: string }>(PLACES, {
    chain: contents[0]!.chainId,
    first: contents[0]!.seq,
    last: contents.at(-1)!.seq,
  });
  return new Set(rows.map((row) => `${row.chain_id}:${row.seq} ${row.name} ${row.digest}`));
}

function placeOf({ chainId, seq, field, ref }: PlacedContent): string {
  return `${chainId}:${seq} ${field} ${hexOf(ref)}`;
}

const KEYS = `
SELECT lower(hex(key_id)) AS id, subject, master, base64Encode(audit_content_keys.wrapped) AS wrapped FROM spanledger.audit_content_keys
WHERE key_id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16)) GROUP BY key_id, subject, master, audit_content_keys.wrapped`;

/** Those that are there as they are. */
async function keysIn(store: Store, keys: readonly WrappedKey[]): Promise<Set<string>> {
  const ids = keys.map(({ id }) => id);
  const there = new Map<string, WrappedKey[]>();
  for (let i = 0; i < ids.length; i += ASKED_KEYS)
    for (const key of await wrappedKeys(store, ids.slice(i, i + ASKED_KEYS)))
      there.set(key.id, [...(there.get(key.id) ?? []), key]);
  const isThere = ({ id, wrapped }: WrappedKey) => there.get(id)?.some((each) => each.wrapped === wrapped);
  return new Set(keys.filter(isThere).map(({ id }) => id));
}

/** A query's parameters go into its address. */
const ASKED_KEYS = 1_000;

/** Keys as they were wrapped, by their ids; several rows where somebody put another there. */
export function wrappedKeys(store: Store, ids: readonly string[]): Promise<WrappedKey[]> {
  return store.query<WrappedKey>(KEYS, { ids });
}

const SEALED = `
SELECT base64Encode(sealed) AS bytes FROM spanledger.audit_content
WHERE chain_id = {chain:String} AND seq = {seq:UInt64} AND field = {field:String} AND ref = unhex({ref:String}) LIMIT {most:UInt32}`;

/** Rows of one ref at one place are one, unless somebody put others beside it: then the right one is among few. */
const MOST_ROWS = 10;

/** A content's sealed bytes, as the store has them; none where it has none of that ref at that place. */
export async function sealedAt(
  store: Store,
  { chainId, seq, field, digest }: { chainId: string; seq: number; field: ContentField; digest: string },
): Promise<Buffer[]> {
  const rows = await store.query<{ bytes: string }>(SEALED, {
    chain: chainId,
    seq,
    field,
    ref: digest,
    most: MOST_ROWS,
  });
  return rows.map(({ bytes }) => Buffer.from(bytes, 'base64'));
}

/** Of `sha256:…`. */
function hexOf(ref: string): string {
  return ref.slice(ref.indexOf(':') + 1);
}
