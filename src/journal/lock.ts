import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
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
  /** What stood in the file, where it is to stand there again. */
  readonly #before: string | undefined;

  private constructor(fd: number, before?: string) {
    this.#fd = fd;
    this.#before = before;
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
    write(fd, `${process.pid}\n`);
    return new FileLock(fd);
  }

  /**
   * As `take`, for whoever changes nothing: the file must be there, and what stood in it stands in it again once the
   * lock is released.
   */
  static borrow(path: string): FileLock | undefined {
    const fd = openSync(path, constants.O_RDWR | constants.O_APPEND);
    if (!tryLock(fd)) {
      closeSync(fd);
      return undefined;
    }
    const before = readFileSync(path, 'utf8');
    write(fd, `${process.pid}\n`);
    return new FileLock(fd, before);
  }

  /** Whether somebody holds it. Who asks has it himself for that moment, shared with others who ask. */
  static isHeld(path: string): boolean {
    const fd = openSync(path, 'r');
    try {
      return !tryLock(fd, 0, 0, { shared: true });
    } finally {
      closeSync(fd);
    }
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
    if (this.#fd !== undefined) {
      if (this.#before !== undefined) write(this.#fd, this.#before);
      closeSync(this.#fd);
    }
    this.#fd = undefined;
  }
}

function write(fd: number, text: string): void {
  ftruncateSync(fd);
  writeSync(fd, text);
}
