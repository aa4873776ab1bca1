import { chmodSync, closeSync, existsSync, fsyncSync, openSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type FileKind,
  MANIFEST_NAME,
  type Manifest,
  type ManifestFile,
  signManifest,
} from '../../chain/manifest.ts';
import type { Signer } from '../../chain/signer.ts';
import { createOnce, makeDirectory, syncDirectory } from '../../config/durable.ts';
import { isSpanledgerError, SpanledgerError } from '../../errors.ts';
import type { Store } from '../../store/client.ts';
import { type Part, packed, planScan } from '../../verify/rows.ts';
import { ArchiveFile } from './folder.ts';
import { RangeList } from './ranges.ts';
import { rowOf } from './rows.ts';
import { type Fingerprint, Fingerprints, fingerprintIn, type Places, saveRows } from './tables.ts';

/** A file has so many rows, of so many chains, or fewer. */
const MOST = { rows: 200_000, chains: 500 };

export interface ExportOptions {
  store: Store;
  /** A folder that is empty, or is to be made. */
  out: string;
  ledgerId: string;
  origin: string;
  /** The ledger's newest checkpoint, whole. */
  checkpoint: string;
  signer: Signer;
  /** Microseconds since the epoch. */
  now: number;
  /** Rows and chains of a file. */
  most?: { rows: number; chains: number };
  progress?: (done: number, total: number) => void;
}

export interface Exported {
  /** Digest of the manifest. */
  manifest: string;
  files: number;
  bytes: number;
  records: number;
  tombstones: number;
}

/**
 * Writes all that the store has of a ledger to files, reads each back and compares it with the store, and signs the
 * manifest last. Records that come meanwhile are not in it. Durable when it resolves; a folder without a manifest is none.
 *
 * @throws SpanledgerError `usage_invalid` for a folder that is not empty; `archive_failed` where what is read back is not
 * what the store has, or a place is none that a manifest can name
 */
export async function exportLedger(options: ExportOptions): Promise<Exported> {
  const { store, ledgerId, origin, checkpoint, now, most = MOST, progress } = options;
  const out = resolve(options.out);
  prepare(out);
  const plan = await planScan(store, most.rows, {});
  plan.forEach(requireNameable);
  const total = plan.reduce((sum, { rows }) => sum + rows, 0);
  const files: { [kind in FileKind]: ManifestFile[] } = { records: [], tombstones: [] };
  let done = 0;
  for (const parts of packed(plan, most)) {
    for (const kind of ['records', 'tombstones'] as const) {
      const name = `${kind}-${String(files[kind].length + 1).padStart(6, '0')}.parquet`;
      const file = await writeRows(store, kind, { ranges: parts }, out, name);
      if (file !== undefined) files[kind].push(file);
    }
    done += parts.reduce((sum, { rows }) => sum + rows, 0);
    progress?.(done, total);
  }
  syncDirectory(out);
  const all = [...files.records, ...files.tombstones];
  const manifest: Manifest = {
    v: 1,
    ledger_id: ledgerId,
    origin,
    kind: 'ledger',
    created_at: new Date(Math.floor(now / 1_000)).toISOString(),
    checkpoint,
    files: all,
  };
  const { note, digest } = await signManifest(manifest, options.signer);
  createOnce(join(out, MANIFEST_NAME), note);
  const rowsIn = (kind: FileKind) => files[kind].reduce((sum, { rows }) => sum + rows, 0);
  return {
    manifest: digest,
    files: all.length,
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    records: rowsIn('records'),
    tombstones: rowsIn('tombstones'),
  };
}

function prepare(out: string): void {
  if (existsSync(out) && (!statSync(out).isDirectory() || readdirSync(out).length > 0))
    throw new SpanledgerError('usage_invalid', `${out} is not an empty folder`, {
      hint: 'an archive is written to a folder of its own; if an export was broken off there, empty it first',
    });
  requireNoPattern(out);
  makeDirectory(out);
}

/** @throws SpanledgerError `usage_invalid` */
export function requireNoPattern(path: string): void {
  if (/[*?{}]/.test(path))
    throw new SpanledgerError(
      'usage_invalid',
      `${path} has a character that the engine takes for a pattern`,
      {
        hint: 'choose a folder without * ? { } in its path',
      },
    );
}

/** A forged chain may have what no manifest can say. */
function requireNameable({ chainId, to }: Part): void {
  if (to <= BigInt(Number.MAX_SAFE_INTEGER) && !chainId.startsWith('\ufffd')) return;
  throw new SpanledgerError('archive_failed', `the chain ${chainId} has what no writer writes`, {
    hint: '`spanledger verify` says what is amiss',
  });
}

/**
 * Writes a file of an archive, reads it back, and compares it with the store.
 *
 * @returns undefined where there is nothing of that kind.
 * @throws SpanledgerError `archive_failed`
 */
export async function writeRows(
  store: Store,
  kind: FileKind,
  places: Places,
  out: string,
  name: string,
): Promise<ManifestFile | undefined> {
  const stored = await fingerprintIn(store, kind, places);
  if (stored.rows === 0) return undefined;
  const path = join(out, name);
  await saveRows(store, kind, places, path);
  settle(path);
  const failed = (cause?: unknown) =>
    new SpanledgerError('archive_failed', `${path} does not hold what the store has`, {
      cause,
      hint: 'did its disk fill up, or the store change meanwhile? Empty the folder and try again',
    });
  const { file, found } = await readBack(out, name, kind).catch((error: unknown) => {
    // The engine says nothing of a disk that has filled up: the file ends where that did.
    throw isSpanledgerError(error, 'archive_refused') ? failed(error) : error;
  });
  if (found.rows === stored.rows && found.sum === stored.sum) return file;
  throw failed();
}

function settle(path: string): void {
  chmodSync(path, 0o600);
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What a manifest says of a file, by what is read from it. */
async function readBack(
  out: string,
  name: string,
  kind: FileKind,
): Promise<{ file: ManifestFile; found: Fingerprint }> {
  const opened = await ArchiveFile.written(out, { name, kind });
  try {
    const list = new RangeList();
    const found = new Fingerprints(kind);
    for await (const group of opened.rows())
      for (const raw of group) {
        const row = rowOf(kind, raw);
        found.add(row, row.columns[0]?.stored ?? '');
        list.add(row.chainId, Number(row.seq));
      }
    return { file: { ...opened.listed, rows: found.rows, ranges: list.ranges }, found };
  } finally {
    await opened.close();
  }
}
