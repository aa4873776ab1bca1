import type { ChainFacts } from './chain-facts.ts';
import type { Report } from './findings.ts';
import type { JudgedLine } from './line.ts';
import type { Points } from './points.ts';
import type { JudgedRounds, ListedChain } from './rounds.ts';

/** A chain that its writer began so long before the newest round should be in one. */
const DECLARED_WITHIN_MS = 600_000;
/** A writer tells of itself every five minutes, also when nothing happens. */
const STALE_AFTER_MS = 900_000;
/** Two checkpoints of a writer that has records to cover. */
const CHECKPOINT_DUE_MS = 120_000;

export interface Standing {
  chains: ReadonlyMap<string, ChainFacts>;
  points: Points;
  line: JudgedLine | undefined;
  rounds: JudgedRounds | undefined;
  /** Chains of the baseline that are closed were not read. */
  isUnread: (chainId: string) => boolean;
  /** Other chains were not read, which may go on from these. */
  isPart: boolean;
  /** Ended otherwise than by itself: another goes on from it, or its journal was given up. */
  hasEnded: (chainId: string) => boolean;
  /** Something outside the chain says that it should have checkpoints: trust that was given, rounds, anchors. */
  isWatched: boolean;
  /** Milliseconds since the epoch. */
  asOf: number;
  report: Report;
}

/**
 * Compares chains with what rounds list: chains that are gone, short, other than listed, or in no round; and those
 * that nobody vouches for any more.
 *
 * @returns how many records nothing outside their chain vouches for, by chain how many need no more, and whether
 * anything was told by the time it is.
 */
export function judgeStanding(standing: Standing): {
  unanchored: number;
  vouched: ReadonlyMap<string, number>;
  byTime: boolean;
} {
  const { chains, line, rounds } = standing;
  const all = new Map<string, number>();
  judgeListings(standing);
  const control = new Set(line?.chains.map(({ chainId }) => chainId));
  let unanchored = 0;
  let byTime = false;
  for (const chain of chains.values()) {
    const size = Number(chain.walk.size);
    const listed = rounds?.listed.get(chain.id);
    const isControl = control.has(chain.id);
    if (
      chain.closedAt !== undefined &&
      chain.closedAt < chain.walk.size &&
      rounds?.latest.has(chain.id) === true
    )
      standing.report('checkpoint_mismatch', chain.id, chain.closedAt, 'it goes on after its end');
    const vouched = isControl
      ? (line!.covered.get(chain.id) ?? 0)
      : listed === undefined
        ? 0
        : vouchedFor(chain, listed);
    // A chain without a key needs nobody to vouch for it only where nobody vouches for any.
    const isSigned =
      isControl || listed !== undefined || chain.opened?.vkey !== undefined || standing.isWatched;
    if (isSigned) unanchored += Math.max(0, size - vouched);
    all.set(chain.id, isSigned ? vouched : size);
    if (!isControl) {
      judgeDeclared(standing, chain);
      judgeKey(standing, chain);
      judgeCheckpointed(standing, chain);
      byTime = judgeTail(standing, chain, vouched) || byTime;
    }
    if (!standing.isPart) byTime = judgeStale(standing, chain) || byTime;
  }
  return { unanchored, vouched: all, byTime };
}

/** A chain's own checkpoint counts where a round lists its key. */
function vouchedFor(chain: ChainFacts, listed: ListedChain): number {
  const own = listed.vkey !== undefined && listed.vkey === chain.opened?.vkey ? chain.checkpoint : undefined;
  return Math.max(listed.size, own ?? 0);
}

function judgeListings({ chains, points, rounds, isUnread, report }: Standing): void {
  if (rounds === undefined) return;
  for (const [id, { size }] of rounds.latest) {
    if (isUnread(id)) continue;
    const found = chains.get(id)?.walk.size;
    const last = BigInt(size) - 1n;
    if (found === undefined)
      report('chain_missing', id, 0n, `a round lists ${size} records of it, and there is none`, last);
    else if (found <= last)
      report(
        'tail_truncated',
        id,
        found,
        `a round lists ${size} records of it, and there are ${found}`,
        last,
      );
  }
  const told = new Set<string>();
  for (const { listing, at, isCovered } of rounds.listings) {
    const { chain_id, size, head, root } = listing;
    const point = points.at(chain_id, size);
    if (point === undefined || told.has(chain_id)) continue;
    const differs =
      point.head !== head ? 'head' : point.root !== undefined && point.root !== root ? 'root' : undefined;
    if (differs !== undefined) {
      told.add(chain_id);
      report(
        'checkpoint_mismatch',
        chain_id,
        BigInt(size) - 1n,
        `a round lists it with another ${differs} at size ${size}`,
      );
      continue;
    }
    const recordedAt = points.timeAt(chain_id, size);
    if (isCovered && recordedAt !== undefined && isAfter(recordedAt, at)) {
      told.add(chain_id);
      report(
        'clock_regression',
        chain_id,
        BigInt(size) - 1n,
        `recorded at ${recordedAt}, after the round of ${at} that lists it`,
      );
    }
  }
}

/** Later than clocks of two machines may differ. */
export function isAfter(at: string, limit: string): boolean {
  return Date.parse(at) > Date.parse(limit) + DECLARED_WITHIN_MS;
}

function judgeDeclared({ rounds, report }: Standing, { id, openedAt }: ChainFacts): void {
  if (rounds?.lastAt === undefined || openedAt === undefined || rounds.failed.has(id)) return;
  const listed = rounds.listed.get(id);
  if (listed === undefined) {
    if (isAfter(rounds.lastAt, openedAt))
      report('chain_undeclared', id, 0n, `it began at ${openedAt}, and no round lists it`);
  } else if (listed.first?.before !== undefined && isAfter(listed.first.before, openedAt))
    report(
      'clock_regression',
      id,
      0n,
      `it says it began at ${openedAt}, and the round of ${listed.first.before} does not list it`,
    );
}

/** Of a chain in a round, the key is the one that the round lists: whoever wrote it anew had another. */
function judgeKey({ rounds, report }: Standing, chain: ChainFacts): void {
  const vkey = rounds?.listed.get(chain.id)?.vkey;
  if (vkey === undefined || chain.opened === undefined || chain.opened.vkey === vkey) return;
  report(
    'checkpoint_untrusted',
    chain.id,
    chain.firstNote ?? 0n,
    'a round lists it with another key than it names',
  );
}

function judgeCheckpointed({ rounds, isWatched, report }: Standing, chain: ChainFacts): void {
  const { id, opened, openedAt, recordedAt, checkpoint, firstNote } = chain;
  if (
    checkpoint !== undefined ||
    firstNote !== undefined ||
    openedAt === undefined ||
    recordedAt === undefined
  )
    return;
  const isDue = opened?.vkey !== undefined || (isWatched && rounds?.listed.get(id) === undefined);
  if (isDue && Date.parse(recordedAt) - Date.parse(openedAt) > CHECKPOINT_DUE_MS)
    report(
      'checkpoint_missing',
      id,
      0n,
      `its records are from ${openedAt} to ${recordedAt}, and it has no checkpoint`,
    );
}

function judgeTail({ rounds, asOf, report }: Standing, chain: ChainFacts, vouched: number): boolean {
  const listed = rounds?.listed.get(chain.id);
  if (listed === undefined || chain.walk.size <= BigInt(vouched)) return false;
  const since = vouched > (chain.checkpoint ?? 0) ? chain.sinceListing : chain.sinceNote;
  if (since === undefined || asOf - Date.parse(since) <= CHECKPOINT_DUE_MS) return false;
  report(
    'tail_unanchored',
    chain.id,
    BigInt(vouched),
    `no checkpoint and no round covers what was recorded from ${since} on`,
  );
  return true;
}

function judgeStale({ hasEnded, asOf, report }: Standing, chain: ChainFacts): boolean {
  const { id, opened, recordedAt, isClosed, walk } = chain;
  if (opened?.vkey === undefined || isClosed || recordedAt === undefined || hasEnded(id)) return false;
  if (asOf - Date.parse(recordedAt) <= STALE_AFTER_MS) return false;
  report(
    'chain_stale',
    id,
    walk.size - 1n,
    `it says nothing since ${recordedAt}, and does not say that it ends`,
  );
  return true;
}
