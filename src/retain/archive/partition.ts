import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  MANIFEST_NAME,
  type Manifest,
  type ManifestFile,
  type ReadManifest,
  signManifest,
} from '../../chain/manifest.ts';
import type { Signer } from '../../chain/signer.ts';
import { parseVkey } from '../../chain/vkey.ts';
import { createOnce, makeDirectory, syncDirectory } from '../../config/durable.ts';
import { SpanledgerError } from '../../errors.ts';
import type { PolicyDocument } from '../../policy/document.ts';
import { classOf, expiresAt, LEDGER_CLASS } from '../../policy/retention.ts';
import type { Store } from '../../store/client.ts';
import { bytesOfName } from '../../verify/rows.ts';
import { count, inParts, type Places } from '../ranges.ts';
import { requireNoPattern, writeRows } from './export.ts';
import { ArchiveFolder, manifestIn } from './folder.ts';
import { rowOf } from './rows.ts';
import { whyUnsigned } from './signed.ts';
import { type Fingerprint, Fingerprints, fingerprintIn, type PartitionName } from './tables.ts';

const CLASS_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** What was recorded, and is shipped so much later, is archived by itself. */
const LATE_SECONDS = 7 * 86_400;
/** Places and stretches of a file: each stretch costs its query some text. */
const MOST = { places: 200_000, stretches: 500 };

export interface ArchivingOptions {
  store: Store;
  /** A folder, each of whose folders is an archive. */
  path: string;
  ledgerId: string;
  origin: string;
  /** The ledger's newest checkpoint, whole. */
  checkpoint: string;
  signer: Signer;
  /** Microseconds since the epoch. */
  now: number;
}

/** What `archive_confirmed` says. */
export interface Confirmation {
  /** Digest of the manifest. */
  manifest: string;
  retention_class: string;
  partition: string;
  /** The name of its folder. */
  to: string;
  rows: number;
  ranges: { [chainId: string]: readonly (readonly [number, number])[] };
  /** The ledger's checkpoint in it, whole. */
  checkpoint: string;
}

/**
 * Partitions of classes that are to be archived, into which nothing that is recorded from now on can come.
 *
 * @param now microseconds since the epoch
 */
export async function closedPartitions(
  store: Store,
  document: PolicyDocument,
  now: number,
): Promise<PartitionName[]> {
  const rows = await store.query<{ class: string; month: string; end: string }>(
    `SELECT class, month, toString(toUnixTimestamp(toDateTime(addMonths(toDate(concat(substring(month, 1, 4), '-', substring(month, 5, 2), '-01')), 1), 'UTC'))) AS end FROM
     (SELECT DISTINCT toString(retention_class) AS class, toString(toYYYYMM(expires_at)) AS month FROM spanledger.audit_records) ORDER BY class, month`,
  );
  return (
    rows
      // A class that no policy can have is of no writer: it is no name for a folder, and stays unarchived.
      .filter(({ class: name }) => CLASS_NAME.test(name) && name !== LEDGER_CLASS)
      .filter(({ class: name }) => classOf(document, name).archive === 'required')
      .filter(({ class: name, end }) => expiresAt(document, name, now) - LATE_SECONDS >= Number(end))
      .map(({ class: retentionClass, month }) => ({ retentionClass, month }))
  );
}

/** All places of a partition that hold a record. */
export async function placesOf(store: Store, { retentionClass, month }: PartitionName): Promise<Places> {
  const rows = await store.query<{ chain: string; first: string; last: string }>(
    `SELECT chain, min(seq) AS first, max(seq) AS last FROM
     (SELECT chain, seq, seq - row_number() OVER (PARTITION BY chain ORDER BY seq) AS stretch FROM
      (SELECT DISTINCT toString(chain_id) AS chain, seq FROM spanledger.audit_records WHERE retention_class = {class:String} AND toYYYYMM(expires_at) = {month:UInt32}))
     GROUP BY chain, stretch ORDER BY chain, first`,
    { class: retentionClass, month: Number(month) },
  );
  const places = new Map<string, [number, number][]>();
  for (const { chain, first, last } of rows) {
    const stretches = places.get(chain) ?? [];
    places.set(chain, stretches);
    stretches.push([Number(first), Number(last)]);
  }
  return places;
}

/**
 * Copies what a partition has at some places to a folder of its own, and reads it back from there. The folder gets its name
 * when it was read back: whatever a crash, or a disk that fails, leaves under another is made anew.
 *
 * @returns undefined where there is nothing to copy.
 * @throws SpanledgerError `archive_failed` where what is read back is not what the store has
 */
export async function archivePartition(
  options: ArchivingOptions,
  partition: PartitionName,
  places: Places,
): Promise<Confirmation | undefined> {
  const { store, ledgerId, origin, checkpoint, signer, now } = options;
  if (count(places) === 0) return undefined;
  const path = resolve(options.path);
  requireNoPattern(path);
  const { retentionClass, month } = partition;
  const draft = join(path, `.${retentionClass}-${month}.partial`);
  rmSync(draft, { recursive: true, force: true });
  makeDirectory(draft);
  const files: ManifestFile[] = [];
  for (const part of inParts(places, MOST)) {
    const name = `records-${String(files.length + 1).padStart(6, '0')}.parquet`;
    const file = await writeRows(store, 'records', { ranges: rangesOf(part), partition }, draft, name);
    if (file !== undefined) files.push(file);
  }
  if (files.length === 0) return undefined;
  const manifest: Manifest = {
    v: 1,
    ledger_id: ledgerId,
    origin,
    kind: 'partition',
    created_at: new Date(Math.floor(now / 1_000)).toISOString(),
    retention_class: retentionClass,
    partition: month,
    checkpoint,
    files,
  };
  const { note, digest } = await signManifest(manifest, signer);
  createOnce(join(draft, MANIFEST_NAME), note);
  const confirmation = await confirmed(store, path, basename(draft));
  const to = `${retentionClass}-${month}-${digest.slice(0, 16)}`;
  renameSync(draft, join(path, to));
  syncDirectory(path);
  return { ...confirmation, to };
}

/**
 * Archives in a folder that nothing confirms yet: a crash came between. They are read back, and compared again. What is
 * not by this ledger's key is none of them: its places are copied anew.
 *
 * @param known digests of manifests that are confirmed.
 * @throws SpanledgerError `archive_failed` for one that is not what the store has
 */
export async function unconfirmed(
  { store, path, ledgerId, signer }: Pick<ArchivingOptions, 'store' | 'path' | 'ledgerId' | 'signer'>,
  known: ReadonlySet<string>,
): Promise<Confirmation[]> {
  const found: Confirmation[] = [];
  const keys = [parseVkey(signer.vkey)];
  for (const { to, digest, read } of await archivesIn(path, ledgerId))
    if (!known.has(digest) && whyUnsigned(read, keys) === undefined)
      found.push(await confirmed(store, resolve(path), to));
  return found;
}

export interface ArchiveListed {
  /** The name of its folder. */
  to: string;
  digest: string;
  manifest: Manifest;
  read: ReadManifest;
}

/** Every archive of a ledger's partitions in a folder, by its manifest: its files are not looked at. */
export async function archivesIn(path: string, ledgerId: string): Promise<ArchiveListed[]> {
  const found: ArchiveListed[] = [];
  for (const to of foldersIn(path)) {
    const read = await manifestIn(join(path, to));
    if ('what' in read) continue;
    const { manifest, digest } = read;
    if (manifest.kind === 'partition' && manifest.ledger_id === ledgerId)
      found.push({ to, digest, manifest, read });
  }
  return found;
}

/** Names of what may be archives: what is being written is hidden. */
export function foldersIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((each) => each.isDirectory() && !each.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** What is confirmed of an archive, after every byte of it was read again, and every row compared with the store. */
async function confirmed(store: Store, path: string, to: string): Promise<Confirmation> {
  const archive = await ArchiveFolder.open(join(path, to));
  if (!(archive instanceof ArchiveFolder)) throw differs(join(path, to), archive.detail);
  try {
    const [problem] = archive.problems;
    if (problem !== undefined) throw differs(join(path, to), problem.detail);
    const { manifest, digest } = archive.read;
    const partition = { retentionClass: manifest.retention_class!, month: manifest.partition! };
    let places: Places = new Map();
    for (const file of archive.files) {
      const ranges = new Map(file.listed.ranges.map((each) => [each.chain_id, each.ranges]));
      const found: Fingerprint = new Fingerprints('records');
      for await (const group of file.rows())
        for (const raw of group) {
          const row = rowOf('records', raw);
          (found as Fingerprints).add(row, row.columns[0]!.stored);
        }
      const stored = await fingerprintIn(store, 'records', { ranges: rangesOf(ranges), partition });
      if (stored.rows !== found.rows || stored.sum !== found.sum)
        throw differs(join(path, to), `${file.listed.name} does not hold what the store has`);
      places = new Map([...places, ...joinedTo(places, ranges)]);
    }
    return {
      manifest: digest,
      retention_class: partition.retentionClass,
      partition: partition.month,
      to,
      rows: count(places),
      ranges: Object.fromEntries(places),
      checkpoint: manifest.checkpoint,
    };
  } finally {
    await archive.close();
  }
}

/** A chain may go on in the next file. */
function joinedTo(places: Places, more: Places): [string, (readonly [number, number])[]][] {
  return [...more].map(([chain, stretches]) => [chain, [...(places.get(chain) ?? []), ...stretches]]);
}

function rangesOf(places: Places) {
  return [...places].flatMap(([chainId, stretches]) =>
    stretches.map(([first, last]) => ({
      chainId,
      chainBytes: bytesOfName(chainId),
      from: BigInt(first),
      to: BigInt(last),
    })),
  );
}

function differs(path: string, detail: string): SpanledgerError {
  return new SpanledgerError('archive_failed', `${path}: ${detail}`, {
    hint: 'nothing was confirmed, and nothing leaves the ledger: move it aside, and the next run copies again',
  });
}
