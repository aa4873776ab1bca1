import { createHash, hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  MANIFEST_NAME,
  MAX_MANIFEST_BYTES,
  type ManifestFile,
  type ReadManifest,
  readManifest,
} from '../../chain/manifest.ts';
import { messageOf, SpanledgerError } from '../../errors.ts';
import type { ArchiveProblem } from '../../verify/source.ts';
import { type FileRow, readParquet } from './parquet.ts';

const READ_BYTES = 1024 * 1024;

/** An archive in a folder: its manifest, and those of its files that are what that says. */
export class ArchiveFolder {
  readonly path: string;
  readonly read: ReadManifest;
  /** What is not as the manifest says. */
  readonly problems: readonly ArchiveProblem[];
  /** Files that are, open: in the manifest's order. */
  readonly files: readonly ArchiveFile[];

  private constructor(
    path: string,
    read: ReadManifest,
    problems: readonly ArchiveProblem[],
    files: readonly ArchiveFile[],
  ) {
    this.path = path;
    this.read = read;
    this.problems = problems;
    this.files = files;
  }

  /**
   * Opens the files, and compares every byte of them with the manifest's digests.
   *
   * @returns the problem alone where there is no manifest to go by.
   * @throws SpanledgerError `file_unreadable`; `archive_refused` for what leads out of the folder
   */
  static async open(path: string): Promise<ArchiveFolder | ArchiveProblem> {
    const read = await manifestIn(path);
    if ('what' in read) return read;
    const problems: ArchiveProblem[] = read.problems.map(({ chainId, seq, detail }) => ({
      what: 'manifest',
      chainId,
      seq: BigInt(seq),
      detail,
    }));
    const listed = new Set(read.manifest.files.map(({ name }) => name));
    for (const name of (await readdir(path)).sort())
      if (name !== MANIFEST_NAME && !listed.has(name))
        problems.push(about('unlisted', `no manifest lists ${JSON.stringify(name)}`));
    const files: ArchiveFile[] = [];
    for (const file of read.manifest.files) {
      const opened = await ArchiveFile.open(path, file);
      if (opened instanceof ArchiveFile) files.push(opened);
      else problems.push(opened);
    }
    return new ArchiveFolder(path, read, problems, files);
  }

  async close(): Promise<void> {
    for (const file of this.files) await file.close();
  }
}

/** A file of an archive that is, to the byte, what its manifest says. */
export class ArchiveFile {
  readonly listed: ManifestFile;
  readonly #handle: FileHandle;
  /** When it was last changed, as it was hashed. */
  readonly #changed: bigint;

  private constructor(listed: ManifestFile, handle: FileHandle, changed: bigint) {
    this.listed = listed;
    this.#handle = handle;
    this.#changed = changed;
  }

  static async open(folder: string, listed: ManifestFile): Promise<ArchiveFile | ArchiveProblem> {
    const { name, bytes, sha256 } = listed;
    const place = listed.ranges[0]!;
    const problem = (what: ArchiveProblem['what'], detail: string): ArchiveProblem => ({
      what,
      chainId: place.chain_id,
      seq: BigInt(place.ranges[0]![0]),
      detail: `${name} ${detail}`,
    });
    const handle = await openIn(folder, name);
    if (handle === undefined) return problem('missing', 'is not there');
    try {
      const { size } = await handle.stat();
      const found = size === bytes ? await digestOf(handle, size) : undefined;
      if (found === sha256) {
        const { ctimeNs } = await handle.stat({ bigint: true });
        return new ArchiveFile(listed, handle, ctimeNs);
      }
      await handle.close();
      return problem('mismatch', size === bytes ? 'has other bytes' : `has ${size} bytes, not ${bytes}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** One that was just written, as it is: no manifest lists it yet. */
  static async written(
    folder: string,
    { name, kind }: Pick<ManifestFile, 'name' | 'kind'>,
  ): Promise<ArchiveFile> {
    const handle = await openIn(folder, name);
    if (handle === undefined) throw gone(join(folder, name));
    const { size, ctimeNs } = await handle.stat({ bigint: true });
    const bytes = Number(size);
    const listed = { name, bytes, sha256: await digestOf(handle, bytes), kind, rows: 0, ranges: [] };
    return new ArchiveFile(listed, handle, ctimeNs);
  }

  /** Its rows, a group at a time. @throws SpanledgerError `archive_refused` */
  rows(): AsyncGenerator<FileRow[]> {
    const { bytes: byteLength } = this.listed;
    const slice = async (start: number, end = byteLength) => {
      const bytes = new ArrayBuffer(end - start);
      await readFully(this.#handle, new Uint8Array(bytes), start);
      return bytes;
    };
    return readParquet({ byteLength, slice }, this.listed);
  }

  /** Whether it has been written to since it was opened. */
  async isChanged(): Promise<boolean> {
    return (await this.#handle.stat({ bigint: true })).ctimeNs !== this.#changed;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * The manifest of an archive, without any of its files; the problem where there is none to go by.
 *
 * @throws SpanledgerError `file_unreadable`, `archive_refused`
 */
export async function manifestIn(folder: string): Promise<ReadManifest | ArchiveProblem> {
  const bytes = await manifestBytes(folder);
  if (bytes === undefined) return about('missing', `there is no ${MANIFEST_NAME} in it`);
  const read = readManifest(bytes);
  return 'problem' in read ? about('manifest', read.problem) : read;
}

/** Undefined where there is none. */
async function manifestBytes(folder: string): Promise<Uint8Array | undefined> {
  const handle = await openIn(folder, MANIFEST_NAME);
  if (handle === undefined) return undefined;
  try {
    const { size } = await handle.stat();
    if (size > MAX_MANIFEST_BYTES)
      throw new SpanledgerError(
        'archive_refused',
        `${join(folder, MANIFEST_NAME)} has ${size} bytes, and a manifest has at most ${MAX_MANIFEST_BYTES}`,
        { hint: 'it is no manifest of this program: take the archive from where it was made' },
      );
    const bytes = new Uint8Array(size);
    await readFully(handle, bytes, 0);
    return bytes;
  } finally {
    await handle.close();
  }
}

/** A file of that folder itself: a link would be somewhere else, and a pipe never end. */
async function openIn(folder: string, name: string): Promise<FileHandle | undefined> {
  const path = join(folder, name);
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw noFile(path, cause);
    throw new SpanledgerError('file_unreadable', `${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'may this user read every file of the archive?',
    });
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw noFile(path);
}

function gone(path: string): SpanledgerError {
  return new SpanledgerError('archive_failed', `${path} was written, and is not there`, {
    hint: 'does the store run on this machine?',
  });
}

function noFile(path: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('archive_refused', `${path} is no file, but leads elsewhere`, {
    cause,
    hint: 'an archive is plain files in one folder: take it from where it was made',
  });
}

async function digestOf(handle: FileHandle, size: number): Promise<string> {
  if (size === 0) return hash('sha256', '');
  const digest = createHash('sha256');
  const buffer = new Uint8Array(Math.min(READ_BYTES, size));
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    digest.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return digest.digest('hex');
}

async function readFully(handle: FileHandle, into: Uint8Array, start: number): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await handle.read(into, at, into.length - at, start + at);
    if (bytesRead === 0) throw new SpanledgerError('archive_refused', 'it ends before its end');
    at += bytesRead;
  }
}

function about(what: ArchiveProblem['what'], detail: string): ArchiveProblem {
  return { what, chainId: '', seq: 0n, detail };
}
