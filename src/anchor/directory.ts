import { hash, randomBytes } from 'node:crypto';
import { access, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../errors.ts';
import {
  type Anchor,
  type Anchored,
  type Checkpoint,
  folderOf,
  MAX_NOTE_BYTES,
  placeOf,
  type ReceiptOf,
  sizeAt,
  TIME_LIMIT_MS,
  taken,
  unreachable,
  type Wanted,
  within,
} from './anchor.ts';

export interface DirectoryOptions {
  name: string;
  /** Must be there: where a mount is missing, its empty mount point would take what nobody else then sees. */
  path: string;
  /** @default TIME_LIMIT_MS */
  timeLimitMs?: number;
}

/** A file a checkpoint, never overwritten: on a WORM mount, in a Git work tree, on somebody else's share. Attests no time. */
export class DirectoryAnchor implements Anchor {
  readonly kind = 'directory';
  readonly name: string;
  readonly #path: string;
  readonly #limit: number;

  constructor({ name, path, timeLimitMs = TIME_LIMIT_MS }: DirectoryOptions) {
    this.name = name;
    this.#path = path;
    this.#limit = timeLimitMs;
  }

  publish({ origin, size, root, note }: Checkpoint): Promise<ReceiptOf<'directory'>> {
    return within(this.name, this.#limit, async () => {
      const file = placeOf(origin, size);
      const path = join(this.#path, file);
      await this.#within(async () => {
        await makeFolder(dirname(path));
        await createFile(path, note);
      });
      // What is there counts, not what was written: by us now, by us before, or by somebody else.
      const there = await this.#within(() => readNote(path));
      if (there !== note) throw taken(this.name, path);
      const proof = { file, sha256: hash('sha256', note) };
      return { anchor: this.name, kind: this.kind, origin, size, root, proof };
    });
  }

  async list({ origin, from = 0 }: Wanted): Promise<Anchored[]> {
    const folder = folderOf(origin);
    const names = await within(this.name, this.#limit, () => this.#within(() => this.#namesIn(folder)));
    const wanted = names.filter((name) => (sizeAt(name) ?? -1) >= from).sort();
    const anchored: Anchored[] = [];
    for (const name of wanted) {
      const place = `${folder}/${name}`;
      const read = () => this.#within(() => readNote(join(this.#path, place)));
      const note = await within(this.name, this.#limit, read);
      anchored.push({ anchor: this.name, kind: this.kind, place, note });
    }
    return anchored;
  }

  async #namesIn(folder: string): Promise<string[]> {
    await access(this.#path);
    return await readdir(join(this.#path, folder)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
  }

  async #within<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw unreachable(this.name, messageOf(error), error, hintFor(error, this.#path));
    }
  }
}

/** Makes the one folder of this ledger, not those above it. Durable when it resolves. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // Also where it was there: whoever made it may have been killed before this.
  await syncFolder(dirname(path));
}

/** A file system that has no hard links says one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']);

/** Writes a file whole, for everybody to read, unless there is one. Durable when it resolves. */
async function createFile(path: string, content: string): Promise<void> {
  if (!(await exists(path))) {
    const draft = join(dirname(path), `.draft-${randomBytes(8).toString('hex')}`);
    try {
      const file = await open(draft, 'wx', 0o444);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await place(draft, path);
    } finally {
      // A WORM mount may keep even this: it is none of the names that are read.
      await rm(draft, { force: true }).catch(() => {});
    }
  }
  await syncFolder(dirname(path));
}

/** Under its name, in nobody's stead. */
async function place(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code === undefined || !NO_LINKS.has(code)) throw error;
    // Without links only a look before says whether there is one; a ledger has one keeper.
    if (!(await exists(path))) await rename(draft, path);
  }
}

async function exists(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return found !== undefined;
}

/** As much of it as a note may have, and a byte: what is longer is no note, and must not look like one. */
async function readNote(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_NOTE_BYTES + 1), 0, MAX_NOTE_BYTES + 1, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function hintFor(error: unknown, path: string): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return `make space at ${path}; the checkpoint stays due`;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return `is ${path} mounted? The anchor's folder is not made for you`;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `let this process read ${path} and make new files there`;
  return 'the checkpoint stays due';
}
