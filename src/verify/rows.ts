import type { QueryParameters, Store } from '../store/client.ts';
import type { Baseline } from './baseline.ts';
import { COLUMNS, RECORDED_AT, SAID } from './columns.ts';
import type { OpenIntent } from './interruptions.ts';
import type { Head, Payload, Row, Scope, Span, Time } from './scan.ts';

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
/** Chains, or places of them, that one query may name: as many as an address holds. */
const PAGE_PLACES = 500;
/** Payload read at a time, but for one larger record: it comes as JSON, where a byte may take six, and its columns twice. */
const PAGE_BYTES = 16 * 1024 * 1024;

/** A chain's id, or U+FFFD and its hex where it is no text: no record hashes to that. */
export const CHAIN_NAME = `if(isValidUTF8(chain_id), chain_id, concat('\ufffd', lower(hex(chain_id))))`;

/** Whoever may alter a table may make a column Nullable, and what is NULL is no hash of anything. */
const hexOf = (column: string) => `ifNull(lower(hex(${column})), '')`;

/** Of a record, as `payloadOf` reads it. */
export const PAYLOAD = `isValidUTF8(ifNull(payload, '')) AS is_text, if(is_text, ifNull(payload, ''), base64Encode(ifNull(payload, ''))) AS payload_text`;

/** Whether a record may refer to a content: never false where it does. */
export const REFERS = `position(payload, '"ref":"') > 0`;

const ONE = 'chain_id = unhex({chain:String}) AND seq BETWEEN {from:UInt64} AND {to:UInt64}';
const bound = (of: 'from' | 'to') =>
  `transform(lower(hex(chain_id)), {chains:Array(String)}, {${of}:Array(UInt64)}, toUInt64(0))`;
const WHOLE = `chain_id IN (SELECT unhex(arrayJoin({chains:Array(String)})))`;
const MANY = `${WHOLE} AND seq BETWEEN ${bound('from')} AND ${bound('to')}`;

/** A condition for these places: by the table's order for one range, by the chain for several of a chain each. */
export function placesIn(ranges: readonly Range[]): { where: string; parameters: QueryParameters } {
  const chains = ranges.map(({ chainBytes }) => chainBytes);
  const from = ranges.map((range) => range.from);
  const to = ranges.map((range) => range.to);
  if (ranges.length === 1) return { where: ONE, parameters: { chain: chains[0], from: from[0], to: to[0] } };
  if (ranges.some((range) => range.from > 0n)) return { where: anyOf(ranges), parameters: {} };
  return { where: MANY, parameters: { chains, from, to } };
}

/** Chains of which only the ends are asked for, each found by the table's order: of what is before nothing is read. */
export function anyOf(ranges: readonly Omit<Range, 'chainId'>[]): string {
  const ends = ranges.map(
    ({ chainBytes, from, to }) =>
      `(chain_id = unhex('${hexOnly(chainBytes)}') AND seq >= ${from} AND seq <= ${to})`,
  );
  return `(${ends.join(' OR ')})`;
}

/** It goes into a query's text. */
function hexOnly(bytes: string): string {
  if (!/^[0-9a-f]*$/.test(bytes)) throw new Error(`${bytes} is not hex`);
  return bytes;
}

export function bytesOfName(chainId: string): string {
  return Buffer.from(chainId).toString('hex');
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
    WITH ${SAID} AS said
    SELECT lower(hex(chain_id)) AS bytes, seq, true AS live, '' AS reason, toUnixTimestamp(expires_at) AS expires, toUnixTimestamp(purge_after) AS purge, ${hexOf('record_hash')} AS hash, ${hexOf('SHA256(payload)')} AS digest,
           ${PAYLOAD}, [${COMPARED}] AS columns
    FROM spanledger.audit_records WHERE ${places}
    UNION ALL
    SELECT lower(hex(chain_id)), seq, false, toString(reason), toUnixTimestamp(expires_at), 0, ${hexOf('record_hash')}, ${hexOf('payload_digest')}, true, '', []
    FROM spanledger.audit_tombstones WHERE ${places}
)
ORDER BY bytes, seq, live DESC, hash, digest, expires, reason, purge LIMIT {limit:UInt64} OFFSET {offset:UInt64}`;

/** A row of a query for payloads. */
export interface PayloadRow {
  name: string;
  seq: string;
  is_text: boolean;
  payload_text: string;
}

interface RawRow {
  bytes: string;
  seq: string;
  live: boolean;
  reason: Row['reason'];
  expires: number;
  purge: number;
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
        purgeAfter: Number(row.purge),
        recordHash: row.hash,
        payloadDigest: row.digest,
        payload: payloadOf(row),
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

/** The payloads at places where each has one record, in their order: of one chain, or of up to `PAGE_RANGES`, a span each. */
export async function* readPayloads(store: Store, spans: readonly Span[]): AsyncGenerator<Payload> {
  const ranges = spans.map((each) => ({ ...each, chainBytes: bytesOfName(each.chainId) }));
  for await (const { ranges: page } of pagesOf(store, ranges))
    yield* await readTold(store, page, PAYLOAD, '1');
}

/** What records that may refer to contents say of them, as `readPayloads`. */
export async function* readReferences(store: Store, spans: readonly Span[]): AsyncGenerator<Payload> {
  const ranges = spans.map((each) => ({ ...each, chainBytes: bytesOfName(each.chainId) }));
  const content = `isValidUTF8(payload) AS is_text, JSONExtractRaw(if(is_text, payload, ''), 'content') AS payload_text`;
  yield* await readTold(store, ranges, content, REFERS);
}

/** Times of a stretch, each. */
export async function readTimes(store: Store, range: Range): Promise<Time[]> {
  const { where, parameters } = placesIn([range]);
  return (
    await store.query<{ seq: string; at: string }>(
      `SELECT seq, ${RECORDED_AT} AS at FROM (SELECT seq, ${SAID} AS said FROM spanledger.audit_records WHERE ${where}) ORDER BY seq`,
      parameters,
    )
  ).map(({ seq, at }) => ({ seq: BigInt(seq), at }));
}

/** Intents of tool calls in these ranges, without an outcome there. */
export async function readIntents(store: Store, ranges: readonly Range[]): Promise<OpenIntent[]> {
  const { where, parameters } = placesIn(ranges);
  const names = new Map(ranges.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  const rows = await store.query<{ trace: string; span: string; place: [string, string, string] }>(
    `SELECT said.trace.trace_id AS trace, said.trace.span_id AS span,
            argMaxIf((lower(hex(chain_id)), toString(seq), said.recorded_at), (chain_id, seq), phase = 'intent') AS place
     FROM
     (
         SELECT chain_id, seq, phase, JSONExtract(payload, 'Tuple(recorded_at String, trace Tuple(span_id String, trace_id String))') AS said
         FROM spanledger.audit_records WHERE ${where} AND action = 'tool_invoked' AND phase IN ('intent', 'outcome')
     )
     GROUP BY trace, span HAVING countIf(phase = 'intent') > 0 AND countIf(phase = 'outcome') = 0`,
    parameters,
  );
  return rows.map(({ trace, span, place: [bytes, seq, recordedAt] }) => ({
    chainId: names.get(bytes)!,
    seq: BigInt(seq),
    traceId: trace,
    spanId: span,
    recordedAt,
  }));
}

/** What a chain says of itself and of others: in one partition, and few. */
const MARKS = `retention_class = 'ledger' AND action IN ('chain_opened', 'chain_closed', 'chain_enrolled', 'checkpoint', 'fork_detected', 'policy_changed')`;

/** The payloads of such records at these places, in their order. */
export function readMarks(store: Store, ranges: readonly Range[]): Promise<Payload[]> {
  return readTold(store, ranges, PAYLOAD, MARKS);
}

async function readTold(
  store: Store,
  ranges: readonly Range[],
  told: string,
  condition: string,
): Promise<Payload[]> {
  const { where, parameters } = placesIn(ranges);
  const names = new Map(ranges.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  const rows = await store.query<Pick<RawRow, 'bytes' | 'seq' | 'is_text' | 'payload_text'>>(
    `SELECT lower(hex(chain_id)) AS bytes, seq, ${told} FROM spanledger.audit_records WHERE ${where} AND ${condition} ORDER BY chain_id, seq`,
    parameters,
  );
  return rows.map((row) => ({
    chainId: names.get(row.bytes)!,
    seq: BigInt(row.seq),
    payload: payloadOf(row),
  }));
}

/** Bytes that are not UTF-8 do not pass through JSON, so they come as base64. */
export function payloadOf(row: Pick<RawRow, 'is_text' | 'payload_text'>): Uint8Array | string {
  return row.is_text ? row.payload_text : Buffer.from(row.payload_text, 'base64');
}

const places = (where: string) => `
SELECT any(${CHAIN_NAME}) AS name, lower(hex(chain_id)) AS bytes, intDiv(seq, {part:UInt64}) AS part, min(seq) AS first, max(seq) AS last, count() AS rows FROM
(
    SELECT chain_id, seq FROM spanledger.audit_records WHERE ${where}
    UNION ALL
    SELECT chain_id, seq FROM spanledger.audit_tombstones WHERE ${where}
)
GROUP BY chain_id, part ORDER BY chain_id, part`;

/** Chains that begin, by the one partition that holds all beginnings. */
const OPENED = `SELECT DISTINCT ${CHAIN_NAME} AS name, lower(hex(chain_id)) AS bytes FROM spanledger.audit_records WHERE retention_class = 'ledger' AND seq = 0`;

export const LAST_SEQ = 2n ** 64n - 1n;

/** A range, and how many rows it has. */
export type Part = Range & { rows: number };

/** What there is to scan, in parts of at most `part` seqs: a plan that holds while others write behind it. */
export async function planScan(store: Store, part: number, { chains, baseline }: Scope): Promise<Part[]> {
  const found =
    baseline === undefined ? await planOf(store, part, '1') : await planAfter(store, part, baseline, chains);
  const asked = chains && new Set(chains);
  return found.filter(({ chainId }) => asked === undefined || asked.has(chainId));
}

async function planOf(
  store: Store,
  part: number,
  where: string,
  parameters: QueryParameters = {},
): Promise<Part[]> {
  const rows = await store.query<{ name: string; bytes: string; first: string; last: string; rows: string }>(
    places(where),
    { part, ...parameters },
  );
  return rows.map((row) => ({
    chainId: row.name,
    chainBytes: row.bytes,
    from: BigInt(row.first),
    to: BigInt(row.last),
    rows: Number(row.rows),
  }));
}

/** The ends of chains that are known and go on, and chains that are not known: it costs what has moved. */
async function planAfter(
  store: Store,
  part: number,
  baseline: Baseline,
  chains: readonly string[] | undefined,
): Promise<Part[]> {
  const wanted: Omit<Range, 'chainId'>[] = [];
  const whole: string[] = [];
  for (const chainId of chains ?? baseline.keys()) {
    const { size, closed } = baseline.get(chainId) ?? { size: 0 };
    if (size === 0) whole.push(bytesOfName(chainId));
    else if (closed !== true)
      wanted.push({ chainBytes: bytesOfName(chainId), from: BigInt(size), to: LAST_SEQ });
  }
  // Whoever says which chains has looked for new ones himself.
  const opened = chains === undefined ? await store.query<{ name: string; bytes: string }>(OPENED) : [];
  for (const { name, bytes } of opened) if (!baseline.has(name)) whole.push(bytes);
  const found: Part[] = [];
  for (let i = 0; i < whole.length; i += PAGE_PLACES)
    found.push(...(await planOf(store, part, WHOLE, { chains: whole.slice(i, i + PAGE_PLACES) })));
  for (let i = 0; i < wanted.length; i += PAGE_RANGES)
    found.push(...(await planOf(store, part, anyOf(wanted.slice(i, i + PAGE_RANGES)))));
  return found.sort((a, b) =>
    a.chainBytes < b.chainBytes ? -1 : a.chainBytes > b.chainBytes ? 1 : Number(a.from - b.from),
  );
}

const AT = `(chain_id, seq) IN (SELECT unhex(place.1), place.2 FROM (SELECT arrayJoin(arrayZip({chains:Array(String)}, {seqs:Array(UInt64)})) AS place))`;
const HEADS = `
SELECT ${CHAIN_NAME} AS name, seq, lower(hex(argMax(record_hash, (live, record_hash)))) AS hash FROM
(
    SELECT chain_id, seq, 0 AS live, record_hash FROM spanledger.audit_records WHERE ${AT}
    UNION ALL
    SELECT chain_id, seq, 1, record_hash FROM spanledger.audit_tombstones WHERE ${AT}
)
GROUP BY chain_id, seq`;

export async function readHeads(
  store: Store,
  asked: readonly { chainId: string; seq: bigint }[],
): Promise<Head[]> {
  const heads: Head[] = [];
  for (let i = 0; i < asked.length; i += PAGE_PLACES) {
    const page = asked.slice(i, i + PAGE_PLACES);
    const chains = page.map(({ chainId }) => bytesOfName(chainId));
    const seqs = page.map(({ seq }) => seq);
    for (const { name, seq, hash } of await store.query<{ name: string; seq: string; hash: string }>(HEADS, {
      chains,
      seqs,
    }))
      heads.push({ chainId: name, seq: BigInt(seq), hash });
  }
  return heads;
}

/** Whole small chains share a pack, of at most so many rows and chains; a part of a larger chain has its own. */
export function* packed(plan: readonly Part[], most: { rows: number; chains: number }): Generator<Part[]> {
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
