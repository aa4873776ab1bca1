import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { type Database, open, type RootDatabase } from 'lmdb';
import { makeDirectory, syncDirectory } from '../config/durable.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { refuseDamaged } from './lmdb-file.ts';
import { isFull, type Log } from './log.ts';

/** How long a space of keys is kept: at least `milliseconds` after a key was last set, unless there are too many. */
interface Keep {
  milliseconds: number;
  /** Past half of this many keys a generation ends early, but never before `atLeast`. */
  keys: number;
  atLeast: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The duplicate window is 24 h or 20 million keys, never under 15 minutes; a conversation lasts longer. */
const DUPLICATES: Keep = { milliseconds: DAY, keys: 20_000_000, atLeast: 15 * MINUTE };
const CONVERSATIONS: Keep = { milliseconds: 30 * DAY, keys: 5_000_000, atLeast: DAY };
/** Whoever looks into it has a quarter of a year, unless somebody sends a flood. */
const QUARANTINE: Keep = { milliseconds: 90 * DAY, keys: 100_000, atLeast: 0 };
const FOR_EVER: Keep = { milliseconds: Number.POSITIVE_INFINITY, keys: Number.POSITIVE_INFINITY, atLeast: 0 };

const SPACES: { [space: string]: Keep } = {
  span: DUPLICATES,
  call: DUPLICATES,
  conversation: CONVERSATIONS,
  message: CONVERSATIONS,
  agent: { milliseconds: Number.POSITIVE_INFINITY, keys: 200_000, atLeast: DAY },
  vault: CONVERSATIONS,
  quarantined: QUARANTINE,
  relayed: FOR_EVER,
  listed: FOR_EVER,
  enrolled: FOR_EVER,
  lawful: FOR_EVER,
  hold: FOR_EVER,
  state: FOR_EVER,
};

/** Not yet in LMDB beyond this many keys: time to write them there. */
const APPLY_KEYS = 20_000;
/** So many, and LMDB cannot take them: process memory has its limit too. */
const MAX_STAGED_KEYS = 5 * APPLY_KEYS;
/** Keys written, or removed, at a time: an app's thread does not wait for more. */
const SLICE_KEYS = 500;
/** Unless there are more than so many times that: an app that commits without a pause would never be caught up with. */
const SLICES = APPLY_KEYS / SLICE_KEYS;
const MAX_KEY_LENGTH = 400;

/** A space's present generation. Reads also see the one before; older ones are removed. */
interface Generation {
  number: number;
  since: number;
  keys: number;
}

interface Staged {
  lsn: number;
  value: unknown;
}

/**
 * The journal's memory: keys and JSON values, changed by committed frames. The log is the truth; LMDB holds
 * what the frames up to `applied` said, and what came after is held in process memory until it is written
 * there. A crash loses nothing, as the frames after `applied` are read again.
 *
 * Each space ages by generations, so that forgetting costs no search: a key is in the present generation or
 * the one before, or gone.
 */
export class Remembered {
  readonly #dir: string;
  #env: RootDatabase<unknown, string>;
  #keys: Database<unknown, string>;
  readonly #staged = new Map<string, Staged>();
  readonly #generations = new Map<string, Generation>();
  /** Keys read from the generation before: they are still used, and known here until they are written forward. */
  readonly #refreshed = new Map<string, unknown>();
  #applied: number;
  #applying: Promise<void> | undefined;
  /** The last write to LMDB found no space; the next may. */
  #full: SpanledgerError | undefined;
  /** A write to LMDB failed in another way: nothing is written to it any more, and nothing believed of it. */
  #broken: SpanledgerError | undefined;

  private constructor(dir: string, env: RootDatabase<unknown, string>) {
    this.#dir = dir;
    this.#env = env;
    this.#keys = keysOf(env);
    this.#applied = (this.#keys.get('applied') as number | undefined) ?? 0;
    for (const [space, generation] of Object.entries(
      (this.#keys.get('generations') ?? {}) as Record<string, Generation>,
    )) {
      this.#generations.set(space, generation);
    }
  }

  static open(dir: string): Remembered {
    makeDirectory(dir);
    // Of a rewriting that was cut short.
    for (const name of readdirSync(dirname(dir)))
      if (name.startsWith(`${basename(dir)}.`)) rmSync(join(dirname(dir), name), { recursive: true });
    refuseDamaged(join(dir, DATA));
    try {
      const env = openEnvironment(dir);
      syncDirectory(dir);
      return new Remembered(dir, env);
    } catch (cause) {
      throw new SpanledgerError(
        'journal_broken',
        `${dir}: the journal's memory does not open: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  /** lsn up to which LMDB durably holds what the frames said. */
  get applied(): number {
    return this.#applied;
  }

  get(key: string): unknown {
    const staged = this.#staged.get(key);
    if (staged !== undefined) return staged.value;
    if (this.#refreshed.has(key)) return this.#refreshed.get(key);
    const { space, rest } = split(key);
    const { number } = this.#generation(space);
    const present = this.#read(stored(space, number, rest));
    if (present !== undefined || number === 0) return present;
    const before = this.#read(stored(space, number - 1, rest));
    if (before !== undefined) this.#refreshed.set(key, before);
    return before;
  }

  #read(key: string): unknown {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      return this.#keys.get(key);
    } catch (cause) {
      throw this.#break(cause);
    }
  }

  /** What a committed frame set. */
  stage(lsn: number, writes: Iterable<readonly [string, unknown]>): void {
    for (const [key, value] of writes) {
      this.#staged.set(key, { lsn, value });
      this.#refreshed.delete(key);
    }
  }

  /** There is enough to be worth a write. */
  get isFull(): boolean {
    return this.#staged.size >= APPLY_KEYS;
  }

  /** Why nothing is written to LMDB any more. */
  get broken(): SpanledgerError | undefined {
    return this.#broken;
  }

  /** Why no more can be staged; undefined when it can. */
  get refusal(): SpanledgerError | undefined {
    return this.#broken ?? (this.#staged.size >= MAX_STAGED_KEYS ? this.#full : undefined);
  }

  /**
   * Writes what every frame so far set into LMDB. Durable when it returns.
   *
   * @param log is flushed first: LMDB must never know more than the log.
   * @param now milliseconds since the epoch
   * @throws SpanledgerError `journal_full` when there is no space for it, and the next time may do;
   * `journal_broken` for anything else, for good: a failed sync is not tried again.
   */
  async apply(log: Pick<Log, 'committed' | 'flush'>, now: number): Promise<void> {
    while (this.#applying !== undefined) await this.#applying;
    if (this.#broken !== undefined) throw this.#broken;
    if (log.committed <= this.#applied) return;
    this.#applying = this.#write(log, now).finally(() => {
      this.#applying = undefined;
    });
    await this.#applying;
  }

  async #write(log: Pick<Log, 'committed' | 'flush'>, now: number): Promise<void> {
    // Before the flush: a frame committed while it runs may set a key again, and may not be durable yet.
    const lsn = log.committed;
    const due = [...this.#staged];
    await log.flush();
    const refreshed = [...this.#refreshed];
    const puts = [...refreshed, ...due.map(([key, { value }]): [string, unknown] => [key, value])];
    if (puts.length >= APPLY_KEYS && !this.#endsGeneration(puts)) puts.sort(([a], [b]) => (a < b ? -1 : 1));
    await this.#durably(async () => {
      await this.#inSlices(puts, ([key, value]) => this.#put(key, value, now));
      for (const space of Object.keys(SPACES)) this.#age(space, now);
      // As many outlived keys go as new ones come, so that forgetting keeps up.
      const outlived = [...this.#generations].flatMap(([space, { number }]) =>
        this.#outlived(space, number, puts.length + SLICE_KEYS),
      );
      await this.#inSlices(outlived, (key) => void this.#keys.remove(key));
      // Last, so that a crash in between only means that the frames are read again.
      await this.#transaction(() => void this.#keys.put('applied', lsn));
    });
    this.#applied = lsn;
    for (const [key, staged] of due) if (this.#staged.get(key) === staged) this.#staged.delete(key);
    for (const [key, value] of refreshed) if (this.#refreshed.get(key) === value) this.#refreshed.delete(key);
  }

  /** What LMDB had no space for is still in the log and in process memory. */
  async #durably(write: () => Promise<void>): Promise<void> {
    try {
      await write();
      this.#full = undefined;
    } catch (thrown) {
      const cause = await reasonOf(thrown);
      if (!wantsSpace(cause, this.#dir) || !this.#isAlive()) throw this.#break(cause);
      this.#full = new SpanledgerError('journal_full', `${this.#what} cannot be written: no space`, {
        cause,
        hint: 'free space on its disk',
      });
      throw this.#full;
    }
  }

  async #inSlices<T>(items: readonly T[], write: (item: T) => void): Promise<void> {
    const keys = Math.max(SLICE_KEYS, Math.ceil(items.length / SLICES));
    for (let i = 0; i < items.length; i += keys) {
      await this.#transaction(() => {
        for (const item of items.slice(i, i + keys)) write(item);
      });
    }
  }

  /** With the generations its keys were put in: those that a crash leaves are not taken for later ones. */
  async #transaction(write: () => void): Promise<void> {
    const before = [...this.#generations].map(([space, generation]) => [space, { ...generation }] as const);
    try {
      await this.#keys.transaction(() => {
        write();
        void this.#keys.put('generations', Object.fromEntries(this.#generations));
      });
    } catch (error) {
      // Or trying again and again would end one generation after the other.
      for (const [space, generation] of before) this.#generations.set(space, generation);
      throw error;
    }
  }

  #break(cause: unknown): SpanledgerError {
    this.#broken ??= new SpanledgerError('journal_broken', `${this.#what} failed: ${messageOf(cause)}`, {
      cause,
      hint: 'check the disk, then start the process again: what was acknowledged is kept in the log',
    });
    return this.#broken;
  }

  get #what(): string {
    return `the journal's memory at ${this.#dir}`;
  }

  /** After some errors LMDB refuses all that follows, and a transaction would be waited for for ever. */
  #isAlive(): boolean {
    try {
      this.#keys.transactionSync(() => undefined);
      return true;
    } catch {
      return false;
    }
  }

  /** What of a space is remembered, staged or not, each key once. Of keys too long to be stored as they are, the digest. */
  *entries(space: 'quarantined' | 'listed' | 'enrolled' | 'lawful' | 'hold'): Generator<[string, unknown]> {
    const seen = new Set<string>();
    for (const [key, { value }] of this.#staged) {
      if (!key.startsWith(`${space}|`)) continue;
      seen.add(key);
      yield [key, value];
    }
    const { number } = this.#generation(space);
    for (const each of number === 0 ? [0] : [number, number - 1]) {
      const range = { start: generationPrefix(space, each), end: generationPrefix(space, each + 1) };
      for (const { key, value } of this.#keys.getRange(range)) {
        const name = `${space}|${key.slice(range.start.length)}`;
        if (seen.has(name)) continue;
        seen.add(name);
        yield [name, value];
      }
    }
  }

  /** All that is remembered of every space, as `get` answers it. */
  *all(): Generator<[string, unknown]> {
    for (const [key, { value }] of this.#staged) yield [key, value];
    for (const { key, value } of this.#keys.getRange()) {
      const place = placeOf(key);
      if (place === undefined || !this.#isPresent(place)) continue;
      const name = `${place.space}|${place.rest}`;
      if (!this.#staged.has(name)) yield [name, value];
    }
  }

  /** It is what `get` answers: in the present generation, or in the one before and not in the present. */
  #isPresent({ space, generation, rest }: { space: string; generation: number; rest: string }): boolean {
    const { number } = this.#generation(space);
    if (generation === number) return true;
    return (
      generation === number - 1 && this.#keys.get(`${generationPrefix(space, number)}${rest}`) === undefined
    );
  }

  /**
   * Writes all that is remembered into a new file, which takes the place of the old: what LMDB no longer needs stays readable
   * in its file, for as long as it finds no other use for the page. What is null is forgotten, but for the journal's own
   * state.
   *
   * @throws as `apply`
   */
  async rewrite(log: Pick<Log, 'committed' | 'flush'>, now: number): Promise<void> {
    await this.apply(log, now);
    while (this.#applying !== undefined) await this.#applying;
    if (this.#broken !== undefined) throw this.#broken;
    this.#applying = this.#durably(() => this.#rewrite()).finally(() => {
      this.#applying = undefined;
    });
    await this.#applying;
  }

  async #rewrite(): Promise<void> {
    // Not the same name twice: an environment that is open is found again by its path.
    const dir = `${this.#dir}.${randomBytes(4).toString('hex')}`;
    makeDirectory(dir);
    const fresh = openEnvironment(dir);
    try {
      const keys = keysOf(fresh);
      let slice: [string, unknown][] = [];
      const write = async () => {
        const due = slice;
        slice = [];
        await keys.transaction(() => {
          for (const [key, value] of due) void keys.put(key, value);
        });
      };
      for (const { key, value } of this.#keys.getRange()) {
        const place = placeOf(key);
        if (place !== undefined && (!this.#isPresent(place) || (value === null && place.space !== 'state')))
          continue;
        slice.push([key, value]);
        if (slice.length >= SLICE_KEYS) await write();
      }
      await write();
      await fresh.flushed;
      const before = this.#env;
      renameSync(join(dir, DATA), join(this.#dir, DATA));
      this.#env = fresh;
      this.#keys = keys;
      syncDirectory(this.#dir);
      await before.close();
    } catch (error) {
      if (this.#env !== fresh) await fresh.close();
      throw error;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    const closed = this.#env.close();
    // It might wait for ever for a write that has failed.
    if (this.#full === undefined && this.#broken === undefined) await closed;
  }

  #put(key: string, value: unknown, now: number): void {
    const { space, rest } = split(key);
    this.#age(space, now);
    const generation = this.#generation(space);
    generation.keys += 1;
    void this.#keys.put(stored(space, generation.number, rest), value);
  }

  #generation(space: string): Generation {
    let generation = this.#generations.get(space);
    if (generation === undefined) {
      generation = { number: 0, since: 0, keys: 0 };
      this.#generations.set(space, generation);
    }
    return generation;
  }

  /** A clock that steps only ever ends one generation early, or keeps one longer. */
  #age(space: string, now: number): void {
    const keep = SPACES[space] ?? FOR_EVER;
    const generation = this.#generation(space);
    if (generation.since === 0 || now < generation.since) generation.since = now;
    const age = now - generation.since;
    const crowded = generation.keys >= keep.keys / 2 && age >= keep.atLeast;
    if (age < keep.milliseconds && !crowded) return;
    generation.number += 1;
    generation.since = now;
    generation.keys = 0;
  }

  /**
   * Whether a space fills up on the way: then the oldest keys must go first. Else many are written in LMDB's own
   * order, so that each slice lies in few of its pages: every page touched is copied, written and synced.
   */
  #endsGeneration(puts: readonly (readonly [string, unknown])[]): boolean {
    const keys = new Map<string, number>();
    for (const [key] of puts) {
      const { space } = split(key);
      keys.set(space, (keys.get(space) ?? this.#generation(space).keys) + 1);
    }
    return [...keys].some(([space, count]) => count > (SPACES[space] ?? FOR_EVER).keys / 2);
  }

  #outlived(space: string, present: number, limit: number): string[] {
    if (present < 2) return [];
    const range = {
      start: generationPrefix(space, 0),
      end: generationPrefix(space, present - 1),
      limit,
    };
    return Array.from(this.#keys.getKeys(range));
  }
}

const DATA = 'data.mdb';

function openEnvironment(path: string): RootDatabase<unknown, string> {
  return open<unknown, string>({
    path,
    noSubdir: false,
    maxDbs: 2,
    encoding: 'json',
    // With it, a write that fails also rejects a promise that nobody can hear of, which ends the process.
    eventTurnBatching: false,
    // With it, what a failed sync left behind can be seen all the same, and closing declares it synced.
    overlappingSync: false,
  });
}

function keysOf(env: RootDatabase<unknown, string>): Database<unknown, string> {
  return env.openDB<unknown, string>({ name: 'memory', encoding: 'json' });
}

/** What LMDB says of a write that failed: of a transaction, in a promise beside the error. Unheard, it would end the process. */
async function reasonOf(thrown: unknown): Promise<unknown> {
  const told = (thrown as { commitError?: Promise<unknown> }).commitError;
  if (told === undefined) return thrown;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, REASON_MS, thrown);
  });
  const reason = await Promise.race([told.catch((reason: unknown) => reason), late]);
  clearTimeout(timer);
  return reason;
}

/** Of two errors it tells no reason. */
const REASON_MS = 1_000;

const { ENOSPC, EDQUOT, EFBIG, EIO } = constants.errno;

/** LMDB says EIO also of a write that was cut short, as they mostly are on a full disk: trying one tells which it was. */
function wantsSpace(reason: unknown, dir: string): boolean {
  const { code, message } = reason as { code?: unknown; message?: string };
  if (code === ENOSPC || code === EDQUOT || code === EFBIG) return true;
  // Of a write that the disk refused, and did not cut short, it tells the place.
  return code === EIO && !String(message).includes('Attempting to write') && hasNoSpace(dir);
}

const PROBE_BYTES = 64 * 1_024;

function hasNoSpace(dir: string): boolean {
  const path = join(dir, 'probe');
  try {
    const fd = openSync(path, 'w', 0o600);
    try {
      const bytes = Buffer.alloc(PROBE_BYTES);
      for (let written = 0; written < PROBE_BYTES; ) written += writeSync(fd, bytes, written);
    } finally {
      closeSync(fd);
    }
    return false;
  } catch (error) {
    return isFull(error);
  } finally {
    rmSync(path, { force: true });
  }
}

function split(key: string): { space: string; rest: string } {
  const bar = key.indexOf('|');
  return { space: key.slice(0, bar), rest: key.slice(bar + 1) };
}

/** Where a stored key belongs; undefined for what is of the memory as a whole. */
function placeOf(key: string): { space: string; generation: number; rest: string } | undefined {
  const [, space, generation, rest] = /^([a-z]+)\|(\d{8})\|(.*)$/s.exec(key) ?? [];
  return space === undefined ? undefined : { space, generation: Number(generation), rest: rest! };
}

/** Sorts as the number does. */
function generationPrefix(space: string, generation: number): string {
  return `${space}|${String(generation).padStart(8, '0')}|`;
}

function stored(space: string, generation: number, rest: string): string {
  const name = rest.length <= MAX_KEY_LENGTH ? rest : `#${createHash('sha256').update(rest).digest('hex')}`;
  return generationPrefix(space, generation) + name;
}
