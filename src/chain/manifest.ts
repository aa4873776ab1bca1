import { hash } from 'node:crypto';
import { SpanledgerError } from '../errors.ts';
import { canonicalJson } from '../record/canonical.ts';
import { isHash } from './merkle.ts';
import { type Note, parseNote, signedNote } from './note.ts';
import type { Signer } from './signer.ts';
import { parseVkey } from './vkey.ts';

/** What an archive holds: a signed note over it stands beside its files, and is written last of all. */
export interface Manifest {
  v: 1;
  ledger_id: string;
  /** The ledger's name in all that it signs. */
  origin: string;
  /** A whole ledger, or a partition of its records. */
  kind: 'ledger' | 'partition';
  /** RFC 3339. */
  created_at: string;
  /** Of a partition. */
  retention_class?: string;
  /** Of a partition: the month in which its records may go, `YYYYMM`. */
  partition?: string;
  /** The ledger's checkpoint at that time, whole. */
  checkpoint: string;
  /** In the order of their first place, records before tombstones. */
  files: ManifestFile[];
  /** Digest of the manifest that this one is in place of. */
  replaces?: string;
}

export interface ManifestFile {
  /** A plain name, in the same folder. */
  name: string;
  bytes: number;
  /** Hex. */
  sha256: string;
  kind: FileKind;
  rows: number;
  /** By chain_id, as bytes. */
  ranges: ChainRanges[];
}

export type FileKind = 'records' | 'tombstones';

export interface ChainRanges {
  chain_id: string;
  /** Ascending and apart, both ends included. */
  ranges: [first: number, last: number][];
}

/** What is amiss in a manifest, and where: about none of its chains, chain_id is empty. */
export interface ManifestProblem {
  chainId: string;
  seq: number;
  detail: string;
}

export interface ReadManifest {
  manifest: Manifest;
  note: Note;
  /** Of the whole signed note, hex: what an archive is known by. */
  digest: string;
  /** Its files can be read in spite of them. */
  problems: ManifestProblem[];
}

/** It names each chain of each file: a note of a checkpoint is much smaller. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const HEAD = 'spanledger/manifest/v1\n';
const LEDGER_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/;
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** The note, and its digest. @throws SpanledgerError `key_invalid`, `key_unavailable` */
export async function signManifest(
  manifest: Manifest,
  signer: Signer,
): Promise<{ note: string; digest: string }> {
  const text = `${HEAD}${canonicalJson(manifest)}\n`;
  const { name, id } = parseVkey(signer.vkey);
  const blob = await signer.sign(Buffer.from(text));
  const note = signedNote(text, [{ name, keyId: id, blob }], MAX_MANIFEST_BYTES);
  return { note, digest: hash('sha256', note) };
}

/**
 * Reads a manifest, and checks all of its form; whose signature it bears is for whoever has the keys.
 *
 * @returns a problem alone where its files cannot be told from it.
 * @throws SpanledgerError `archive_refused` for a name that is no plain file name: nothing may be opened by it.
 */
export function readManifest(bytes: Uint8Array): ReadManifest | { problem: string } {
  let note: Note;
  try {
    note = parseNote(bytes, MAX_MANIFEST_BYTES);
  } catch (error) {
    if (error instanceof SpanledgerError) return { problem: error.message };
    throw error;
  }
  const { text } = note;
  if (!text.startsWith(HEAD)) return { problem: 'it does not begin as a manifest of version 1 does' };
  const json = text.slice(HEAD.length, -1);
  let value: unknown;
  try {
    value = JSON.parse(json);
    if (canonicalJson(value) !== json) return { problem: 'it is not canonical JSON' };
  } catch (error) {
    return { problem: (error as Error).message };
  }
  const manifest = manifestOf(value);
  if (typeof manifest === 'string') return { problem: manifest };
  const problem = repeated(manifest.files);
  if (problem !== undefined) return { problem };
  const read = { manifest, note, digest: hash('sha256', bytes) };
  const tangled = problemsOfOrder(manifest.files);
  if (tangled !== undefined) return { problem: tangled };
  return { ...read, problems: [...countProblems(manifest.files), ...holesIn(manifest)] };
}

type Fields = { [field: string]: unknown };
const REQUIRED = ['checkpoint', 'created_at', 'files', 'kind', 'ledger_id', 'origin', 'v'];
const OPTIONAL = ['partition', 'replaces', 'retention_class'];

function manifestOf(value: unknown): Manifest | string {
  if (!isFields(value)) return 'it is no object';
  const names = Object.keys(value);
  const missing = REQUIRED.find((name) => !names.includes(name));
  if (missing !== undefined) return `it has no ${missing}`;
  const unknown = names.find((name) => !REQUIRED.includes(name) && !OPTIONAL.includes(name));
  if (unknown !== undefined) return `it has ${JSON.stringify(unknown)}, which no manifest has`;
  const { v, ledger_id, origin, kind, created_at, checkpoint, files } = value;
  if (v !== 1) return 'it is not of version 1';
  if (typeof ledger_id !== 'string' || !LEDGER_ID.test(ledger_id)) return 'its ledger_id is none';
  if (typeof origin !== 'string' || origin === '' || typeof checkpoint !== 'string')
    return 'its origin or checkpoint is no text';
  if (kind !== 'ledger' && kind !== 'partition') return 'its kind is neither ledger nor partition';
  if (typeof created_at !== 'string' || !TIME.test(created_at) || Number.isNaN(Date.parse(created_at)))
    return 'its created_at is no time';
  const isPartition = kind === 'partition';
  if ((typeof value.retention_class === 'string') !== isPartition)
    return 'a retention_class belongs to a partition';
  if ((typeof value.partition === 'string' && /^\d{6}$/.test(value.partition)) !== isPartition)
    return 'a partition, and nothing else, names its month';
  if (value.replaces !== undefined && !isHash(value.replaces)) return 'what it replaces is no digest';
  if (!Array.isArray(files) || files.length === 0) return 'it lists no files';
  for (const [i, file] of (files as unknown[]).entries()) {
    const problem = fileProblem(file);
    if (problem !== undefined) return `file ${i}: ${problem}`;
  }
  return value as unknown as Manifest;
}

function fileProblem(file: unknown): string | undefined {
  if (!isFields(file)) return 'it is no object';
  const { name, bytes, sha256, kind, rows, ranges } = file;
  requirePlain(name);
  if (Object.keys(file).length !== 6)
    return 'it has other fields than name, bytes, sha256, kind, rows, ranges';
  if (!isCount(bytes) || !isCount(rows)) return 'its bytes or rows are no count';
  if (!isHash(sha256)) return 'its sha256 is none';
  if (kind !== 'records' && kind !== 'tombstones') return 'its kind is neither records nor tombstones';
  if (!Array.isArray(ranges) || ranges.length === 0) return 'it has no ranges';
  let before: string | undefined;
  for (const each of ranges as unknown[]) {
    const { chain_id, ranges: of, ...rest } = isFields(each) ? each : {};
    if (typeof chain_id !== 'string' || !Array.isArray(of) || of.length === 0 || Object.keys(rest).length > 0)
      return 'its ranges are not by chain';
    if (before !== undefined && compareIds(before, chain_id) >= 0) return 'its chains are not in order';
    before = chain_id;
    let end = -1;
    for (const range of of as unknown[]) {
      const [first, last, ...more] = Array.isArray(range) ? (range as unknown[]) : [];
      if (!isCount(first) || !isCount(last) || more.length > 0 || last < first)
        return `a range of ${chain_id} is none`;
      if (first <= end) return `the ranges of ${chain_id} overlap at ${first}, or are not in order`;
      end = last;
    }
  }
  return undefined;
}

/** Whatever else the manifest says: nothing outside its folder is opened, nor what is hidden in it. */
function requirePlain(name: unknown): void {
  if (typeof name === 'string' && FILE_NAME.test(name) && name !== MANIFEST_NAME) return;
  throw new SpanledgerError(
    'archive_refused',
    `the manifest names ${JSON.stringify(name)?.slice(0, 200)}, which is no plain file name`,
    { hint: 'whoever made it wanted another file to be read: take the archive from where it was made' },
  );
}

/** Of the note, in its archive's folder. */
export const MANIFEST_NAME = 'manifest';

function repeated(files: readonly ManifestFile[]): string | undefined {
  for (const field of ['name', 'sha256'] as const) {
    const seen = new Set<string>();
    for (const { [field]: each, name } of files) {
      if (seen.has(each)) return `it lists ${name} twice, by its ${field}`;
      seen.add(each);
    }
  }
  return undefined;
}

/** Of one kind, each file goes on behind the one before it. */
function problemsOfOrder(files: readonly ManifestFile[]): string | undefined {
  const ends = new Map<FileKind, { chainId: string; seq: number }>();
  for (const { name, kind, ranges } of files) {
    const end = ends.get(kind);
    const first = ranges[0]!;
    const order = end === undefined ? 1 : compareIds(first.chain_id, end.chainId);
    if (order < 0 || (order === 0 && first.ranges[0]![0] <= end!.seq))
      return `${name} overlaps the file before it, or stands behind it`;
    const last = ranges.at(-1)!;
    ends.set(kind, { chainId: last.chain_id, seq: last.ranges.at(-1)![1] });
  }
  return undefined;
}

function countProblems(files: readonly ManifestFile[]): ManifestProblem[] {
  return files.flatMap(({ name, rows, ranges }) => {
    let places = 0n;
    for (const { ranges: of } of ranges)
      for (const [first, last] of of) places += BigInt(last) - BigInt(first) + 1n;
    if (BigInt(rows) === places) return [];
    const [{ chain_id: chainId, ranges: of }] = ranges as [ChainRanges];
    return [{ chainId, seq: of[0]![0], detail: `${name} has ${rows} rows, and ranges of ${places} places` }];
  });
}

/** A whole ledger has every place from the first of a chain to its last, as record, tombstone or both. */
function holesIn({ kind, files }: Manifest): ManifestProblem[] {
  if (kind === 'partition') return [];
  const chains = new Map<string, [number, number][]>();
  for (const { ranges } of files)
    for (const { chain_id, ranges: of } of ranges) {
      const all = chains.get(chain_id) ?? [];
      for (const range of of) all.push(range);
      chains.set(chain_id, all);
    }
  const problems: ManifestProblem[] = [];
  for (const [chainId, ranges] of chains) {
    ranges.sort(([a], [b]) => a - b);
    let next = ranges[0]![0];
    for (const [first, last] of ranges) {
      if (first > next)
        problems.push({ chainId, seq: next, detail: `its files have nothing from ${next} to ${first - 1}` });
      next = Math.max(next, last + 1);
    }
  }
  return problems;
}

/** As the engine orders them: by their bytes. */
export function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
