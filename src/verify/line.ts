import { verifyRotation } from '../chain/statements.ts';
import type { Vkey } from '../chain/vkey.ts';
import { judgeNote, type NoteInPlace } from './checkpoints.ts';
import type { Report } from './findings.ts';
import type { ControlChain, LineRecord } from './line-records.ts';
import { claimedKey } from './trust.ts';

/** A line of control chains, as its ledger checkpoints prove it. */
export interface JudgedLine {
  chains: readonly ControlChain[];
  /** By chain: the size that its newest good checkpoint covers. */
  covered: ReadonlyMap<string, number>;
  /** The newest good checkpoint of the line. */
  newest: { chainId: string; origin: string; size: number; root: string; note: string } | undefined;
  /** Checkpoints that are good. */
  verified: number;
  /** Every key that may sign in it somewhere, in order. */
  keys: readonly Vkey[];
  /** Those that may sign at its end. */
  active: readonly Vkey[];
}

export interface LineOptions {
  ledgerId: string;
  /** Keys of the ledger; empty where nobody says whom to trust. */
  trusted: readonly Vkey[];
  /** Checkpoints by chain, in order. */
  notes: ReadonlyMap<string, readonly NoteInPlace[]>;
  /** Only what hashes is believed. */
  isSound: (record: LineRecord) => boolean;
  report: Report;
}

/**
 * Goes through a line's checkpoints and key rotations in their order. A checkpoint is signed by the key that is the
 * ledger's at that place. Of each chain only the first checkpoint that is not over its records, or not by a trusted
 * key, is told.
 */
export function judgeLine(chains: readonly ControlChain[], options: LineOptions): JudgedLine {
  const { ledgerId, notes, isSound, report } = options;
  const signed: Rotation[] = chains.flatMap(({ records }) =>
    records
      .filter((record) => record.kind === 'rotation')
      .filter((each) => isSound(each) && isSigned(ledgerId, each)),
  );
  const trusted = options.trusted.length > 0 ? options.trusted : claimedKey(chains[0]!.vkey);
  const keys = new LineKeys(trusted, signed);
  const covered = new Map<string, number>();
  let newest: JudgedLine['newest'];
  let verified = 0;
  for (const { chainId, records } of chains) {
    const told = new Set<string>();
    const rotations: Rotation[] = records.filter((record) => record.kind === 'rotation').filter(isSound);
    let rotated = 0;
    const rotateUpTo = (seq: bigint) => {
      for (let each = rotations[rotated]; each !== undefined && each.seq < seq; each = rotations[++rotated]) {
        const { old, new: next, from } = each.rotation;
        const why = !signed.includes(each)
          ? 'it is not signed by both keys'
          : BigInt(from) !== each.seq
            ? `it takes effect at ${from}, not at its own place`
            : keys.rotate(old, next)
              ? undefined
              : 'the key that it ends is not the ledger’s';
        if (why !== undefined) report('key_rotation_invalid', chainId, each.seq, why);
      }
    };
    for (const place of notes.get(chainId) ?? []) {
      rotateUpTo(place.seq);
      const verdict = judgeNote(place, keys.active);
      if (verdict.kind === 'good') {
        const { origin, root } = verdict.checkpoint;
        const size = Number(place.seq);
        verified += 1;
        covered.set(chainId, size);
        newest = { chainId, origin, size, root, note: place.note! };
      } else if (verdict.kind === 'invalid') report('checkpoint_invalid', chainId, place.seq, verdict.why);
      else if (verdict.kind !== 'unchecked' && !told.has(verdict.kind)) {
        told.add(verdict.kind);
        report(`checkpoint_${verdict.kind}`, chainId, place.seq, verdict.why);
      }
    }
    rotateUpTo(2n ** 64n);
  }
  return { chains, covered, newest, verified, keys: keys.all, active: keys.active };
}

type Rotation = LineRecord & { kind: 'rotation' };

function isSigned(ledgerId: string, { chainId, rotation }: Rotation): boolean {
  const { old, new: next, from, sig_old, sig_new } = rotation;
  return verifyRotation({ ledgerId, chainId, old, new: next, from }, sig_old, sig_new);
}

/** Whose signature counts, from the first place of a line on. */
class LineKeys {
  active: readonly Vkey[];
  readonly all: Vkey[];

  /** @param rotations signed by both keys: whoever was given the newer one believes what that says of the older. */
  constructor(trusted: readonly Vkey[], rotations: readonly Rotation[]) {
    const all = new Map(trusted.map((key) => [key.text, key]));
    for (const { rotation } of rotations.toReversed())
      if (all.has(rotation.new)) for (const key of claimedKey(rotation.old)) all.set(key.text, key);
    const later = new Set<string>();
    for (const { rotation } of rotations) if (all.has(rotation.old)) later.add(rotation.new);
    this.active = [...all.values()].filter(({ text }) => !later.has(text));
    this.all = [...all.values()];
  }

  /** @returns false where `old` is not the ledger's. */
  rotate(old: string, next: string): boolean {
    if (!this.active.some(({ text }) => text === old)) return false;
    this.active = [...this.active.filter(({ text }) => text !== old), ...claimedKey(next)];
    for (const key of this.active) if (!this.all.some(({ text }) => text === key.text)) this.all.push(key);
    return true;
  }
}
