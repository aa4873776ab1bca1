import { gunzipSync } from 'node:zlib';
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, type RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { FileKind } from '../../chain/manifest.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../../errors.ts';
import { countValues } from './thrift.ts';

/**
 * Parquet as we have the engine write it: flat columns without nulls or dictionaries, in gzip. All else is refused before
 * it is decoded, since a few bytes of another encoding may stand for any number of values.
 */

/** Of one row group, decompressed: 256 MiB. The engine is asked for groups of 8 MiB, or one record. */
const MAX_GROUP_BYTES = 256 * 1024 * 1024;
const MAX_GROUP_ROWS = 100_000;
/** What tells of the row groups stands at the end of the file: some 200 values of each group. */
const MAX_FOOTER_BYTES = 64 * 1024 * 1024;
const MAX_FOOTER_VALUES = 4_000_000;
/** What tells of one page. */
const MAX_HEADER_VALUES = 1_000;

export const COLUMNS: { readonly [kind in FileKind]: readonly (readonly [name: string, type: string])[] } = {
  records: [
    ['chain_id', 'String'],
    ['seq', 'UInt64'],
    ['retention_class', 'String'],
    ['expires_at', 'UInt32'],
    ['purge_after', 'UInt32'],
    ['record_hash', 'FixedString(32)'],
    ['payload', 'String'],
  ],
  tombstones: [
    ['chain_id', 'String'],
    ['seq', 'UInt64'],
    ['reason', 'String'],
    ['expires_at', 'UInt32'],
    ['payload_digest', 'FixedString(32)'],
    ['record_hash', 'FixedString(32)'],
  ],
};
const PHYSICAL: { [type: string]: string } = {
  String: 'BYTE_ARRAY',
  UInt64: 'INT64',
  UInt32: 'INT32',
  'FixedString(32)': 'FIXED_LEN_BYTE_ARRAY',
};
const CODECS = ['GZIP', 'UNCOMPRESSED'];

/** A row as it stands in a file. */
export interface FileRow {
  chain_id: Buffer;
  seq: bigint;
  expires_at: number;
  record_hash: Uint8Array;
  /** Of records. */
  retention_class: Buffer;
  purge_after: number;
  payload: Buffer;
  /** Of tombstones. */
  reason: Buffer;
  payload_digest: Uint8Array;
}

/** Reads some bytes of a file, whichever way it is kept. */
export interface Bytes {
  byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/**
 * Its rows, a group at a time.
 *
 * @param most bytes of one group, decompressed.
 * @throws SpanledgerError `archive_refused` for anything that the engine does not write when it is asked for an archive.
 */
export async function* readParquet(
  file: Bytes,
  { name, kind }: { name: string; kind: FileKind },
  most = MAX_GROUP_BYTES,
): AsyncGenerator<FileRow[]> {
  try {
    const metadata = await metadataOf(file);
    requireColumns(metadata, kind);
    for (const group of metadata.row_groups) yield await readGroup(file, metadata, group, most);
  } catch (error) {
    if (isSpanledgerError(error, 'archive_refused'))
      throw new SpanledgerError('archive_refused', `${name}: ${error.message}`, { hint: HINT });
    // Whatever the reader trips over, and bytes that do not inflate.
    throw new SpanledgerError('archive_refused', `${name}: ${messageOf(error)}`, {
      cause: error,
      hint: HINT,
    });
  }
}

const HINT = 'it is no file that `spanledger` has had written: take the archive from where it was made';

async function metadataOf(file: Bytes): Promise<FileMetaData> {
  if (file.byteLength < 12) throw refused('it is too short to be Parquet');
  const tail = new DataView(await file.slice(file.byteLength - 8, file.byteLength));
  const length = tail.getUint32(0, true);
  if (length > MAX_FOOTER_BYTES) throw refused('what tells of its groups is too long');
  const start = file.byteLength - 8 - length;
  if (start < 4) throw refused('what tells of its groups is longer than it');
  countValues(new DataView(await file.slice(start, file.byteLength - 8)), 0, MAX_FOOTER_VALUES);
  return parquetMetadataAsync(file, { geoparquet: false });
}

function requireColumns({ schema }: FileMetaData, kind: FileKind): void {
  const [root, ...columns] = schema;
  const expected = COLUMNS[kind];
  const isRight =
    root?.num_children === expected.length &&
    columns.length === expected.length &&
    expected.every(([name, type], i) => {
      const column = columns[i]!;
      return (
        column.name === name &&
        column.type === PHYSICAL[type] &&
        column.repetition_type === 'REQUIRED' &&
        column.num_children === undefined &&
        (type !== 'FixedString(32)' || column.type_length === 32)
      );
    });
  if (!isRight) throw refused(`its columns are not those of ${kind}`);
}

async function readGroup(
  file: Bytes,
  metadata: FileMetaData,
  group: RowGroup,
  most: number,
): Promise<FileRow[]> {
  const rows = Number(group.num_rows);
  if (rows > MAX_GROUP_ROWS) throw refused(`a group of it has more than ${MAX_GROUP_ROWS} rows`);
  if (group.columns.length !== metadata.schema.length - 1) throw refused('a group of it has other columns');
  let left = most;
  let room = 2 * most;
  const chunks: { start: number; end: number; bytes: ArrayBuffer }[] = [];
  for (const { meta_data: column, file_path } of group.columns) {
    if (column === undefined || file_path !== undefined) throw refused('a column of it is elsewhere');
    if (column.dictionary_page_offset !== undefined || !CODECS.includes(column.codec))
      throw refused(`a column of it has a dictionary, or is in ${column.codec}`);
    const start = Number(column.data_page_offset);
    const end = start + Number(column.total_compressed_size);
    if (!(start >= 4 && end > start && end <= file.byteLength)) throw refused('a column of it is not in it');
    // Bytes that do not deflate become a little more.
    room -= end - start;
    if (room < 0) throw refused('a group of it is larger than it may be');
    const bytes = await file.slice(start, end);
    left -= checkPages(bytes, rows, left);
    chunks.push({ start, end, bytes });
  }
  const extent = Math.max(...chunks.map(({ end }) => end)) - Math.min(...chunks.map(({ start }) => start));
  if (extent > most) throw refused('the columns of a group are far apart');
  // What was looked at is what is decoded.
  const looked: Bytes = {
    byteLength: file.byteLength,
    async slice(start, end = file.byteLength) {
      const bytes = new Uint8Array(end - start);
      for (const chunk of chunks) {
        const from = Math.max(start, chunk.start);
        const part = new Uint8Array(chunk.bytes).subarray(
          from - chunk.start,
          Math.max(from, end) - chunk.start,
        );
        if (from < Math.min(end, chunk.end)) bytes.set(part, from - start);
      }
      return bytes.buffer;
    },
  };
  // Indexes of pages could lead the reader to where nothing was looked at.
  const columns = group.columns.map(({ file_offset, meta_data }) => ({
    file_offset,
    ...(meta_data && { meta_data }),
  }));
  const read = await parquetReadObjects({
    file: looked,
    metadata: { ...metadata, num_rows: group.num_rows, row_groups: [{ ...group, columns }] },
    compressors: { GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }) },
    parsers: { stringFromBytes: (bytes: Uint8Array) => bytes } as object,
  });
  if (read.length !== rows) throw refused('a group of it has fewer rows than it says');
  return read as FileRow[];
}

/** @returns the size of all its pages, decompressed, as their heads say: no more is taken. */
function checkPages(bytes: ArrayBuffer, rows: number, most: number): number {
  const reader = { view: new DataView(bytes), offset: 0 };
  let size = 0;
  let values = 0;
  while (reader.offset < bytes.byteLength) {
    countValues(reader.view, reader.offset, MAX_HEADER_VALUES);
    const page = parquetHeader(reader);
    const { type, uncompressed_page_size, compressed_page_size, data_page_header: data } = page;
    if (type !== 'DATA_PAGE' || data?.encoding !== 'PLAIN') throw refused('a page of it is not plain');
    if (!(compressed_page_size >= 0 && reader.offset + compressed_page_size <= bytes.byteLength))
      throw refused('a page of it is longer than its column');
    size += uncompressed_page_size;
    if (!(uncompressed_page_size >= 0 && size <= most))
      throw refused(`a group of it is larger than it may be`);
    values += data.num_values;
    reader.offset += compressed_page_size;
  }
  if (values !== rows) throw refused('a column of it has another number of rows than its group');
  return size;
}

function refused(why: string): SpanledgerError {
  return new SpanledgerError('archive_refused', why);
}
