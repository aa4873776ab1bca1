import { AllChains } from '../chain/all-chains.ts';
import type { Report } from './findings.ts';
import type { Listing } from './ledger-records.ts';
import type { JudgedLine } from './line.ts';
import type { LineRecord } from './line-records.ts';

type RoundRecord = LineRecord & { kind: 'round' };

/** Where a round listed a chain last. */
export interface Listed {
  size: number;
  /** Hex. */
  head: string;
  vkey?: string;
}

/** A chain as rounds list it. */
export interface ListedChain extends Listed {
  /** The round that listed it first, and the one before that; of a chain known from before they are not known. */
  first?: { at: string; before: string | undefined };
}

/** One place of a chain in one round. */
export interface ListingInRound {
  listing: Listing;
  /** `recorded_at` of the round. */
  at: string;
  /** A good ledger checkpoint covers the round. */
  isCovered: boolean;
}

export interface JudgedRounds {
  /** Rounds that count: covered, and as they should be. */
  verified: number;
  last: number;
  lastAt: string | undefined;
  /** As covered rounds list them: this excuses. */
  listed: ReadonlyMap<string, ListedChain>;
  /** As any round lists them: this accuses. */
  latest: ReadonlyMap<string, Listed>;
  /** Of covered rounds: chains that had failed. */
  failed: ReadonlySet<string>;
  listings: readonly ListingInRound[];
}

/** What is known of the rounds before. */
export interface RoundsBefore {
  listed: ReadonlyMap<string, Listed>;
  last: number;
  lastAt?: string;
}

/**
 * Goes through the rounds of a line in their order, and recomputes of each what it says of all chains. A round counts
 * once a good ledger checkpoint covers it; before that it accuses, and excuses nothing.
 */
export function judgeRounds(
  line: JudgedLine,
  before: RoundsBefore | undefined,
  isSound: (record: LineRecord) => boolean,
  report: Report,
): JudgedRounds {
  const listed = new Map<string, ListedChain>(before?.listed);
  const latest = new Map<string, Listed>(before?.listed);
  const all = new AllChains(ends(before?.listed ?? new Map()));
  const failed = new Set<string>();
  const listings: ListingInRound[] = [];
  let last = before?.last ?? -1;
  let lastAt = before?.lastAt;
  let verified = 0;
  for (const { chainId, records } of line.chains) {
    const covered = line.covered.get(chainId) ?? 0;
    for (const record of records.filter(
      (each): each is RoundRecord => each.kind === 'round' && isSound(each),
    )) {
      const { seq, at, round } = record;
      const isCovered = seq < BigInt(covered);
      let why = follows(round.round, last)
        ? undefined
        : `it is round ${round.round}, and ${last < 0 ? 'the first' : `the one before is ${last}`}`;
      for (const listing of round.chains) {
        const { chain_id, size, head, vkey } = listing;
        const known = latest.get(chain_id);
        if (known !== undefined && size < known.size)
          why ??= `it lists ${chain_id} shorter than a round before`;
        if (vkey !== undefined && known?.vkey !== undefined && vkey !== known.vkey)
          why ??= `it names another key of ${chain_id} than a round before`;
        all.set({ chain_id, size, head });
        const key = vkey ?? known?.vkey;
        const next = { size, head, ...(key === undefined ? {} : { vkey: key }) };
        latest.set(chain_id, next);
        const first =
          listed.get(chain_id)?.first ?? (known === undefined ? { at, before: lastAt } : undefined);
        if (isCovered) listed.set(chain_id, { ...next, ...(first === undefined ? {} : { first }) });
        listings.push({ listing, at, isCovered });
      }
      if (all.count !== round.all.count || all.root() !== round.all.root)
        why ??= 'what it says of all chains is not what it and the rounds before it list';
      if (why !== undefined) report('checkpoint_mismatch', chainId, seq, why);
      else if (isCovered) verified += 1;
      if (isCovered) for (const each of round.failed) failed.add(each);
      last = round.round;
      if (isCovered) lastAt = at;
    }
  }
  return { verified, last, lastAt, listed, latest, failed, listings };
}

/** The first is 0 or 1. */
function follows(round: number, last: number): boolean {
  return last < 0 ? round === 0 || round === 1 : round === last + 1;
}

function* ends(listed: ReadonlyMap<string, Listed>) {
  for (const [chain_id, { size, head }] of listed) yield { chain_id, size, head };
}
