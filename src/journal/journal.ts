import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import type { ChainHead, SealedRecord } from '../chain/seal.ts';
import { makeDirectory } from '../config/durable.ts';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { Memory } from '../record/memory.ts';
import { type Change, decodeBody, decodeRecords, encodeBody } from './body.ts';
import { type Gone, leftOf, tracesOf } from './forget.ts';
import { journalKey } from './key.ts';
import { FileLock } from './lock.ts';
import { Log, SEGMENT_BYTES } from './log.ts';
import { Remembered } from './remembered.ts';

/** Past this size the journal refuses more: the store has been away for too long. 10 GiB. */
export const DEFAULT_MAX_BYTES = 10 * 1024 ** 3;
/** What was committed is durable within this time, also if nobody waits for it. In milliseconds. */
const FLUSH_WITHIN = 1_000;
/** There was no space: so long until the next try. In milliseconds. */
const TRY_AGAIN_AFTER = 5_000;

/** A chain as its journal knows it. */
export interface ChainState extends ChainHead {
  /** The keeper's; else a chain of records. */
  role?: 'control';
  /** `chain_closed` is written. */
  closed: boolean;
  /** The store holds something else where this chain would go on: nothing more is appended to it. */
  stopped?: true;
  /** Its last checkpoint, or its beginning: the chain's size after that record, and when, in microseconds. */
  checkpoint: { size: number; at: number };
}

/** How far the store has confirmed: frames before `lsn`, and of that frame the first `records`. */
export interface Shipped {
  lsn: number;
  records: number;
  /** The last record confirmed. */
  chainId?: string;
  size?: number;
  head?: string;
}

const CHAIN = 'state|chain';
export const SHIPPED = 'state|shipped';
export const BATCH = 'state|batch';

/** Memory as a transaction finds it: nothing else changes it meanwhile, so that each key is looked up once. */
class Found implements Pick<Memory, 'get'> {
  readonly #base: Pick<Memory, 'get'>;
  readonly #values = new Map<string, unknown>();

  constructor(base: Pick<Memory, 'get'>) {
    this.#base = base;
  }

  get(key: string): unknown {
    const known = this.#values.get(key);
    if (known !== undefined || this.#values.has(key)) return known;
    const value = this.#base.get(key);
    this.#values.set(key, value);
    return value;
  }
}

/** The one transaction: sees its own writes, and commits them with its records or not at all. */
export class Transaction implements Memory {
  readonly records: SealedRecord[] = [];
  readonly #writes = new Map<string, unknown>();
  readonly #base: Pick<Memory, 'get'>;

  constructor(base: Pick<Memory, 'get'>) {
    this.#base = base;
  }

  get(key: string): unknown {
    const written = this.#writes.get(key);
    return written !== undefined || this.#writes.has(key) ? written : this.#base.get(key);
  }

  set(key: string, value: unknown): void {
    this.#writes.set(key, value);
  }

  /** Part of the transaction that may fail alone: if `work` throws, only its own records and writes are gone. */
  attempt<T>(work: (part: Transaction) => T): T {
    const part = new Transaction(this);
    const result = work(part);
    this.records.push(...part.records);
    for (const [key, value] of part.#writes) this.#writes.set(key, value);
    return result;
  }

  get chain(): ChainState | undefined {
    return this.get(CHAIN) as ChainState | undefined;
  }

  set chain(state: ChainState) {
    this.set(CHAIN, state);
  }

  /** Everything before `end` needs no shipping any more. */
  moveShipped(end: Shipped): void {
    this.set(SHIPPED, end);
    this.set(BATCH, null);
  }

  get change(): Change {
    return { records: this.records, writes: [...this.#writes] };
  }
}

/**
 * What a process has acknowledged and the store has not confirmed yet; the chain's head; and the memory of
 * what it has seen. One a process, under an exclusive lock.
 */
export class Journal {
  readonly dir: string;
  readonly #lock: FileLock;
  readonly #log: Log;
  readonly #remembered: Remembered;
  readonly #maxBytes: number;
  #key: Buffer | undefined;
  #closed: Promise<void> | undefined;
  /** A flush that nobody asked for: due, or running. */
  #due: { timer: NodeJS.Timeout; at: number } | undefined;
  #flushing: Promise<void> | undefined;
  #tidyAgainAt = 0;
  /** When the record at the place shipping has come to was recorded. */
  #oldest: { lsn: number; records: number; at: number } | undefined;

  private constructor(dir: string, lock: FileLock, log: Log, remembered: Remembered, maxBytes: number) {
    this.dir = dir;
    this.#lock = lock;
    this.#log = log;
    this.#remembered = remembered;
    this.#maxBytes = maxBytes;
    for (const frame of log.read(remembered.applied + 1))
      remembered.stage(frame.lsn, decodeBody(frame.body).writes);
    if (log.first > this.shipped.lsn)
      throw new SpanledgerError(
        'journal_corrupt',
        `${dir}: its log begins at frame ${log.first}, but ${this.shipped.lsn} has not been shipped`,
        { hint: 'restore it from a backup, or move the journal aside' },
      );
  }

  /** Opens the journal at `dir`, or answers undefined while another process has it. */
  static open(dir: string, maxBytes = DEFAULT_MAX_BYTES): Journal | undefined {
    makeDirectory(dir);
    const lock = FileLock.take(join(dir, 'lock'));
    if (lock === undefined) return undefined;
    let remembered: Remembered | undefined;
    let log: Log | undefined;
    try {
      remembered = Remembered.open(join(dir, 'memory'));
      log = Log.open(join(dir, 'log'), remembered.applied);
      return new Journal(dir, lock, log, remembered, maxBytes);
    } catch (error) {
      void log?.close();
      void remembered?.close();
      lock.release();
      throw error;
    }
  }

  /** Takes over an unlocked journal of the role, with all it remembers, or makes one. */
  static takeOver(journals: string, role: string, maxBytes = DEFAULT_MAX_BYTES): Journal {
    for (const name of listJournals(journals)) {
      if (name.slice(0, name.lastIndexOf('-')) !== role) continue;
      const journal = Journal.open(join(journals, name), maxBytes);
      if (journal !== undefined) return journal;
    }
    for (;;) {
      // Somebody who looks for one to take over may lock it first.
      const journal = Journal.open(join(journals, `${role}-${randomBytes(4).toString('hex')}`), maxBytes);
      if (journal !== undefined) return journal;
    }
  }

  /**
   * Runs `work` and commits what it set and appended, in one frame: after that SIGKILL loses nothing. If it
   * throws, nothing happened. Without anybody asking, it is flushed within about a second.
   *
   * @param own what the journal must tell of itself, past its limit too: a gap, the end of its chain, a fork.
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  transact<T>(work: (transaction: Transaction) => T, own?: 'own'): T {
    if (this.#remembered.refusal !== undefined) throw this.#remembered.refusal;
    const transaction = new Transaction(new Found(this.#remembered));
    const result = work(transaction);
    const { change } = transaction;
    if (change.records.length === 0 && change.writes.length === 0) return result;
    if (change.records.length > 0 && own === undefined && this.#isFull) throw this.#fullError();
    const lsn = this.#log.append(encodeBody(change));
    this.#remembered.stage(lsn, change.writes);
    this.#flushSoon(this.#remembered.isFull && Date.now() >= this.#tidyAgainAt ? 0 : FLUSH_WITHIN);
    return result;
  }

  /**
   * Resolves when everything committed before this call is durable: after that power loss loses nothing.
   *
   * @throws SpanledgerError `journal_broken`; `journal_full` when the memory has grown and cannot be written.
   */
  async flush(): Promise<void> {
    await this.#log.flush();
    if (this.#remembered.broken !== undefined) throw this.#remembered.broken;
    if (this.#remembered.isFull) await this.tidy();
  }

  /**
   * As `flush`, for a caller that cannot wait in any other way: the thread stands still for one `fdatasync`.
   *
   * @throws SpanledgerError `journal_broken`
   */
  flushSync(): void {
    this.#log.flushSync();
    if (this.#remembered.broken !== undefined) throw this.#remembered.broken;
  }

  /** A commit starts what makes it durable, for an app that never asks for it. */
  #flushSoon(within: number): void {
    if (this.#closed !== undefined || this.#flushing !== undefined) return;
    const at = Date.now() + within;
    if (this.#due !== undefined && this.#due.at <= at) return;
    clearTimeout(this.#due?.timer);
    const timer = setTimeout(() => {
      this.#due = undefined;
      this.#flushing = this.#flushUnasked().then((again) => {
        this.#flushing = undefined;
        if (again) this.#flushSoon(FLUSH_WITHIN);
      });
    }, within).unref();
    this.#due = { timer, at };
  }

  /**
   * Nobody hears what fails here, and nothing is lost by it: a log or a memory that is broken says so to whoever
   * commits or flushes next; a memory that found no space is tried again, and says so to whoever flushes.
   *
   * @returns whether there is more to do.
   */
  async #flushUnasked(): Promise<boolean> {
    try {
      await this.#log.flush();
      if (this.#remembered.isFull && Date.now() >= this.#tidyAgainAt) await this.tidy();
      return this.#remembered.isFull || this.#log.durable < this.#log.committed;
    } catch (error) {
      this.#tidyAgainAt = Date.now() + TRY_AGAIN_AFTER;
      return isSpanledgerError(error, 'journal_full');
    }
  }

  get chain(): ChainState | undefined {
    return this.#remembered.get(CHAIN) as ChainState | undefined;
  }

  /**
   * The seed its writer's chains are signed with. Made at the first.
   *
   * @throws SpanledgerError `config_invalid`, `journal_full`, `journal_broken`
   */
  get key(): Buffer {
    this.#key ??= journalKey(this.dir);
    return this.#key;
  }

  get shipped(): Shipped {
    return (this.#remembered.get(SHIPPED) as Shipped | undefined) ?? { lsn: 1, records: 0 };
  }

  get(key: string): unknown {
    return this.#remembered.get(key);
  }

  /** Where the next frame will be: all that is committed stands before it, as in `shipped.lsn`. */
  get end(): number {
    return this.#log.committed + 1;
  }

  /** Records that are durable here and not confirmed by the store, oldest first, with where each ends. */
  *unshipped(): Generator<{ record: SealedRecord; end: Shipped }> {
    const from = this.shipped;
    for (const frame of this.#log.read(from.lsn)) {
      if (frame.lsn > this.#log.durable) return;
      const records = decodeRecords(frame.body);
      const skip = frame.lsn === from.lsn ? from.records : 0;
      for (const [i, record] of records.entries()) {
        if (i < skip) continue;
        const last = i === records.length - 1;
        const { chainId, seq, recordHash } = record;
        yield {
          record,
          end: {
            lsn: last ? frame.lsn + 1 : frame.lsn,
            records: last ? 0 : i + 1,
            chainId,
            size: seq + 1,
            head: recordHash,
          },
        };
      }
    }
  }

  /**
   * How long the oldest record has waited that the store has not confirmed; 0 when none waits.
   *
   * @param now milliseconds since the epoch
   */
  oldestUnshippedSeconds(now: number): number {
    const { lsn, records } = this.shipped;
    // To look costs a segment's reading, and whoever probes may ask often. That none waits is soon another thing.
    if (this.#oldest?.lsn !== lsn || this.#oldest.records !== records) {
      const oldest = this.unshipped().next();
      if (oldest.done === true) return 0;
      const { recorded_at } = JSON.parse(oldest.value.record.payload) as { recorded_at: string };
      this.#oldest = { lsn, records, at: Date.parse(recorded_at) };
    }
    return Math.max(0, (now - this.#oldest.at) / 1_000);
  }

  /** Records that need no shipping any more and are still in the log, oldest first. */
  *retained(): Generator<SealedRecord> {
    const to = this.shipped;
    for (const frame of this.#log.read(this.#log.first)) {
      if (frame.lsn > to.lsn) return;
      const records = decodeRecords(frame.body);
      yield* frame.lsn === to.lsn ? records.slice(0, to.records) : records;
    }
  }

  /** The store has confirmed everything before `end`. */
  markShipped(end: Shipped): void {
    this.transact((transaction) => transaction.moveShipped(end));
  }

  /** Writes memory to where it outlives the log, and lets go of what the store has confirmed. */
  async tidy(): Promise<void> {
    const { shipped } = this;
    await this.#remembered.apply(this.#log, Date.now());
    this.#log.trim(Math.min(this.#remembered.applied, shipped.lsn - 1));
  }

  /**
   * Lets go of what was erased: of each record its bytes in the log, of its data keys and of whom it was about what memory
   * knows. Log and memory go on in new files, and the old are gone when it resolves. What it has once let go of costs no
   * more than a look.
   *
   * @returns false where records wait that the store has not confirmed: the log is kept until they are.
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  async forget(gone: Gone): Promise<boolean> {
    const traces = tracesOf(this.#remembered.all(), gone);
    const writes: [string, unknown][] = [];
    for (const [key, value] of this.#remembered.all()) {
      const left = leftOf(key, value, gone, traces);
      if (left !== value) writes.push([key, left]);
    }
    if (writes.length === 0 && !this.#logHas(gone)) return true;
    await this.flush();
    if (!this.unshipped().next().done) return false;
    // In one go, so that no record comes between: all before the end is shipped, and memory knows it.
    const { shipped } = this;
    this.transact((transaction) => {
      for (const [key, value] of writes) transaction.set(key, value);
      transaction.moveShipped({ ...shipped, lsn: this.end + 1, records: 0 });
    });
    const end = this.shipped.lsn;
    this.#log.turn();
    await this.#remembered.rewrite(this.#log, Date.now());
    this.#log.trim(Math.min(this.#remembered.applied, end - 1));
    return true;
  }

  #logHas(gone: Gone): boolean {
    for (const frame of this.#log.read(this.#log.first))
      if (decodeRecords(frame.body).some(({ chainId, seq }) => gone.has(chainId, seq))) return true;
    return false;
  }

  /** True when tidying would free a segment. */
  get isUntidy(): boolean {
    return this.#remembered.isFull || this.#log.bytes > 2 * SEGMENT_BYTES;
  }

  /** Why it takes no records now: for good, or until the store has taken what waits. */
  get refusal(): SpanledgerError | undefined {
    return this.#log.broken ?? this.#remembered.refusal ?? (this.#isFull ? this.#fullError() : undefined);
  }

  get bytes(): number {
    return this.#log.bytes;
  }

  quarantined(): Generator<[string, unknown]> {
    return this.#remembered.entries('quarantined');
  }

  /** What is remembered of a space that the keeper has: values by what follows the space's name. */
  *remembered(space: 'listed' | 'enrolled' | 'lawful' | 'hold'): Generator<[string, unknown]> {
    for (const [key, value] of this.#remembered.entries(space)) yield [key.slice(space.length + 1), value];
  }

  /** Flushes, tidies and lets go of the lock; a broken journal only lets go. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#due?.timer);
    await this.#flushing;
    try {
      await this.#log.flush();
      await this.tidy();
    } finally {
      await this.#log.close();
      await this.#remembered.close();
      this.#lock.release();
    }
  }

  get #isFull(): boolean {
    return this.#log.bytes >= this.#maxBytes;
  }

  #fullError(): SpanledgerError {
    return new SpanledgerError(
      'journal_full',
      `the journal at ${this.dir} holds ${this.#log.bytes} bytes the store has not taken`,
      { hint: 'bring the store back, or raise the limit' },
    );
  }
}

export function listJournals(journals: string): string[] {
  return existsSync(journals)
    ? readdirSync(journals)
        .filter((name) => /-[0-9a-f]{8}$/.test(name))
        .sort()
    : [];
}
