import { payloadDigest, recordHash } from '../chain/entry.ts';
import { NEVER_EXPIRES } from '../policy/retention.ts';
import { readCanonical } from '../record/reader.ts';
import type { Baseline, JudgedChain } from './baseline.ts';
import { ChainFacts } from './chain-facts.ts';
import type { ContentPlace, FoundContent } from './contents.ts';
import { type ChainResult, type Finding, type FindingCode, place, type Report } from './findings.ts';
import { Found } from './found.ts';
import { Interruptions, type OpenIntent } from './interruptions.ts';
import { Lawful } from './lawful.ts';
import type { ControlChain } from './line-records.ts';
import { Marks } from './marks.ts';
import type { Points } from './points.ts';
import { Rollbacks } from './rollbacks.ts';
import type { Head, Payload, Row, Stretch } from './scan.ts';
import type { Difference } from './schema.ts';
import type { ArchiveProblem } from './source.ts';
import { Successors } from './successors.ts';
import { hearUncovered, Times, timeOf } from './times.ts';
import { contentsOf, judgeVaulted } from './vaulted.ts';
import { type JudgedWhole, judgeWhole, type WholeLedger } from './whole.ts';

const NOT_LINKED = 'it does not hash to its record_hash over the record before it';

export interface JudgeOptions {
  ledgerId: string;
  /** Unix seconds: what has expired before may be gone. */
  asOf: number;
  /** What is known of chains: they are judged from there on. */
  baseline?: Baseline;
  /** Sizes at which chains are asked for. */
  points?: Points;
  /** As rounds list chains last, before any of them is judged. */
  listedSizes?: ReadonlyMap<string, number>;
  /** Control chains: what they say may have left. Without them nobody asks. */
  lines?: readonly (readonly ControlChain[])[];
}

/**
 * The one judge: it alone assigns codes, and recomputes everything it reports. It keeps a few facts of each chain,
 * and the findings.
 */
export class Judge {
  records = 0;
  expired = 0;
  erased = 0;
  /** What sound records refer to and has not been judged: whoever asks for it empties it. */
  readonly contents: ContentPlace[] = [];
  readonly #options: JudgeOptions;
  readonly #found = new Found();
  readonly #rollbacks = new Rollbacks();
  readonly #successors = new Successors();
  readonly #interruptions = new Interruptions();
  readonly #marks = new Marks((...found) => this.#found.report(...found));
  readonly #times: Times;
  readonly #lawful: Lawful | undefined;
  #chain: ChainFacts | undefined;
  /** The last row of the chain that is read, if that is a row. */
  #lastRow: Row | undefined;
  /** A record stands at its place. */
  #isPresent = false;
  /** A record there that is to be purged, as long as no tombstone was met. */
  #purging: Row | undefined;
  /** Sizes of it that are asked for and have not been reached, the next one last. */
  #sizes: number[] = [];

  constructor(options: JudgeOptions) {
    this.#options = options;
    this.#lawful = options.lines && new Lawful(options.lines.flat());
    this.#times = new Times(options.points, (...found) => this.#report(...found));
  }

  get findings(): Finding[] {
    return this.#found.findings;
  }

  get chains(): ChainResult[] {
    return [...this.#found.chains.values()].map(({ id, walk }) => ({
      chain_id: id,
      size: place(walk.size),
      head: walk.head,
      status: this.#found.statusOf(id),
    }));
  }

  /** What the next verification, or a round, goes on from: of chains without a hole. */
  get judged(): JudgedChain[] {
    return [...this.#found.chains.values()].flatMap(
      (chain) => chain.judged(this.#found.statusOf(chain.id)) ?? [],
    );
  }

  /** Places of a chain whose record hashes and times a scanner must tell. */
  asked(chainId: string): bigint[] {
    const sizes = this.#options.points?.sizesOf(chainId) ?? [];
    const last = sizes.filter((size) => size > 0).map((size) => BigInt(size) - 1n);
    return [...last, ...(this.#lawful?.askedOf(chainId) ?? [])];
  }

  stretch({ chainId, from, to, prev, last, nodes, marks, times, ...stretch }: Stretch): void {
    const chain = this.#enter(chainId);
    const { walk } = chain;
    if (!this.#follows(chain, from)) walk.skip(from, prev);
    else if (prev !== walk.head) this.#find('record_mismatch', chain, from, NOT_LINKED);
    this.#settle();
    this.#lastRow = undefined;
    let mark = 0;
    for (const { height, hashes } of nodes) {
      const size = 2n ** BigInt(height);
      const end = walk.size + size * BigInt(hashes.length / 32);
      if (height === 0) this.#lawful?.present(chainId, walk.size, hashes);
      for (let at = 0; at < hashes.length; ) {
        // A mark is heard at its place where the way is told step by step, else before the leap.
        const first = height === 0 ? walk.size : end - 1n;
        for (; mark < marks.length && marks[mark]!.seq <= first; mark++) this.#mark(chain, marks[mark]!);
        const next = marks[mark]?.seq ?? end;
        const upTo = height === 0 && next < end ? next : end;
        const bytes = 32 * Number((upTo - walk.size) / size);
        const part = hashes.subarray(at, at + bytes);
        if (height === 0) this.#steps(chain, part);
        else this.#leap(chain, part, height, end, last);
        at += bytes;
      }
    }
    for (const time of times) this.#times.hear(chain, time);
    this.#interruptions.hearOpen(stretch.intents, stretch.lastCall);
    this.records += Number(to - from) + 1;
  }

  row(row: Row): void {
    if (row.live) this.#rollbacks.hear(row.payload);
    const chain = this.#enter(row.chainId);
    const { walk } = chain;
    const last = this.#lastRow;
    const again = last !== undefined && walk.size === row.seq + 1n;
    if (again) {
      this.#duplicate(chain, last, row);
      if (!row.live && last.reason !== row.reason) this.#gone(row);
    } else {
      this.#settle();
      this.#isPresent = row.live;
      this.#count(row);
      this.#reach(chain);
      const prevHash = walk.head;
      const follows = this.#follows(chain, row.seq);
      if (!follows) chain.recordedAt = undefined;
      if (!follows || this.#hashes(row, prevHash)) {
        this.#sound(chain, row, follows);
        this.#gone(row);
      } else this.#find('record_mismatch', chain, row.seq, NOT_LINKED);
    }
    for (const { name, stored, expected } of row.columns) {
      if (stored !== expected)
        this.#find('derived_mismatch', chain, row.seq, `${name} is not what the payload says`);
    }
    if (row.live) this.#lawful?.present(row.chainId, row.seq, Buffer.from(row.recordHash, 'hex'));
    if (!row.live) this.#purging = undefined;
    else if (row.purgeAfter !== NEVER_EXPIRES) this.#purging ??= row;
    if (again) walk.again(row.recordHash);
    else walk.step(row.seq, row.recordHash);
    this.#lastRow = row;
  }

  /** A tombstone whose row is still there demands nothing. */
  #gone(row: Row): void {
    if (!row.live && !this.#isPresent) this.#lawful?.gone(row);
  }

  /** Before the next place. */
  #settle(): void {
    const row = this.#purging;
    this.#purging = undefined;
    if (row !== undefined)
      this.#report(
        'tombstone_mismatch',
        row.chainId,
        row.seq,
        'it is to be purged, and there is no tombstone for it',
      );
  }

  /** A payload of a stretch already judged: its chain is looked up, not entered. */
  payload({ chainId, seq, payload }: Payload): void {
    const read = readCanonical(payload);
    if ('problem' in read) this.#report('payload_not_canonical', chainId, seq, read.problem);
    hearUncovered(this.#found.chains.get(chainId)!, seq, saidBy(read, payload));
  }

  /** What a record of a stretch says of its contents, as `content` in JSON; it comes after its payload, if that comes. */
  reference({ chainId, seq, payload }: Payload): void {
    if (!this.#found.isSound({ chainId, seq }) || typeof payload !== 'string') return;
    this.contents.push(...contentsOf(chainId, seq, { content: JSON.parse(payload) as unknown }));
  }

  /**
   * The first place of a chain whose payload must be read: a good checkpoint of its own covers what is before it. Of a
   * chain of the ledger's own line it is not known yet whether any is good.
   */
  uncovered(chainId: string): bigint {
    const chain = this.#found.chains.get(chainId);
    return BigInt(chain?.opened?.role === 'records' ? (chain.checkpoint ?? 0) : 0);
  }

  /** What the vault has at some places. */
  vault(places: readonly ContentPlace[], rows: readonly FoundContent[]): void {
    judgeVaulted(places, rows, this.#options.asOf, (...found) => this.#report(...found));
  }

  /** Tool calls of whose end nothing was heard: it may stand in a chain that came before theirs. */
  get openIntents(): OpenIntent[] {
    return this.#interruptions.found((chainId) => this.#successors.has(chainId));
  }

  /** A database that is not what our migrations made: each difference is a finding about the ledger. */
  schema(differences: readonly Difference[]): void {
    for (const { detail } of differences) this.#report('schema_mismatch', '', 0n, detail);
  }

  /** Files that are not what their manifest says, or a manifest that is not what its ledger's key has signed. */
  archive(problems: readonly ArchiveProblem[]): void {
    for (const { what, chainId, seq, detail } of problems)
      this.#report(what === 'manifest' ? 'manifest_invalid' : `archive_${what}`, chainId, seq, detail);
  }

  interrupted({ chainId, seq }: OpenIntent): void {
    this.#report(
      'interrupted',
      chainId,
      seq,
      'the tool was about to be called, and nothing tells how that ended',
    );
  }

  /**
   * Ends the last chain, and puts everything in order.
   *
   * @param chains what was scanned; undefined is all.
   */
  finish(chains?: readonly string[]): void {
    this.#leave();
    for (const [id, last] of this.#rollbacks.confirmed)
      if (chains === undefined || chains.includes(id)) this.#rolledBack(id, last);
    // Of a chain that is amiss itself nobody can say where it should have ended.
    const endOf = (id: string) =>
      this.#found.statusOf(id) === 'tampered' ? undefined : this.#found.chains.get(id)?.walk;
    for (const [id, before] of this.#marks.policies.unrecorded())
      this.#found.report(
        'policy_unrecorded',
        id,
        0n,
        `it is under another policy than the chain before it, ${before}, and no policy_changed says so`,
      );
    for (const [id, seq, why] of [...this.#successors.forks(endOf)]) this.#report('fork', id, seq, why);
    this.#found.sort();
  }

  /** Places that were known, or have just been read, as they are now. */
  heads(expected: readonly Head[], found: readonly Head[], code: 'rollback' | 'read_inconsistent'): void {
    const hashes = new Map(found.map(({ chainId, seq, hash }) => [`${chainId}:${seq}`, hash]));
    for (const { chainId, seq, hash } of expected) {
      const now = hashes.get(`${chainId}:${seq}`);
      if (now === hash) continue;
      const what = code === 'rollback' ? 'a verification before saw' : 'a moment ago there was';
      this.#report(
        code,
        chainId,
        seq,
        `${what} another record here${now === undefined ? ', and there is none' : ''}`,
      );
    }
  }

  /** The last place of each chain in which nothing is amiss. */
  get ends(): Head[] {
    this.#leave();
    return [...this.#found.chains.values()]
      .filter(({ id, walk }) => this.#found.statusOf(id) === 'valid' && walk.size > 0n)
      .map(({ id, walk }) => ({ chainId: id, seq: walk.size - 1n, hash: walk.head }));
  }

  /** What others say of the ledger, and its control chains, where the whole of it was scanned; `finish` comes after it. */
  whole(whole: WholeLedger): JudgedWhole {
    this.#leave();
    const { ledgerId, asOf, baseline, points, lines = [] } = this.#options;
    const judged = judgeWhole(
      {
        ledgerId,
        asOf,
        baseline,
        points: points!,
        lines,
        found: this.#found,
        lawful: this.#lawful!,
        ledgerNotes: this.#marks.ledgerNotes,
        hasSuccessor: (chainId) => this.#successors.has(chainId),
      },
      whole,
    );
    return { ...judged, checkpoints: judged.checkpoints + this.#marks.good };
  }

  /** Of a hole before a later record `#follows` has told: here it is the end that is missing. */
  #rolledBack(id: string, last: bigint): void {
    const from = this.#found.chains.get(id)?.walk.size ?? 0n;
    if (from <= last) this.#found.missing(id, from, last, ': their writer found them gone');
  }

  #enter(id: string): ChainFacts {
    if (this.#chain?.id === id) return this.#chain;
    this.#leave();
    this.#chain = new ChainFacts(id, this.#options.baseline?.get(id));
    this.#chain.listedSize = this.#options.listedSizes?.get(id) ?? 0;
    this.#found.chains.set(id, this.#chain);
    this.#sizes = this.#options.points?.sizesOf(id).reverse() ?? [];
    this.#lastRow = undefined;
    return this.#chain;
  }

  #leave(): void {
    this.#settle();
    if (this.#chain !== undefined) this.#reach(this.#chain);
  }

  #steps(chain: ChainFacts, hashes: Buffer): void {
    const { walk } = chain;
    for (let at = 0; at < hashes.length; ) {
      this.#reach(chain);
      const next = this.#sizes.at(-1);
      const end = next === undefined ? hashes.length : at + 32 * Number(BigInt(next) - walk.size);
      walk.steps(hashes.subarray(at, end));
      at = end;
    }
  }

  #leap(chain: ChainFacts, roots: Buffer, height: number, end: bigint, head: string): void {
    this.#reach(chain);
    const next = this.#sizes.at(-1);
    if (next !== undefined && BigInt(next) <= end)
      throw new Error(`the scanner leaps over ${chain.id}:${next - 1}, which was asked for`);
    chain.walk.leap(roots, height, head);
  }

  #mark(chain: ChainFacts, { chainId, seq, payload }: Payload): void {
    this.#marks.hear(chain, seq, payload);
    this.#rollbacks.hear(payload);
    this.#successors.hear(chainId, seq, payload);
    this.#interruptions.hear(chainId, seq, payload);
  }

  /** Notes what the chain is now, if that was asked for. */
  #reach(chain: ChainFacts): void {
    const { id, walk } = chain;
    for (
      let size = this.#sizes.at(-1);
      size !== undefined && BigInt(size) <= walk.size;
      size = this.#sizes.at(-1)
    ) {
      if (BigInt(size) === walk.size)
        this.#options.points!.found(id, size, { head: walk.head, root: chain.rootBefore(walk.size) });
      this.#sizes.pop();
    }
  }

  /** Whether the place before `seq` is known: a record after a hole is not hash-checked. */
  #follows(chain: ChainFacts, seq: bigint): boolean {
    const missing = chain.walk.size;
    if (seq === missing) return true;
    this.#found.missing(chain.id, missing, seq - 1n);
    return false;
  }

  #hashes(row: Row, prevHash: string): boolean {
    const digest = row.live ? payloadDigest(row.payload) : row.payloadDigest;
    const { chainId, seq, expiresAt } = row;
    return (
      recordHash({
        ledgerId: this.#options.ledgerId,
        chainId,
        seq,
        expiresAt,
        prevHash,
        payloadDigest: digest,
      }) === row.recordHash
    );
  }

  /** Only what hashes is believed of other chains. */
  #sound(chain: ChainFacts, row: Row, follows: boolean): void {
    if (!row.live) return;
    this.#marks.hear(chain, row.seq, row.payload);
    this.#successors.hear(row.chainId, row.seq, row.payload);
    this.#interruptions.hear(row.chainId, row.seq, row.payload);
    const read = readCanonical(row.payload);
    if ('problem' in read) this.#find('payload_not_canonical', chain, row.seq, read.problem);
    else this.contents.push(...contentsOf(row.chainId, row.seq, read.value));
    if (!follows) return;
    const value = saidBy(read, row.payload);
    this.#times.hear(chain, { seq: row.seq, at: timeOf(value).at });
    hearUncovered(chain, row.seq, value);
  }

  /** Between its tombstone and its purge a record stands twice, with equal hashes: that is no duplicate. */
  #duplicate(chain: ChainFacts, before: Row, row: Row): void {
    const same =
      row.recordHash === before.recordHash &&
      row.payloadDigest === before.payloadDigest &&
      row.expiresAt === before.expiresAt;
    if (!same) {
      const code = row.live ? 'duplicate_conflict' : 'tombstone_mismatch';
      this.#find(code, chain, row.seq, `another ${row.live ? 'record' : 'tombstone'} stands at this place`);
    } else if (row.live === before.live)
      this.#find('duplicate_identical', chain, row.seq, 'the same record stands here more than once');
  }

  #count(row: Row): void {
    this.records += 1;
    if (row.reason === 'expired') this.expired += 1;
    if (row.reason === 'erased') this.erased += 1;
  }

  #find(code: FindingCode, chain: ChainFacts, seq: bigint, detail: string): void {
    this.#report(code, chain.id, seq, detail);
  }

  #report(...found: Parameters<Report>): void {
    this.#found.report(...found);
  }
}

/** What is not canonical may be JSON all the same: an engine reads when it was recorded. */
function saidBy(read: ReturnType<typeof readCanonical>, payload: string | Uint8Array): unknown {
  if ('value' in read) return read.value;
  try {
    return JSON.parse(typeof payload === 'string' ? payload : '') as unknown;
  } catch {
    return undefined;
  }
}
