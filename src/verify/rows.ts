import type { QueryParameters, Store } from '../store/client.ts';
import { COLUMNS } from './columns.ts';
import type { Payload, Row, Stretch } from './scan.ts';

/** A chain's places from `from` to `to`, both included. */
export interface Range {
  /** As `CHAIN_NAME`. */
  chainId: string;
  /** The chain's id as stored, hex: a forger's may be no text, and is read all the same. */
  chainBytes: string;
  from: bigint;
  to: bigint;
}

/** Rows read at a time. */
export const PAGE_ROWS = 5_000;
/** Ranges read in one query: each costs it some text. */
export const PAGE_RANGES = 200;
/** Payload read at a time, but for one larger record: it comes as JSON, where a byte may take six, and its columns twice. */
const PAGE_BYTES = 16 * 1024 * 1024;

/** A chain's id, or U+FFFD and its hex where it is no text: no record hashes to that. */
export const CHAIN_NAME = `if(isValidUTF8(chain_id), chain_id, concat('\ufffd', lower(hex(chain_id))))`;

const PAYLOAD = `isValidUTF8(payload) AS is_text, if(is_text, payload, base64Encode(payload)) AS payload_text`;

const ONE = 'chain_id = unhex({chain:String}) AND seq BETWEEN {from:UInt64} AND {to:UInt64}';
const bound = (of: 'from' | 'to') =>
  `transform(lower(hex(chain_id)), {chains:Array(String)}, {${of}:Array(UInt64)}, toUInt64(0))`;
const MANY = `chain_id IN (SELECT unhex(arrayJoin({chains:Array(String)}))) AND seq BETWEEN ${bound('from')} AND ${bound('to')}`;

/** A condition for these places: by the table's order for one range, by the chain for several of a chain each. */
function placesIn(ranges: readonly Range[]): { where: string; parameters: QueryParameters } {
  const chains = ranges.map(({ chainBytes }) => chainBytes);
  const from = ranges.map((range) => range.from);
  const to = ranges.map((range) => range.to);
  if (ranges.length === 1) return { where: ONE, parameters: { chain: chains[0], from: from[0], to: to[0] } };
  return { where: MANY, parameters: { chains, from, to } };
}

/** What one query may ask for: so many places, by pages of `limit` rows. */
interface Page {
  ranges: readonly Range[];
  limit: number;
}

/** Cuts ranges, in order of their chains, where too many bytes come together. */
async function* pagesOf(store: Store, ranges: readonly Range[]): AsyncGenerator<Page> {
  const { where, parameters } = placesIn(ranges);
  const from = `FROM spanledger.audit_records WHERE ${where}`;
  // One more than a part has seqs, so that a whole part is known to be all.
  const all = PAGE_ROWS + 1;
  const [sum] = await store.query<{ size: string }>(
    `SELECT sum(length(payload)) AS size ${from}`,
    parameters,
  );
  if (Number(sum!.size) <= PAGE_BYTES) {
    yield { ranges, limit: all };
    return;
  }
  const places = await store.query<{ bytes: string; seq: string; size: string; largest: string }>(
    `SELECT lower(hex(chain_id)) AS bytes, seq, sum(length(payload)) AS size, max(length(payload)) AS largest ${from} GROUP BY bytes, seq ORDER BY bytes, seq`,
    parameters,
  );
  let page: Range[] = [];
  let size = 0;
  let limit = all;
  for (const range of ranges) {
    let first = range.from;
    for (const place of places.filter(({ bytes }) => bytes === range.chainBytes)) {
      const seq = BigInt(place.seq);
      if (size > 0 && size + Number(place.size) > PAGE_BYTES) {
        if (seq > first) page.push({ ...range, from: first, to: seq - 1n });
        yield { ranges: page, limit };
        page = [];
        size = 0;
        first = seq;
      }
      size += Number(place.size);
      // Too much at one place: many rows, or one.
      limit = size <= PAGE_BYTES ? all : Math.max(1, Math.floor(PAGE_BYTES / Number(place.largest)));
    }
    page.push({ ...range, from: first });
  }
  yield { ranges: page, limit };
}

/** Equal as the engine compares, or else as text: 0 and -0 are one number in either scanner. */
const COMPARED = COLUMNS.map(
  ({ stored, expected }) =>
    `toString(${stored}), if(${stored} = ${expected}, toString(${stored}), toString(${expected}))`,
).join(', ');

const rowsIn = (places: string) => `
SELECT * FROM
(
    SELECT lower(hex(chain_id)) AS bytes, seq, true AS live, '' AS reason, toUnixTimestamp(expires_at) AS expires, lower(hex(record_hash)) AS hash, lower(hex(SHA256(payload))) AS digest,
           ${PAYLOAD}, [${COMPARED}] AS columns
    FROM spanledger.audit_records WHERE ${places}
    UNION ALL
    SELECT lower(hex(chain_id)), seq, false, toString(reason), toUnixTimestamp(expires_at), lower(hex(record_hash)), lower(hex(payload_digest)), true, '', []
    FROM spanledger.audit_tombstones WHERE ${places}
)
ORDER BY bytes, seq, live DESC, hash, digest, expires LIMIT {limit:UInt64} OFFSET {offset:UInt64}`;

interface RawRow {
  bytes: string;
  seq: string;
  live: boolean;
  reason: Row['reason'];
  expires: number;
  hash: string;
  digest: string;
  is_text: boolean;
  payload_text: string;
  columns: string[];
}

/** The rows at these places, by pages: of one chain, or of up to `PAGE_RANGES`, a range each. */
export async function* readRows(store: Store, ranges: readonly Range[]): AsyncGenerator<Row> {
  for await (const page of pagesOf(store, ranges)) yield* readPage(store, page);
}

async function* readPage(store: Store, { ranges, limit }: Page): AsyncGenerator<Row> {
  const { where, parameters } = placesIn(ranges);
  const sql = rowsIn(where);
  const names = new Map(ranges.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  for (let offset = 0; ; offset += limit) {
    const page = await store.query<RawRow>(sql, { ...parameters, limit, offset });
    for (const row of page) {
      yield {
        what: 'row',
        chainId: names.get(row.bytes)!,
        seq: BigInt(row.seq),
        live: row.live,
        reason: row.reason,
        expiresAt: Number(row.expires),
        recordHash: row.hash,
        payloadDigest: row.digest,
        payload: bytesOf(row),
        columns:
          row.columns.length === 0
            ? []
            : COLUMNS.map(({ name }, i) => ({
                name,
                stored: row.columns[2 * i]!,
                expected: row.columns[2 * i + 1]!,
              })),
      };
    }
    if (page.length < limit) return;
  }
}

/** The payloads at places where each has one record: of one chain, or of up to `PAGE_RANGES`, a range each. */
export async function* readPayloads(store: Store, stretches: readonly Stretch[]): AsyncGenerator<Payload> {
  const stretched = stretches.map((each) => ({
    ...each,
    chainBytes: Buffer.from(each.chainId).toString('hex'),
  }));
  const names = new Map(stretched.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  for await (const { ranges } of pagesOf(store, stretched)) {
    const { where, parameters } = placesIn(ranges);
    const sql = `SELECT lower(hex(chain_id)) AS bytes, seq, ${PAYLOAD} FROM spanledger.audit_records WHERE ${where}`;
    const rows = await store.query<Pick<RawRow, 'bytes' | 'seq' | 'is_text' | 'payload_text'>>(
      sql,
      parameters,
    );
    for (const row of rows)
      yield { chainId: names.get(row.bytes)!, seq: BigInt(row.seq), payload: bytesOf(row) };
  }
}

/** Bytes that are not UTF-8 do not pass through JSON, so they come as base64. */
function bytesOf(row: Pick<RawRow, 'is_text' | 'payload_text'>): Uint8Array | string {
  return row.is_text ? row.payload_text : Buffer.from(row.payload_text, 'base64');
}

const PLACES = `
SELECT any(${CHAIN_NAME}) AS name, lower(hex(chain_id)) AS bytes, intDiv(seq, {part:UInt64}) AS part, min(seq) AS first, max(seq) AS last, count() AS rows FROM
(
    SELECT chain_id, seq FROM spanledger.audit_records
    UNION ALL
    SELECT chain_id, seq FROM spanledger.audit_tombstones
)
GROUP BY chain_id, part ORDER BY chain_id, part`;

/** What there is to scan, in parts of at most `part` seqs: a plan that holds while others write behind it. */
export async function planScan(
  store: Store,
  part: number,
  chains: readonly string[] | undefined,
): Promise<(Range & { rows: number })[]> {
  const rows = await store.query<{ name: string; bytes: string; first: string; last: string; rows: string }>(
    PLACES,
    { part },
  );
  return rows
    .filter((row) => chains === undefined || chains.includes(row.name))
    .map((row) => ({
      chainId: row.name,
      chainBytes: row.bytes,
      from: BigInt(row.first),
      to: BigInt(row.last),
      rows: Number(row.rows),
    }));
}

/** Whole small chains share a pack, of at most so many rows and chains; a part of a larger chain has its own. */
export function* packed<Part extends Range & { rows: number }>(
  plan: readonly Part[],
  most: { rows: number; chains: number },
): Generator<Part[]> {
  let pack: Part[] = [];
  let rows = 0;
  for (const [i, part] of plan.entries()) {
    const whole = plan[i - 1]?.chainId !== part.chainId && plan[i + 1]?.chainId !== part.chainId;
    if (pack.length > 0 && (!whole || pack.length >= most.chains || rows + part.rows > most.rows)) {
      yield pack;
      pack = [];
      rows = 0;
    }
    if (!whole) yield [part];
    else {
      pack.push(part);
      rows += part.rows;
    }
  }
  if (pack.length > 0) yield pack;
}
