import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, syncDirectory } from '../config/durable.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { decodeFrame, encodeFrame, type Frame, HEADER_BYTES } from './frame.ts';

/** A segment is closed and the next begun once it is larger than this. */
export const SEGMENT_BYTES = 16 * 1024 * 1024;

export interface Segment {
  path: string;
  /** lsn of its first frame. */
  first: number;
  bytes: number;
}

/**
 * An append-only log of frames in segment files.
 *
 * `append` returns at *commit*: the bytes are in the kernel, so the process may be killed and loses nothing.
 * `flushed` resolves at *flush*: `fdatasync` has returned, so the power may fail and nothing is lost. One sync
 * serves everyone who waits while the one before it runs.
 *
 * A sync that fails is never tried again: the kernel may have dropped the very pages it could not write and
 * report success the next time (fsyncgate). The log is then broken, and says so to every caller.
 */
export class Log {
  readonly #dir: string;
  /** Oldest first; the last is open for appending. */
  readonly #segments: Segment[];
  #fd: number;
  /** Of the same file, for `flushSync` alone. */
  #syncFd: number;
  #committed: number;
  #flushed: number;
  #broken: SpanledgerError | undefined;
  #sync: Promise<void> | undefined;
  /** Durable too, once the sync that was running when the last segment was closed has succeeded. */
  #rotated = 0;
  #closed: Promise<void> | undefined;
  /** Where the last `read` came to, so that the next need not begin at the head of its segment. */
  #cursor = { path: '', lsn: 0, offset: 0 };

  private constructor(dir: string, segments: Segment[], fd: number, committed: number) {
    this.#dir = dir;
    this.#segments = segments;
    this.#fd = fd;
    this.#syncFd = openSync(segments.at(-1)!.path, 'r+');
    this.#committed = committed;
    this.#flushed = committed;
  }

  /**
   * Opens the log in `dir`, making it if there is none. What a crash left is read to its last whole frame; a
   * torn end, which nobody was told of, is cut off; the rest is synced before anyone relies on it.
   *
   * @param trusted the last lsn known from elsewhere to be durable: a log that ends before it, or begins after
   * what follows it, is damaged. A damaged log is left as it is.
   * @throws SpanledgerError `journal_corrupt`
   */
  static open(dir: string, trusted = 0): Log {
    makeDirectory(dir);
    const segments = listSegments(dir);
    if (segments.length === 0 && trusted > 0)
      throw corrupt(dir, `it is empty, but frame ${trusted} was durable`);
    if (segments.length === 0) segments.push(newSegment(dir, 1));
    let committed = Math.min(segments[0]!.first - 1, trusted);
    const whole: number[] = [];
    for (const [index, segment] of segments.entries()) {
      if (segment.first !== committed + 1)
        throw corrupt(segment.path, `it begins at ${segment.first}, not ${committed + 1}`);
      const { last, bytes } = scan(segment);
      if (bytes < segment.bytes && index < segments.length - 1)
        throw corrupt(segment.path, `frame ${last + 1} is damaged`);
      whole.push(bytes);
      committed = last;
    }
    const open = segments.at(-1)!;
    if (committed < trusted)
      throw corrupt(open.path, `it ends at frame ${committed}, but ${trusted} was durable`);
    for (const [index, segment] of segments.entries()) cutAndSync(segment, whole[index]!);
    return new Log(dir, segments, openSync(open.path, 'a', 0o600), committed);
  }

  /** lsn of the first frame that has not been trimmed. */
  get first(): number {
    return this.#segments[0]!.first;
  }

  /** Why it no longer writes. */
  get broken(): SpanledgerError | undefined {
    return this.#broken;
  }

  /** lsn of the last frame appended. */
  get committed(): number {
    return this.#committed;
  }

  /** lsn up to which everything is durable. */
  get durable(): number {
    return this.#flushed;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /**
   * Commits one frame and returns its lsn. On any failure nothing of it remains.
   *
   * @throws SpanledgerError `journal_full` when the disk is, `journal_broken` when it no longer writes.
   */
  append(body: Buffer): number {
    this.#refuseIfBroken();
    if (this.#segments.at(-1)!.bytes >= SEGMENT_BYTES) this.#rotate();
    const segment = this.#segments.at(-1)!;
    const frame = encodeFrame(this.#committed + 1, body);
    try {
      writeFully(this.#fd, frame);
    } catch (error) {
      this.#undo(segment, error);
    }
    segment.bytes += frame.length;
    return ++this.#committed;
  }

  /** Resolves when everything committed before this call is durable. */
  async flush(): Promise<void> {
    const upTo = this.#committed;
    while (this.#flushed < upTo) {
      this.#refuseIfBroken();
      // One that is running may have begun too early for us: then we, or whoever wakes first, start the next.
      this.#sync ??= this.#startSync();
      await this.#sync;
    }
  }

  /**
   * Returns when everything committed before this call is durable. By a descriptor of its own, as old as the file:
   * the kernel tells each of a failed write once, and the other may be in the middle of asking.
   *
   * @throws SpanledgerError `audit_unavailable` where a segment was closed while a sync was running, which must
   * succeed first; `journal_broken`.
   */
  flushSync(): void {
    this.#refuseIfBroken();
    if (this.#flushed >= this.#committed) return;
    if (this.#rotated > this.#flushed)
      throw new SpanledgerError('audit_unavailable', 'a sync of the journal is running', {
        hint: 'try again',
      });
    try {
      fdatasyncSync(this.#syncFd);
    } catch (error) {
      throw this.#break(error);
    }
    this.#flushed = this.#committed;
  }

  /**
   * Frames from `lsn` on, read from disk, to the last committed.
   *
   * @throws SpanledgerError `journal_corrupt` when one of them is no longer there.
   */
  *read(lsn: number): Generator<Frame> {
    let next = lsn;
    const from = Math.max(
      0,
      this.#segments.findLastIndex((segment) => segment.first <= lsn),
    );
    for (const segment of this.#segments.slice(from)) {
      const known = this.#cursor.path === segment.path && this.#cursor.lsn <= next ? this.#cursor : undefined;
      const start = known?.offset ?? 0;
      const bytes = readFrom(segment, start);
      let offset = 0;
      for (let at = known?.lsn ?? segment.first; at <= this.#committed; at++) {
        if (offset === bytes.length) break;
        const frame = decodeFrame(bytes, offset, at);
        if (frame === undefined) throw corrupt(segment.path, `frame ${at} is damaged`);
        offset += HEADER_BYTES + frame.body.length;
        this.#cursor = { path: segment.path, lsn: at + 1, offset: start + offset };
        if (at < next) continue;
        next = at + 1;
        yield frame;
      }
    }
  }

  /**
   * Closes the open segment where it has any frame, so that `trim` may remove it.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  turn(): void {
    this.#refuseIfBroken();
    if (this.#segments.at(-1)!.bytes > 0) this.#rotate();
  }

  /** Removes the segments whose frames are all at or below `lsn`; the open one stays. */
  trim(lsn: number): void {
    while (this.#segments.length > 1 && this.#segments[1]!.first <= lsn + 1) {
      rmSync(this.#segments.shift()!.path);
    }
  }

  /** Flushes what is left, unless the log is broken, and lets go of the file. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    try {
      if (this.#broken === undefined) await this.flush();
    } finally {
      // A sync that is running still needs the descriptor.
      await this.#sync?.catch(() => undefined);
      closeSync(this.#fd);
      closeSync(this.#syncFd);
      this.#broken ??= new SpanledgerError('journal_broken', 'the journal is closed');
    }
  }

  async #startSync(): Promise<void> {
    const upTo = this.#committed;
    try {
      this.#refuseIfBroken();
      await new Promise<void>((resolve, reject) =>
        fdatasync(this.#fd, (error) => (error ? reject(error) : resolve())),
      );
      this.#refuseIfBroken();
      this.#flushed = Math.max(this.#flushed, upTo, this.#rotated);
    } catch (error) {
      throw this.#break(error);
    } finally {
      this.#sync = undefined;
    }
  }

  /** Everything in a closed segment is durable, so that only the last one can have a torn end. */
  #rotate(): void {
    const closing = this.#fd;
    try {
      fdatasyncSync(closing);
    } catch (error) {
      throw this.#break(error);
    }
    let segment: Segment;
    try {
      segment = newSegment(this.#dir, this.#committed + 1);
      const syncFd = openSync(segment.path, 'r+');
      try {
        this.#fd = openSync(segment.path, 'a', 0o600);
      } catch (error) {
        closeSync(syncFd);
        throw error;
      }
      closeSync(this.#syncFd);
      this.#syncFd = syncFd;
    } catch (error) {
      if (isFull(error)) throw this.#full(error);
      throw this.#break(error);
    }
    this.#segments.push(segment);
    // The kernel tells of a failed write once: it may have told the sync that is running, and not this one.
    if (this.#sync === undefined) this.#flushed = this.#committed;
    else this.#rotated = this.#committed;
    // A sync that is running still needs the descriptor.
    void (this.#sync ?? Promise.resolve()).catch(() => undefined).then(() => closeSync(closing));
  }

  #undo(segment: Segment, error: unknown): never {
    try {
      ftruncateSync(this.#fd, segment.bytes);
    } catch {
      throw this.#break(error);
    }
    throw isFull(error) ? this.#full(error) : this.#break(error);
  }

  #full(error: unknown): SpanledgerError {
    return new SpanledgerError('journal_full', `the journal's disk is full: ${messageOf(error)}`, {
      cause: error,
      hint: `free space at ${this.#dir}`,
    });
  }

  #break(error: unknown): SpanledgerError {
    this.#broken ??= new SpanledgerError(
      'journal_broken',
      `the journal can no longer write: ${messageOf(error)}`,
      {
        cause: error,
        hint: 'check the disk, then start the process again: what was acknowledged is kept',
      },
    );
    return this.#broken;
  }

  #refuseIfBroken(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }
}

export function listSegments(dir: string): Segment[] {
  return readdirSync(dir)
    .filter((name) => /^\d{16}\.log$/.test(name))
    .sort()
    .map((name) => ({
      path: join(dir, name),
      first: Number(name.slice(0, 16)),
      bytes: statSync(join(dir, name)).size,
    }));
}

/** There is one of this name already, and empty, where making it has failed half-way before. */
function newSegment(dir: string, first: number): Segment {
  const path = join(dir, `${String(first).padStart(16, '0')}.log`);
  closeSync(openSync(path, 'a', 0o600));
  syncDirectory(dir);
  return { path, first, bytes: 0 };
}

/** Writing failed for want of space, and may do once there is some. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

/** The bytes of a segment from `offset` to its present end. */
function readFrom(segment: Segment, offset: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.max(0, segment.bytes - offset));
  const fd = openSync(segment.path, 'r');
  try {
    let filled = 0;
    while (filled < bytes.length) {
      const got = readSync(fd, bytes, filled, bytes.length - filled, offset + filled);
      if (got === 0) throw corrupt(segment.path, `it ends at byte ${offset + filled} of ${segment.bytes}`);
      filled += got;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function scan(segment: Segment): { last: number; bytes: number } {
  const content = readFileSync(segment.path);
  let last = segment.first - 1;
  let bytes = 0;
  for (;;) {
    const frame = decodeFrame(content, bytes, last + 1);
    if (frame === undefined) return { last, bytes };
    bytes += HEADER_BYTES + frame.body.length;
    last += 1;
  }
}

function cutAndSync(segment: Segment, bytes: number): void {
  const fd = openSync(segment.path, 'r+');
  try {
    if (bytes < segment.bytes) ftruncateSync(fd, bytes);
    segment.bytes = bytes;
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeFully(fd: number, bytes: Buffer): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
}

function corrupt(path: string, what: string): SpanledgerError {
  return new SpanledgerError('journal_corrupt', `${path}: ${what}`, {
    hint: 'keep the file: records in it may never have reached the store; restore it from a backup, or move the journal aside',
  });
}
