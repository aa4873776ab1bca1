import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** A new file's or folder's name is durable only once its directory is. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder, and those above it, readable by its owner only. Durable when it returns. */
export function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    // Not `recursive`: where nothing can be made, in /proc, Node would try for ever.
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    if (!exists || statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
  syncDirectory(parent);
}

/** Writes a file whole, for its owner only, unless it is there already: two processes may start at once. */
export function createOnce(path: string, content: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  const draft = writeDraft(path, content);
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  syncDirectory(dirname(path));
}

/** Writes a file whole, for its owner only, in place of what was there. */
export function replaceFile(path: string, content: string): void {
  makeDirectory(dirname(path));
  renameSync(writeDraft(path, content), path);
  syncDirectory(dirname(path));
}

function writeDraft(path: string, content: string): string {
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  const fd = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } catch (error) {
    // Whoever tries again, on a disk that is full, must not leave one each time.
    rmSync(draft);
    throw error;
  } finally {
    closeSync(fd);
  }
  return draft;
}
