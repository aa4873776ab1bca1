import type { Baseline } from './baseline.ts';
import { ChainFacts } from './chain-facts.ts';
import type { NoteInPlace } from './checkpoints.ts';
import type { Report } from './findings.ts';
import type { Found } from './found.ts';
import type { Lawful } from './lawful.ts';
import type { Left } from './left.ts';
import { type JudgedLine, judgeLine } from './line.ts';
import type { ControlChain } from './line-records.ts';
import { type AnchorView, type JudgedOutside, judgeOutside } from './outside.ts';
import type { Points } from './points.ts';
import type { ReceiptFacts } from './receipts.ts';
import { type JudgedRounds, judgeRounds } from './rounds.ts';
import { judgeStanding } from './standing.ts';
import type { VerifierState } from './state.ts';
import { ledgerKeys, type TrustFile } from './trust.ts';

/** What stands outside the chains, and is judged once all of them have been read. */
export interface WholeLedger {
  trust: TrustFile | null | undefined;
  before: VerifierState | undefined;
  /** Only what moved since was read. */
  isIncremental: boolean;
  /** Only the chains of a part of it, and the control chains, were read. */
  isPart: boolean;
  anchors: readonly AnchorView[];
  /** What receipts in control chains prove by themselves. */
  receipts: ReceiptFacts;
  /** What should have left, and has not. */
  left: Left;
  /** No chain was found at all. */
  isEmpty: boolean;
}

/** What was read, and what was heard while it was. */
export interface ReadLedger {
  ledgerId: string;
  /** Unix seconds. */
  asOf: number;
  baseline: Baseline | undefined;
  points: Points;
  lines: readonly (readonly ControlChain[])[];
  found: Found;
  lawful: Lawful;
  ledgerNotes: ReadonlyMap<string, readonly NoteInPlace[]>;
  /** Another chain says that it follows it. */
  hasSuccessor: (chainId: string) => boolean;
}

export interface JudgedWhole {
  unanchored: number;
  /** By chain: how many of its first records something outside it vouches for, where it is signed at all. */
  vouched: ReadonlyMap<string, number>;
  /** Ledger checkpoints that were good. */
  checkpoints: number;
  rounds: JudgedRounds | undefined;
  line: JudgedLine | undefined;
  outside: JudgedOutside;
  onHold: number;
}

/** Judges what others say of the ledger, and its control chains. */
export function judgeWhole(read: ReadLedger, whole: WholeLedger): JudgedWhole {
  const { asOf, points, found } = read;
  const { trust, before, isIncremental, isPart, anchors, receipts, left, isEmpty } = whole;
  const report: Report = (...told) => found.report(...told);
  const isSound = (place: { chainId: string; seq: bigint }) => found.isSound(place);
  const line = lineOfLedger(read, trust, report);
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
  const chains = withKnown(read, line?.chains ?? []);
  if (before !== undefined && !isIncremental) judgeKnownChains(read, before);
  const outside = judgeOutside({
    line,
    chains,
    points,
    anchors,
    receipts,
    trust: trust ?? undefined,
    origins: before?.origins ?? new Map(),
    before: isIncremental ? before : undefined,
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
  const records = (line?.chains ?? []).flatMap((chain) => chain.records).filter(isSound);
  const abandoned = new Set(records.flatMap((each) => (each.kind === 'abandoned' ? [each.abandoned] : [])));
  for (const each of records)
    if (each.kind === 'malformed')
      report('checkpoint_invalid', each.chainId, each.seq, `it is no ${each.action} as a keeper writes it`);
  const now = outside.attestedAt === undefined ? asOf * 1_000 : Date.parse(outside.attestedAt);
  const { unanchored, vouched, byTime } = judgeStanding({
    chains: found.chains,
    points,
    line,
    rounds,
    isUnread: (id) => !found.chains.has(id) && (isPart || (isIncremental && before?.chains.has(id) === true)),
    isPart,
    hasEnded: (id) => abandoned.has(id) || read.hasSuccessor(id),
    isWatched: trust?.source === 'given' || (rounds?.listed.size ?? 0) > 0 || anchors.length > 0,
    asOf: now,
    report,
  });
  const lawful = read.lawful.judge({
    line,
    isSound,
    isCovered: ({ chainId, seq }) =>
      seq < BigInt(Math.max(line?.covered.get(chainId) ?? 0, chains.get(chainId)?.checkpoint ?? 0)),
    times: outside.times,
    chains,
    // When a record of a chain that is amiss expires, nobody can say.
    left: { ...left, overdue: left.overdue.filter(({ chainId }) => found.statusOf(chainId) === 'valid') },
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
  return {
    unanchored,
    vouched,
    checkpoints: line?.verified ?? 0,
    rounds,
    line,
    outside,
    onHold: lawful.onHold,
  };
}

/** The line that the ledger's key has signed most of: another is nobody's, or the work of a copied key. */
function lineOfLedger(
  { ledgerId, lines, found, ledgerNotes }: ReadLedger,
  trust: TrustFile | null | undefined,
  report: Report,
): JudgedLine | undefined {
  const trusted = ledgerKeys(trust ?? undefined);
  const isSound = (place: { chainId: string; seq: bigint }) => found.isSound(place);
  const judged = lines.map((chains) =>
    judgeLine(chains, { ledgerId, trusted, notes: ledgerNotes, isSound, report }),
  );
  const line = judged.toSorted((a, b) => b.verified - a.verified)[0];
  for (const other of judged)
    if (other !== line && other.newest !== undefined)
      report(
        'checkpoint_fork',
        other.newest.chainId,
        BigInt(other.newest.size),
        'the ledger’s key has signed another line of control chains',
      );
  return line;
}

/** The chains read, and those of a line that have not moved. */
function withKnown(
  { found, baseline }: ReadLedger,
  line: readonly ControlChain[],
): ReadonlyMap<string, ChainFacts> {
  const chains = new Map(found.chains);
  for (const { chainId } of line) {
    const known = baseline?.get(chainId);
    if (!chains.has(chainId) && known !== undefined) chains.set(chainId, new ChainFacts(chainId, known));
  }
  return chains;
}

/** What a verification before saw must be there still. */
function judgeKnownChains({ found, points }: ReadLedger, { chains }: VerifierState): void {
  for (const [id, { size, head }] of chains) {
    const there = found.chains.get(id)?.walk.size ?? 0n;
    const last = BigInt(size) - 1n;
    const point = points.at(id, size);
    if (there <= last)
      found.report(
        'rollback',
        id,
        there,
        `a verification before saw ${size} records of it, and there are ${there}`,
        last,
      );
    else if (point !== undefined && point.head !== head)
      found.report('rollback', id, last, `a verification before saw another record here`);
  }
}
