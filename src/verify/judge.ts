import { payloadDigest, recordHash } from '../chain/entry.ts';
import { NEVER_EXPIRES } from '../policy/retention.ts';
import { readCanonical } from '../record/reader.ts';
import type { AuditRecord } from '../record/record.ts';
import { vaultedIn } from '../vault/sealed.ts';
import type { Baseline, JudgedChain } from './baseline.ts';
import { ChainFacts } from './chain-facts.ts';
import { judgeNote, type NoteInPlace, writerKey } from './checkpoints.ts';
import type { ContentPlace, FoundContent } from './contents.ts';
import {
  type ChainResult,
  FINDINGS,
  type Finding,
  type FindingCode,
  place,
  type Report,
  sortFindings,
} from './findings.ts';
import { Interruptions, type OpenIntent } from './interruptions.ts';
import { Lawful } from './lawful.ts';
import { controlOf, readEnrolled, readNote, readOpened } from './ledger-records.ts';
import { type JudgedLine, judgeLine } from './line.ts';
import type { ControlChain, LineRecord } from './line-records.ts';
import { type AnchorView, judgeOutside } from './outside.ts';
import type { Points } from './points.ts';
import { Rollbacks } from './rollbacks.ts';
import { type JudgedRounds, judgeRounds } from './rounds.ts';
import type { Head, Payload, Row, Stretch } from './scan.ts';
import type { Difference } from './schema.ts';
import { judgeStanding } from './standing.ts';
import type { VerifierState } from './state.ts';
import { Successors } from './successors.ts';
import { Times } from './times.ts';
import { ledgerKeys, type TrustFile } from './trust.ts';

const TAINTING: ReadonlySet<FindingCode> = new Set([
  'record_mismatch',
  'duplicate_conflict',
  'tombstone_mismatch',
]);
const UNSOUND: ReadonlySet<FindingCode> = new Set([
  'record_mismatch',
  'payload_not_canonical',
  'duplicate_conflict',
]);
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

/** What stands outside the chains, and is judged once all of them have been read. */
export interface WholeLedger {
  trust: TrustFile | null | undefined;
  before: VerifierState | undefined;
  /** Only what moved since was read. */
  isIncremental: boolean;
  anchors: readonly AnchorView[];
  /** No chain was found at all. */
  isEmpty: boolean;
}

export interface JudgedWhole {
  unanchored: number;
  checkpoints: number;
  rounds: JudgedRounds | undefined;
  line: JudgedLine | undefined;
  anchored: number;
  onHold: number;
}

/**
 * The one judge: it alone assigns codes, and recomputes everything it reports. It keeps a few facts of each chain,
 * and the findings.
 */
export class Judge {
  readonly findings: Finding[] = [];
  records = 0;
  expired = 0;
  erased = 0;
  /** What sound records refer to and has not been judged: whoever asks for it empties it. */
  readonly contents: ContentPlace[] = [];
  readonly #options: JudgeOptions;
  /** In the order in which they were met. */
  readonly #chains = new Map<string, ChainFacts>();
  readonly #tampered = new Set<string>();
  readonly #rollbacks = new Rollbacks();
  readonly #successors = new Successors();
  readonly #interruptions = new Interruptions();
  /** Of control chains: their keys are known once all of their line has been read. */
  readonly #ledgerNotes = new Map<string, NoteInPlace[]>();
  /** Places of which nothing is believed. */
  readonly #unsound = new Set<string>();
  readonly #times: Times;
  readonly #lawful: Lawful | undefined;
  #goodNotes = 0;
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

  get chains(): ChainResult[] {
    return [...this.#chains.values()].map(({ id, walk }) => ({
      chain_id: id,
      size: place(walk.size),
      head: walk.head,
      status: this.#statusOf(id),
    }));
  }

  /** What the next verification, or a round, goes on from: of chains without a hole. */
  get judged(): JudgedChain[] {
    return [...this.#chains.values()].flatMap((chain) => chain.judged(this.#statusOf(chain.id)) ?? []);
  }

  stretch({ chainId, from, to, prev, hashes, marks }: Stretch): void {
    const chain = this.#enter(chainId);
    if (!this.#follows(chain, from)) chain.walk.skip(from, prev);
    else if (prev !== chain.walk.head) this.#find('record_mismatch', chain, from, NOT_LINKED);
    this.#settle();
    this.#lastRow = undefined;
    this.#lawful?.present(chainId, from, hashes);
    let at = from;
    for (const { seq, payload } of marks) {
      this.#steps(chain, hashes.subarray(32 * Number(at - from), 32 * Number(seq - from)));
      at = seq;
      this.#mark(chain, seq, payload);
    }
    this.#steps(chain, hashes.subarray(32 * Number(at - from)));
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
    this.#rollbacks.hear(payload);
    this.#successors.hear(chainId, seq, payload);
    this.#interruptions.hear(chainId, seq, payload);
    const read = readCanonical(payload);
    if ('problem' in read) this.#report('payload_not_canonical', chainId, seq, read.problem);
    else {
      this.#times.hear(this.#chains.get(chainId)!, seq, read.value);
      this.#refers(chainId, seq, read.value);
    }
  }

  /** What the vault has at some places. A row beside the right one, of another ref, is nobody's content. */
  vault(places: readonly ContentPlace[], found: readonly FoundContent[]): void {
    const rows = new Map<ContentPlace, FoundContent[]>();
    for (const each of found) rows.set(each.place, [...(rows.get(each.place) ?? []), each]);
    for (const place of places) {
      const why = this.#amiss(place, rows.get(place) ?? []);
      if (why === undefined) continue;
      const { chainId, seq, field } = place;
      this.#report('content_mismatch', chainId, seq, `${field}: ${why}`);
    }
  }

  #amiss({ digest, expiresAt }: ContentPlace, rows: readonly FoundContent[]): string | undefined {
    if (rows.length === 0)
      return expiresAt <= this.#options.asOf ? undefined : 'its sealed content is missing';
    if (rows.some((row) => row.digest !== digest)) return 'the sealed content does not hash to the ref';
    return rows.every(({ hasKey }) => hasKey) ? undefined : 'the key of its sealed content is missing';
  }

  #refers(chainId: string, seq: bigint, record: unknown): void {
    if (typeof record !== 'object' || record === null || !('content' in record)) return;
    for (const { field, digest, expiresAt } of vaultedIn(record as AuditRecord))
      this.contents.push({ chainId, seq, field, digest, expiresAt });
  }

  /** Tool calls of whose end nothing was heard: it may stand in a chain that came before theirs. */
  get openIntents(): OpenIntent[] {
    return this.#interruptions.found((chainId) => this.#successors.has(chainId));
  }

  /** A database that is not what our migrations made: each difference is a finding about the ledger. */
  schema(differences: readonly Difference[]): void {
    for (const { detail } of differences) this.#report('schema_mismatch', '', 0n, detail);
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
    const endOf = (id: string) => (this.#tampered.has(id) ? undefined : this.#chains.get(id)?.walk);
    for (const [id, seq, why] of [...this.#successors.forks(endOf)]) this.#report('fork', id, seq, why);
    sortFindings(this.findings);
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
    return [...this.#chains.values()]
      .filter(({ id, walk }) => !this.#tampered.has(id) && walk.size > 0n)
      .map(({ id, walk }) => ({ chainId: id, seq: walk.size - 1n, hash: walk.head }));
  }

  /** What others say of the ledger, and its control chains; `finish` comes after it. */
  whole({ trust, before, isIncremental, anchors, isEmpty }: WholeLedger): JudgedWhole {
    this.#leave();
    const { ledgerId, asOf, lines = [] } = this.#options;
    const points = this.#options.points!;
    const report: Report = (...found) => this.#report(...found);
    const isSound = ({ chainId, seq }: LineRecord) => !this.#unsound.has(`${chainId}:${seq}`);
    const trusted = ledgerKeys(trust ?? undefined);
    const judged = lines.map((chains) =>
      judgeLine(chains, { ledgerId, trusted, notes: this.#ledgerNotes, isSound, report }),
    );
    // The line of the ledger is the one its key has signed most of: another is nobody's, or the work of a copied key.
    const line = judged.toSorted((a, b) => b.verified - a.verified)[0];
    for (const other of judged)
      if (other !== line && other.newest !== undefined)
        report(
          'checkpoint_fork',
          other.newest.chainId,
          BigInt(other.newest.size),
          'the ledger’s key has signed another line of control chains',
        );
    if (trust && before?.trustSha256 && before.trustSha256 !== trust.sha256)
      report(
        'trust_changed',
        '',
        0n,
        `the trust file is another than the one that was trusted before, ${before.trustSha256}`,
      );
    const isKnown =
      trust?.source === 'given' ||
      (before?.chains.size ?? 0) > 0 ||
      anchors.some(({ held }) => held.length > 0);
    if (isEmpty && isKnown)
      report('ledger_missing', '', 0n, 'there is no record, and others know of this ledger');
    const chains = this.#withKnown(line?.chains ?? []);
    if (before !== undefined) this.#judgeKnownChains(before, isIncremental);
    const outside = judgeOutside({
      line,
      chains,
      points,
      anchors,
      origins: before?.origins ?? new Map(),
      isSound,
      report,
    });
    const known =
      isIncremental && before !== undefined
        ? {
            listed: before.listed,
            last: before.lastRound,
            ...(before.lastRoundAt === undefined ? {} : { lastAt: before.lastRoundAt }),
          }
        : undefined;
    const rounds = line && judgeRounds(line, known, isSound, report);
    const abandoned = new Set(
      (line?.chains ?? []).flatMap(({ records }) =>
        records.flatMap((each) => (each.kind === 'abandoned' && isSound(each) ? [each.abandoned] : [])),
      ),
    );
    for (const each of (line?.chains ?? []).flatMap(({ records }) => records))
      if (each.kind === 'malformed' && isSound(each))
        report('checkpoint_invalid', each.chainId, each.seq, `it is no ${each.action} as a keeper writes it`);
    const now = outside.attestedAt === undefined ? asOf * 1_000 : Date.parse(outside.attestedAt);
    const { unanchored, byTime } = judgeStanding({
      chains: this.#chains,
      points,
      line,
      rounds,
      isUnread: (id) => isIncremental && before?.chains.has(id) === true && !this.#chains.has(id),
      hasEnded: (id) => abandoned.has(id) || this.#successors.has(id),
      isWatched: trust?.source === 'given' || (rounds?.listed.size ?? 0) > 0 || anchors.length > 0,
      asOf: now,
      report,
    });
    const lawful = this.#lawful!.judge({
      line,
      isSound,
      isCovered: ({ chainId, seq }) =>
        seq < BigInt(Math.max(line?.covered.get(chainId) ?? 0, chains.get(chainId)?.checkpoint ?? 0)),
      times: outside.times,
      chains,
      report,
    });
    const isUnattested = outside.attestedAt === undefined && (byTime || trust?.source === 'given');
    if ((isUnattested || lawful.byTime) && !isEmpty)
      report(
        'time_unattested',
        '',
        0n,
        isUnattested
          ? 'nobody else attests what time it is: the clock of this host was taken'
          : 'nobody else attests what time it was when records expired: what their expiry says was taken',
      );
    const checkpoints = this.#goodNotes + (line?.verified ?? 0);
    return { unanchored, checkpoints, rounds, line, anchored: outside.verified, onHold: lawful.onHold };
  }

  /** The chains read, and those of a line that have not moved. */
  #withKnown(line: readonly ControlChain[]): ReadonlyMap<string, ChainFacts> {
    const chains = new Map(this.#chains);
    for (const { chainId } of line) {
      const known = this.#options.baseline?.get(chainId);
      if (!chains.has(chainId) && known !== undefined) chains.set(chainId, new ChainFacts(chainId, known));
    }
    return chains;
  }

  /** What a verification before saw must be there still. */
  #judgeKnownChains({ chains }: VerifierState, isIncremental: boolean): void {
    if (isIncremental) return;
    for (const [id, { size, head }] of chains) {
      const found = this.#chains.get(id)?.walk.size ?? 0n;
      const last = BigInt(size) - 1n;
      const point = this.#options.points!.at(id, size);
      if (found <= last)
        this.#report(
          'rollback',
          id,
          found,
          `a verification before saw ${size} records of it, and there are ${found}`,
          last,
        );
      else if (point !== undefined && point.head !== head)
        this.#report('rollback', id, last, `a verification before saw another record here`);
    }
  }

  /** Of a hole before a later record `#follows` has told: here it is the end that is missing. */
  #rolledBack(id: string, last: bigint): void {
    const from = this.#chains.get(id)?.walk.size ?? 0n;
    if (from <= last) this.#missing(id, from, last, ': their writer found them gone');
  }

  #missing(chainId: string, from: bigint, to: bigint, why = ''): void {
    const code = from === 0n ? 'genesis_missing' : 'seq_gap';
    const many = from === to ? `record ${from} is missing` : `records ${from} to ${to} are missing`;
    this.#report(code, chainId, from, many + why, to);
  }

  #enter(id: string): ChainFacts {
    if (this.#chain?.id === id) return this.#chain;
    this.#leave();
    this.#chain = new ChainFacts(id, this.#options.baseline?.get(id));
    this.#chain.listedSize = this.#options.listedSizes?.get(id) ?? 0;
    this.#chains.set(id, this.#chain);
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

  /** What a chain says of itself, at its next place. */
  #mark(chain: ChainFacts, seq: bigint, payload: string | Uint8Array): void {
    const found = controlOf(payload);
    if (found === undefined) return;
    const { action, control } = found;
    if (action === 'chain_opened' && seq === 0n) {
      chain.opened = readOpened(control);
      chain.key = chain.opened?.vkey === undefined ? undefined : writerKey(chain.opened.vkey, chain.id);
    }
    const enrolled = action === 'chain_enrolled' ? readEnrolled(control) : undefined;
    if (enrolled !== undefined) chain.enrolled.push(enrolled);
    const isSigned =
      control.note !== undefined || (action === 'chain_closed' && chain.opened?.vkey !== undefined);
    if (action === 'checkpoint' || (action === 'chain_closed' && isSigned))
      this.#note(chain, seq, readNote(control));
    if (action !== 'chain_closed') return;
    if (chain.closedAt === undefined) chain.closedAt = seq + 1n;
  }

  #note(chain: ChainFacts, seq: bigint, note: string | undefined): void {
    const { id, key, opened } = chain;
    // Without its beginning there is no key to know it by; that it is missing is told.
    if (opened === undefined) return;
    const place: NoteInPlace = { chainId: id, seq, note, root: chain.rootBefore(seq) };
    if (opened.role === 'control') {
      this.#ledgerNotes.set(id, [...(this.#ledgerNotes.get(id) ?? []), place]);
      return;
    }
    const verdict = judgeNote(place, key === undefined ? [] : [key]);
    chain.firstNote ??= seq;
    if (verdict.kind === 'good') {
      chain.checkpoint = Number(seq);
      this.#goodNotes += 1;
      return;
    }
    if (verdict.kind === 'unchecked') return;
    chain.badNotes.add(seq);
    if (verdict.kind === 'invalid') this.#find('checkpoint_invalid', chain, seq, verdict.why);
    else if (!chain.told.has(verdict.kind)) {
      chain.told.add(verdict.kind);
      this.#find(`checkpoint_${verdict.kind}`, chain, seq, verdict.why);
    }
  }

  #statusOf(id: string): 'valid' | 'tampered' {
    return this.#tampered.has(id) ? 'tampered' : 'valid';
  }

  /** Whether the place before `seq` is known: a record after a hole is not hash-checked. */
  #follows(chain: ChainFacts, seq: bigint): boolean {
    const missing = chain.walk.size;
    if (seq === missing) return true;
    this.#missing(chain.id, missing, seq - 1n);
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
    this.#mark(chain, row.seq, row.payload);
    this.#successors.hear(row.chainId, row.seq, row.payload);
    this.#interruptions.hear(row.chainId, row.seq, row.payload);
    const read = readCanonical(row.payload);
    if ('problem' in read) this.#find('payload_not_canonical', chain, row.seq, read.problem);
    else {
      if (follows) this.#times.hear(chain, row.seq, read.value);
      this.#refers(row.chainId, row.seq, read.value);
    }
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

  #report(code: FindingCode, chainId: string, seq: bigint, detail: string, to?: bigint): void {
    const finding: Finding = { code, severity: FINDINGS[code], chain_id: chainId, seq: place(seq), detail };
    if (to !== undefined) finding.to = place(to);
    this.findings.push(finding);
    if (finding.severity === 'critical') this.#tampered.add(chainId);
    const chain = this.#chains.get(chainId);
    if (chain !== undefined && TAINTING.has(code)) chain.isTainted = true;
    if (UNSOUND.has(code)) this.#unsound.add(`${chainId}:${seq}`);
  }
}
