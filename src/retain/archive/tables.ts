import { hash } from 'node:crypto';
import type { FileKind } from '../../chain/manifest.ts';
import type { Store } from '../../store/client.ts';
import type { SavedQuery } from '../../store/engine.ts';
import { placesIn, type Range } from '../../verify/rows.ts';
import type { Row } from '../../verify/scan.ts';
import { COLUMNS } from './parquet.ts';

/** Read back a group at a time: of so many rows, or so many bytes, or one record. */
const SETTINGS = [
  "output_format_parquet_compression_method = 'gzip'",
  'output_format_parquet_row_group_size = 20000',
  'output_format_parquet_row_group_size_bytes = 8388608',
  'output_format_parquet_string_as_string = 1',
  'output_format_parquet_fixed_string_as_fixed_byte_array = 1',
  // A few bytes of a dictionary page could stand for any number of values.
  'output_format_parquet_max_dictionary_size = 0',
  'output_format_parquet_data_page_size = 1048576',
  'query_plan_execute_functions_after_sorting = 0',
];

const TABLE: { readonly [kind in FileKind]: string } = {
  records: 'audit_records',
  tombstones: 'audit_tombstones',
};
const OWN: { readonly [column: string]: string } = {
  chain_id: 'toString(row.chain_id)',
  retention_class: 'toString(row.retention_class)',
  reason: 'toString(row.reason)',
  expires_at: 'toUInt32(toUnixTimestamp(row.expires_at))',
  purge_after: 'toUInt32(toUnixTimestamp(row.purge_after))',
};
/** The condition comes first: a column that is made of another of the same name is in no table's order. */
function selected(kind: FileKind, where: string): string {
  const columns = COLUMNS[kind].map(([name]) => name);
  const made = columns.map((name) => `${OWN[name] ?? `row.${name}`} AS ${name}`).join(', ');
  return `(SELECT ${made} FROM (SELECT ${columns.join(', ')} FROM spanledger.${TABLE[kind]} WHERE ${where}) AS row)`;
}
/** As the judge takes them; a row that was inserted twice stands in a file once. */
const ORDER: { readonly [kind in FileKind]: string } = {
  records:
    'ORDER BY chain_id, seq, record_hash, SHA256(payload), expires_at, purge_after LIMIT 1 BY chain_id, seq, record_hash, payload, expires_at, purge_after, retention_class',
  tombstones:
    'ORDER BY chain_id, seq, record_hash, payload_digest, expires_at, reason LIMIT 1 BY chain_id, seq, record_hash, payload_digest, expires_at, reason',
};
/** What of a row is compared, after the file was read back: `fingerprintLine` says the same of it. */
const COMPARED: { readonly [kind in FileKind]: string } = {
  records:
    "concat(chain_id, ' ', toString(seq), ' ', retention_class, ' ', toString(expires_at), ' ', toString(purge_after), ' ', lower(hex(record_hash)), ' ', lower(hex(SHA256(payload))))",
  tombstones:
    "concat(chain_id, ' ', toString(seq), ' ', reason, ' ', toString(expires_at), ' ', lower(hex(payload_digest)), ' ', lower(hex(record_hash)))",
};

/** How many rows there are, and the sum of a hash of each, modulo 2^256: in whatever order they come. */
export interface Fingerprint {
  rows: number;
  sum: bigint;
}

/** Places of a table; with a partition, only what of them stands in that. */
export interface Places {
  ranges: readonly Range[];
  partition?: PartitionName | undefined;
}

export interface PartitionName {
  retentionClass: string;
  /** In which its records may go: `YYYYMM`. */
  month: string;
}

function whereIn({ ranges, partition }: Places): ReturnType<typeof placesIn> {
  const { where, parameters } = placesIn(ranges);
  if (partition === undefined) return { where, parameters };
  const { retentionClass, month } = partition;
  return {
    where: `retention_class = {class:String} AND toYYYYMM(expires_at) = {month:UInt32} AND (${where})`,
    parameters: { ...parameters, class: retentionClass, month: Number(month) },
  };
}

/** Writes what a table has at some places to a file. */
export function saveRows(store: Store, kind: FileKind, places: Places, path: string): Promise<void> {
  const { where, parameters } = whereIn(places);
  const query: SavedQuery = {
    sql: `SELECT * FROM ${selected(kind, where)} ${ORDER[kind]}`,
    structure: COLUMNS[kind].map(([name, type]) => `${name} ${type}`).join(', '),
    settings: SETTINGS,
  };
  return store.save(query, path, parameters);
}

/** What a table has at some places. */
export async function fingerprintIn(store: Store, kind: FileKind, places: Places): Promise<Fingerprint> {
  const { where, parameters } = whereIn(places);
  const [found] = await store.query<{ rows: string; sum: string }>(
    `SELECT count() AS rows, toString(sum(reinterpretAsUInt256(SHA256(${COMPARED[kind]})))) AS sum FROM (SELECT * FROM ${selected(kind, where)} ${ORDER[kind]})`,
    parameters,
  );
  return { rows: Number(found!.rows), sum: BigInt(found!.sum) };
}

/** The same of files that are read back, row by row. */
export class Fingerprints implements Fingerprint {
  rows = 0;
  sum = 0n;
  readonly #kind: FileKind;

  constructor(kind: FileKind) {
    this.#kind = kind;
  }

  add(row: Row, retentionClass: string): void {
    const { chainId, seq, expiresAt, purgeAfter, recordHash, payloadDigest, reason } = row;
    const line =
      this.#kind === 'records'
        ? `${chainId} ${seq} ${retentionClass} ${expiresAt} ${purgeAfter} ${recordHash} ${payloadDigest}`
        : `${chainId} ${seq} ${reason} ${expiresAt} ${payloadDigest} ${recordHash}`;
    const bytes = hash('sha256', line, 'buffer');
    let value = 0n;
    for (let at = 24; at >= 0; at -= 8) value = (value << 64n) | bytes.readBigUInt64LE(at);
    this.rows += 1;
    this.sum = BigInt.asUintN(256, this.sum + value);
  }
}
