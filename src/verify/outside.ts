import { openCheckpoint, parseCheckpoint } from '../chain/checkpoint.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';
import type { ChainFacts } from './chain-facts.ts';
import type { Report } from './findings.ts';
import type { JudgedLine } from './line.ts';
import type { LineRecord } from './line-records.ts';
import type { Points } from './points.ts';
import { Quorum } from './quorum.ts';
import type { ReceiptFacts, ReceiptRecord } from './receipts.ts';
import { isAfter } from './standing.ts';
import type { KnownCheckpoint, VerifierState } from './state.ts';
import type { TrustFile } from './trust.ts';

/** What somebody outside the ledger has of it, read back from there. */
export interface AnchorView {
  name: string;
  /** It can be read back, so that what it does not have is missing. */
  lists: boolean;
  held: readonly HeldCheckpoint[];
}

export interface HeldCheckpoint {
  /** Where it is, for people. */
  place: string;
  /** Absent where it has been removed, and the anchor tells of it. */
  note?: string;
  /** RFC 3339; by somebody who is not us. */
  attested_at?: string;
}

/** Somebody outside saw that the chain had so many records. */
export interface AttestedTime {
  chainId: string;
  size: number;
  /** RFC 3339. */
  at: string;
}

/** A checkpoint of the ledger that somebody outside has. */
interface Foreign {
  anchor: string;
  place: string;
  size: number;
  root: string;
  attestedAt?: string;
}

export interface Outside {
  line: JudgedLine | undefined;
  chains: ReadonlyMap<string, ChainFacts>;
  points: Points;
  anchors: readonly AnchorView[];
  /** What receipts prove by themselves. */
  receipts: ReceiptFacts;
  trust: TrustFile | undefined;
  origins: ReadonlyMap<string, KnownCheckpoint>;
  /** Where only what is new since then was read. */
  before: VerifierState | undefined;
  isSound: (record: LineRecord) => boolean;
  report: Report;
}

/** Sizes that anchors, receipts and a state name: they are asked for in every control chain. */
export function sizesOutside(anchors: readonly AnchorView[], origins: Iterable<KnownCheckpoint>): number[] {
  const sizes = [...origins].map(({ size }) => size);
  for (const { held } of anchors)
    for (const { note } of held) {
      const size = note === undefined ? undefined : sizeOf(note);
      if (size !== undefined) sizes.push(size);
    }
  return sizes;
}

function sizeOf(note: string): number | undefined {
  try {
    const size = Number(parseCheckpoint(note).size);
    return Number.isSafeInteger(size) && size > 0 ? size : undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return undefined;
    throw error;
  }
}

export interface JudgedOutside {
  /** Anchored checkpoints, timestamps and cosignatures that are of this line. */
  verified: number;
  times: readonly AttestedTime[];
  /** The newest of them. */
  attestedAt: string | undefined;
  /** What receipts hold and nobody could check, and why. */
  unchecked: readonly string[];
  /** Size of the newest checkpoint that as many witnesses have cosigned as the trust file asks. */
  cosigned: number | undefined;
}

/** Compares the line with what others have of it: anchors, and what the verifier itself saw before. */
export function judgeOutside(outside: Outside): JudgedOutside {
  const { line, anchors, origins, report } = outside;
  const unchecked = new Map<string, number>();
  const quorum = new Quorum(outside.trust?.trust);
  for (const [origin, known] of origins) judgeKnown(outside, origin, known);
  let verified = 0;
  const times: AttestedTime[] = [];
  const [lastChain] = sizeOfLine(outside);
  const heldBy = new Map<string, Map<number, string>>();
  for (const anchor of anchors) {
    const held = new Map<number, string>();
    heldBy.set(anchor.name, held);
    for (const each of anchor.held) {
      const foreign = foreignOf(outside, anchor.name, each);
      if (foreign === undefined) continue;
      held.set(foreign.size, foreign.root);
      if (!isOnLine(outside, foreign)) continue;
      verified += 1;
      if (foreign.attestedAt !== undefined)
        times.push({ chainId: lastChain, size: foreign.size, at: foreign.attestedAt });
    }
  }
  for (const record of (line?.chains ?? []).flatMap(({ records }) => records))
    if (record.kind === 'receipt' && outside.isSound(record)) {
      const view = anchors.find(({ name }) => name === record.receipt.anchor);
      if (!judgeReceipt(outside, record, view, heldBy)) continue;
      const fact = outside.receipts.get(`${record.chainId}:${record.seq}`);
      if (fact?.status === 'unchecked') unchecked.set(fact.why, (unchecked.get(fact.why) ?? 0) + 1);
      if (fact?.status !== 'verified') continue;
      verified += 1;
      const { size, root } = record.receipt;
      if (standing(outside, size, root) === 'same') quorum.hear(size, root, fact.by);
      const at = fact.attestedAt;
      times.push({ chainId: record.chainId, size: record.receipt.size, at });
      if (isAfter(at, record.at))
        report(
          'clock_regression',
          record.chainId,
          record.seq,
          `recorded at ${record.at}, and its anchor attests ${at}`,
        );
    }
  judgeAttested(outside, times);
  const cosigned = quorum.size ?? cosignedBefore(outside);
  const why = judgeQuorum(outside, cosigned);
  return {
    verified,
    times,
    attestedAt: times.reduce<string | undefined>(
      (newest, { at }) => (newest === undefined || at > newest ? at : newest),
      undefined,
    ),
    unchecked: [
      ...[...unchecked].map(([why, count]) => `${count} ${why}`),
      ...(why === undefined ? [] : [why]),
    ],
    cosigned,
  };
}

/** By the same trust file, in what an incremental verification does not read again. */
function cosignedBefore({ line, before, origins, trust }: Outside): number | undefined {
  if (before === undefined || before.trustSha256 !== trust?.sha256) return undefined;
  const sizes = (line?.keys ?? []).map(({ name }) => origins.get(name)?.cosigned);
  return sizes.find((size) => size !== undefined);
}

/** @returns why it cannot be told whether enough of the trust file's witnesses have seen the ledger. */
function judgeQuorum(
  { line, before, trust, report }: Outside,
  cosigned: number | undefined,
): string | undefined {
  if (trust?.trust.quorum === undefined || cosigned !== undefined) return undefined;
  if (before !== undefined && before.trustSha256 !== trust.sha256)
    return 'the quorum of the trust file: it is another than before, and what was anchored until then was not read again; leave --incremental out once';
  if (line?.newest === undefined)
    return 'the quorum of the trust file: the ledger has no checkpoint that witnesses could have cosigned';
  report(
    'anchor_mismatch',
    line.newest.chainId,
    BigInt(line.newest.size),
    'no checkpoint of the ledger is cosigned by as many witnesses as the quorum of the trust file asks',
  );
  return undefined;
}

/** What the verifier saw in a run before must still be there. */
function judgeKnown(outside: Outside, origin: string, { size, root, note }: KnownCheckpoint): void {
  const { line, report } = outside;
  const [chainId, found] = sizeOfLine(outside);
  const standsAt = standing(outside, size, root);
  if (standsAt === 'same' || standsAt === 'unread') return;
  const place = BigInt(size) - 1n;
  if (standsAt === 'beyond') {
    report(
      'rollback',
      chainId,
      BigInt(found),
      `a verification before saw ${size} records of ${origin}, and there are ${found}`,
      place,
    );
    return;
  }
  report(
    'rollback',
    chainId,
    place,
    `a verification before saw another checkpoint of ${origin} at size ${size}`,
  );
  // Two of them are signed: of one size, or of sizes of which neither tree continues the other.
  if (line?.newest !== undefined && line.newest.size >= size && isSigned(line, note))
    report(
      'checkpoint_fork',
      chainId,
      place,
      `there are two checkpoints of ${origin} that do not agree about its first ${size} records`,
    );
}

function isSigned(line: JudgedLine, note: string): boolean {
  try {
    openCheckpoint(note, line.keys);
    return true;
  } catch (error) {
    if (isSpanledgerError(error)) return false;
    throw error;
  }
}

/** A checkpoint of this ledger by a key of its own; what else an anchor has is told where it stands for ours. */
function foreignOf(
  outside: Outside,
  anchor: string,
  { place, note, attested_at }: HeldCheckpoint,
): Foreign | undefined {
  const { line, report } = outside;
  const [chainId] = sizeOfLine(outside);
  if (note === undefined) {
    report('anchor_missing', chainId, 0n, `${anchor} had a checkpoint at ${place}, and it was removed`);
    return undefined;
  }
  try {
    const { size, root } = openCheckpoint(note, line?.keys ?? []);
    return {
      anchor,
      place,
      size: Number(size),
      root,
      ...(attested_at === undefined ? {} : { attestedAt: attested_at }),
    };
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    // Without a control chain there is no key to know it by: the ledger is missing, and that is told.
    if (line !== undefined)
      report('anchor_mismatch', chainId, 0n, `${anchor} has at ${place} what is ${messageOf(error)}`);
    return undefined;
  }
}

function isOnLine(outside: Outside, { anchor, place, size, root }: Foreign): boolean {
  const { line, report } = outside;
  const [chainId, found] = sizeOfLine(outside);
  const standsAt = standing(outside, size, root);
  if (standsAt === 'beyond')
    report(
      'rollback',
      chainId,
      BigInt(found),
      `${anchor} has a checkpoint of ${size} records, and there are ${found}`,
      BigInt(size) - 1n,
    );
  if (standsAt === 'other') {
    report(
      'anchor_mismatch',
      chainId,
      BigInt(size) - 1n,
      `${anchor} has at ${place} another root for size ${size}`,
    );
    if (line?.newest !== undefined && line.newest.size >= size)
      report(
        'checkpoint_fork',
        chainId,
        BigInt(size) - 1n,
        `${anchor} has a checkpoint that does not agree about the first ${size} records`,
      );
  }
  return standsAt === 'same';
}

/** @returns whether what it proves by itself is of this line. */
function judgeReceipt(
  outside: Outside,
  { chainId, seq, receipt }: ReceiptRecord,
  anchor: AnchorView | undefined,
  heldBy: ReadonlyMap<string, ReadonlyMap<number, string>>,
): boolean {
  const { report, line, receipts } = outside;
  const { size, root, origin } = receipt;
  if (standing(outside, size, root) === 'other') {
    report(
      'anchor_mismatch',
      chainId,
      seq,
      `its receipt of ${receipt.anchor} is of another root than the first ${size} records have`,
    );
    return false;
  }
  // An anchor nobody asked is not judged by what it has.
  if (anchor?.lists === true) {
    const held = heldBy.get(anchor.name)?.get(size);
    if (held === undefined)
      report(
        'anchor_missing',
        chainId,
        seq,
        `${anchor.name} gave a receipt for size ${size}, and has no such checkpoint`,
      );
    else if (held !== root)
      report(
        'anchor_mismatch',
        chainId,
        seq,
        `${anchor.name} gave a receipt for size ${size}, and has another root there`,
      );
  }
  const fact = receipts.get(`${chainId}:${seq}`);
  const ledger = line?.newest?.origin;
  const why =
    fact?.status === 'bad'
      ? fact.why
      : origin !== undefined && ledger !== undefined && origin !== ledger
        ? `it is of ${origin}, and not of ${ledger}`
        : undefined;
  if (why !== undefined) report('anchor_mismatch', chainId, seq, `the receipt of ${receipt.anchor}: ${why}`);
  return why === undefined;
}

/** Of the rounds that a checkpoint covers, none is recorded after the time at which somebody else saw it. */
function judgeAttested(
  { line, report, isSound }: Outside,
  times: readonly { size: number; at: string }[],
): void {
  const sorted = [...times].sort((a, b) => a.size - b.size);
  const chain = line?.chains.at(-1);
  if (chain === undefined) return;
  for (const record of chain.records) {
    if (record.kind !== 'round' || !isSound(record)) continue;
    const [attested] = sorted.filter(({ size }) => BigInt(size) > record.seq).map(({ at }) => at);
    if (attested === undefined || !isAfter(record.at, attested)) continue;
    report(
      'clock_regression',
      record.chainId,
      record.seq,
      `recorded at ${record.at}, and an anchor attests it at ${attested}`,
    );
    return;
  }
}

/** How the line stands to a checkpoint of it that somebody else has. */
function standing(
  { line, chains, points }: Outside,
  size: number,
  root: string,
): 'same' | 'other' | 'beyond' | 'unread' {
  let isReached = false;
  let isPassed = false;
  for (const { chainId } of line?.chains ?? []) {
    const point = points.at(chainId, size);
    if (point?.root === root) return 'same';
    isReached ||= point !== undefined;
    const walk = chains.get(chainId)?.walk;
    // What was verified before is not read again; over a hole nothing can be compared.
    isPassed ||= walk !== undefined && walk.start >= BigInt(size);
    isPassed ||= point !== undefined && point.root === undefined;
  }
  return isPassed ? 'unread' : isReached ? 'other' : 'beyond';
}

/** The line's last chain, and how many records it has. */
function sizeOfLine({ line, chains }: Outside): [chainId: string, size: number] {
  const last = line?.chains.at(-1)?.chainId;
  return last === undefined ? ['', 0] : [last, Number(chains.get(last)?.walk.size ?? 0n)];
}
