import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { recordHash } from '../../chain/entry.ts';
import { MANIFEST_NAME, type Manifest } from '../../chain/manifest.ts';
import type { Vkey } from '../../chain/vkey.ts';
import type { Row } from '../../verify/scan.ts';
import type { ArchiveProblem } from '../../verify/source.ts';
import { ArchiveFolder } from './folder.ts';
import { foldersIn } from './partition.ts';
import { RangeWalk } from './ranges.ts';
import { rowOf } from './rows.ts';
import { checkpointOf, whyUnsigned } from './signed.ts';

export interface CheckedArchive {
  /** The name of its folder. */
  to: string;
  /** Null where there is no manifest to go by. */
  manifest: string | null;
  retention_class: string | null;
  partition: string | null;
  rows: number;
  /** Of those: they stand behind one that is there too, and hash over it. */
  linked: number;
  problems: { code: string; chain_id: string; seq: number; detail: string }[];
}

/**
 * Checks every archive of a folder, or the one that it is, by nothing but its files and the ledger's keys: who signed the
 * manifest, every byte, every row. What is missing altogether only the ledger can tell.
 *
 * @throws SpanledgerError `archive_refused`, `file_unreadable`
 */
export async function* checkArchives(path: string, keys: readonly Vkey[]): AsyncGenerator<CheckedArchive> {
  const at = resolve(path);
  const isOne = existsSync(join(at, MANIFEST_NAME));
  for (const to of isOne ? [basename(at)] : foldersIn(at))
    yield await checkArchive(isOne ? dirname(at) : at, to, keys);
}

async function checkArchive(path: string, to: string, keys: readonly Vkey[]): Promise<CheckedArchive> {
  const archive = await ArchiveFolder.open(join(path, to));
  const checked: CheckedArchive = {
    ...{ to, manifest: null, retention_class: null, partition: null },
    ...{ rows: 0, linked: 0, problems: [] },
  };
  const say = (what: ArchiveProblem['what'], detail: string, chainId = '', seq = 0n) =>
    checked.problems.push({
      code: what === 'manifest' ? 'manifest_invalid' : `archive_${what}`,
      ...{ chain_id: chainId, seq: Number(seq), detail },
    });
  if (!(archive instanceof ArchiveFolder)) {
    say(archive.what, archive.detail);
    return checked;
  }
  try {
    const { manifest, digest } = archive.read;
    const { retention_class = null, partition = null } = manifest;
    Object.assign(checked, { manifest: digest, retention_class, partition });
    for (const { what, detail, chainId, seq } of archive.problems) say(what, detail, chainId, seq);
    const unsigned = whyUnsigned(archive.read, keys);
    if (unsigned !== undefined) say('manifest', unsigned);
    const checkpoint = checkpointOf(archive.read, keys);
    if (typeof checkpoint === 'string') say('manifest', checkpoint);
    if (manifest.kind !== 'partition')
      say('manifest', 'it is of a whole ledger: `spanledger verify --archive` checks it');
    else await checkRows(archive, checked, say);
    return checked;
  } finally {
    await archive.close();
  }
}

async function checkRows(
  { files, read: { manifest } }: ArchiveFolder,
  checked: CheckedArchive,
  say: (what: ArchiveProblem['what'], detail: string, chainId?: string, seq?: bigint) => unknown,
): Promise<void> {
  let before: Row | undefined;
  for (const file of files) {
    const { name, kind, rows, ranges } = file.listed;
    const walk = new RangeWalk(ranges);
    let found = 0;
    /** Once a file. */
    let amiss: string | undefined;
    for await (const group of file.rows())
      for (const raw of group) {
        const row = rowOf(kind, raw);
        const isNext = before?.chainId === row.chainId && before.seq + 1n === row.seq;
        const why = walk.has(row.chainId, row.seq)
          ? whyAmiss(row, isNext ? before : undefined, manifest)
          : 'stands where its ranges have nothing';
        if (why !== undefined && amiss === undefined) {
          amiss = why;
          say('mismatch', `${name}: the record ${why}`, row.chainId, row.seq);
        } else if (isNext) checked.linked += 1;
        found += 1;
        before = row;
      }
    checked.rows += found;
    if (found !== rows) say('manifest', `${name} has ${found} rows, not ${rows}`);
  }
}

/** @param before the record of the place before, where it is there. */
function whyAmiss(row: Row, before: Row | undefined, manifest: Manifest): string | undefined {
  const { chainId, seq, live, expiresAt, payloadDigest, columns } = row;
  const isOfClass = columns.every(
    ({ stored, expected }) => stored === manifest.retention_class && expected === stored,
  );
  if (!live || !isOfClass) return `is none of class ${manifest.retention_class}`;
  const month = new Date(expiresAt * 1_000).toISOString().slice(0, 7).replace('-', '');
  if (month !== manifest.partition) return `expires in ${month}, not in ${manifest.partition}`;
  if (before === undefined) return undefined;
  const { ledger_id: ledgerId } = manifest;
  const { recordHash: prevHash } = before;
  return recordHash({ ledgerId, chainId, seq, expiresAt, prevHash, payloadDigest }) === row.recordHash
    ? undefined
    : 'does not hash over the one before it';
}
