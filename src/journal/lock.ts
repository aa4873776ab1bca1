import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { makeDirectory } from '../config/durable.ts';

/**
 * An exclusive lock on a file, held until released or until the process is gone, however it goes: an open file
 * description lock (fcntl F_OFD_SETLK; LockFileEx on Windows), which the kernel lets go by itself. Other than a
 * file with a process id in it, it cannot be left behind by SIGKILL, nor fooled by a reused id or a container.
 */
export class FileLock {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Undefined when another process, or another part of this one, holds it. */
  static take(path: string): FileLock | undefined {
    makeDirectory(dirname(path));
    const fd = openSync(path, 'a+', 0o600);
    if (!tryLock(fd)) {
      closeSync(fd);
      return undefined;
    }
    // For people only: the lock itself is what counts.
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
    return new FileLock(fd);
  }

  /** The process that says it holds the lock, for an error message. */
  static holder(path: string): string | undefined {
    try {
      return /^\d+/.exec(readFileSync(path, 'utf8'))?.[0];
    } catch {
      return undefined;
    }
  }

  /** Once: the descriptor's number may be somebody else's by the second time. */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
