import type { ChainFacts } from './chain-facts.ts';
import type { Report } from './findings.ts';
import { clip, type Departed, heldPlaces, LawfulLine } from './lawful-line.ts';
import type { Left } from './left.ts';
import type { JudgedLine } from './line.ts';
import type { ControlChain, LineRecord } from './line-records.ts';
import type { AttestedTime } from './outside.ts';
import type { Row } from './scan.ts';

type ErasedRecords = LineRecord & { kind: 'erased' };

/** A place that records say was erased, with the record_hash it has. */
interface ErasedPlace {
  chainId: string;
  seq: bigint;
  by: readonly ErasedRecords[];
}

interface Unnamed {
  chainId: string;
  from: bigint;
  to: bigint;
  why: string;
}

export interface LawfulOptions {
  line: JudgedLine | undefined;
  isSound: (record: LineRecord) => boolean;
  /** A good checkpoint of the ledger covers it: what excuses counts no sooner. */
  isCovered: (record: LineRecord) => boolean;
  times: readonly AttestedTime[];
  chains: ReadonlyMap<string, Pick<ChainFacts, 'walk'>>;
  left: Left;
  report: Report;
}

/**
 * Hears what has left its place, and judges once the control chains have been read whether it might. What has expired is
 * kept in stretches: as many as there are ranges, not as there are tombstones.
 */
export class Lawful {
  /** By chain: where a range begins, or one has ended. Ascending. */
  readonly #bounds: ReadonlyMap<string, readonly bigint[]>;
  /** By chain and seq: what says that it was erased. */
  readonly #named = new Map<string, Map<bigint, { hash: string; by: ErasedRecords }[]>>();
  /** By chain: the seqs of these, ascending. */
  readonly #places = new Map<string, bigint[]>();
  readonly #expired: (Departed & { bound: number })[] = [];
  readonly #erased: ErasedPlace[] = [];
  readonly #unnamed: Unnamed[] = [];
  readonly #present: ErasedPlace[] = [];

  /** @param chains control chains, of which it is not known yet what is to be believed. */
  constructor(chains: readonly ControlChain[]) {
    const bounds = new Map<string, Set<bigint>>();
    for (const record of chains.flatMap(({ records }) => records)) {
      const ranges =
        record.kind === 'expired'
          ? record.expired.ranges
          : record.kind === 'held'
            ? record.hold.covers
            : new Map();
      for (const [chainId, of] of ranges) {
        const all = bounds.get(chainId) ?? new Set();
        bounds.set(chainId, all);
        for (const [first, last] of of) all.add(BigInt(first)).add(BigInt(last) + 1n);
      }
      if (record.kind === 'erased') this.#name(record);
    }
    this.#bounds = new Map([...bounds].map(([id, all]) => [id, [...all].sort(ascending)]));
    for (const [id, named] of this.#named) this.#places.set(id, [...named.keys()].sort(ascending));
  }

  #name(by: ErasedRecords): void {
    for (const { chainId, seq, record_hash: hash } of by.erased) {
      const named = this.#named.get(chainId) ?? new Map<bigint, { hash: string; by: ErasedRecords }[]>();
      this.#named.set(chainId, named);
      named.set(seq, [...(named.get(seq) ?? []), { hash, by }]);
    }
  }

  /** Places of a chain whose record hashes it must hear of. */
  askedOf(chainId: string): readonly bigint[] {
    return this.#places.get(chainId) ?? [];
  }

  /** A tombstone whose row is gone. */
  gone({ chainId, seq, reason, expiresAt, recordHash }: Row): void {
    if (reason === 'expired') {
      const bound = before(this.#bounds.get(chainId) ?? [], seq);
      const last = this.#expired.at(-1);
      if (last === undefined || last.bound !== bound || !goesOn(last, chainId, seq))
        this.#expired.push({ chainId, from: seq, to: seq, bound, latest: expiresAt, latestAt: seq });
      else {
        last.to = seq;
        if (expiresAt > last.latest) Object.assign(last, { latest: expiresAt, latestAt: seq });
      }
      return;
    }
    const named = this.#named.get(chainId)?.get(seq) ?? [];
    const by = named.filter(({ hash }) => hash === recordHash).map((each) => each.by);
    if (by.length > 0) {
      this.#erased.push({ chainId, seq, by });
      return;
    }
    const why =
      named.length > 0
        ? 'the record of its erasure names another record_hash'
        : 'no record says that it was erased';
    const last = this.#unnamed.at(-1);
    if (last !== undefined && last.why === why && goesOn(last, chainId, seq)) last.to = seq;
    else this.#unnamed.push({ chainId, from: seq, to: seq, why });
  }

  /** Records at places from `from` on, by their record hashes, 32 bytes each. */
  present(chainId: string, from: bigint, hashes: Buffer): void {
    const places = this.#places.get(chainId) ?? [];
    const end = from + BigInt(hashes.length / 32);
    for (let i = before(places, from - 1n); i < places.length && places[i]! < end; i++) {
      const seq = places[i]!;
      const at = 32 * Number(seq - from);
      const hash = hashes.toString('hex', at, at + 32);
      const named = this.#named.get(chainId)!.get(seq)!;
      const by = named.filter((each) => each.hash === hash).map((each) => each.by);
      if (by.length > 0) this.#present.push({ chainId, seq, by });
    }
  }

  /** @returns places that are on hold now, and whether an expiry was judged by a time that nobody attests. */
  judge({ line, isSound, isCovered, times, chains, left, report }: LawfulOptions): {
    onHold: number;
    byTime: boolean;
  } {
    const lawful = new LawfulLine(line, { isSound, isCovered, times, report });
    for (const { chainId, from, to, why } of this.#unnamed)
      report('erasure_unrecorded', chainId, from, why, to === from ? undefined : to);
    for (const { chainId, seq, by } of this.#erased) {
      const place = lawful.believed(by);
      if (place === undefined)
        report('erasure_unrecorded', chainId, seq, 'nothing that counts says that it was erased');
      // A hold could be erased so, or a round: nothing of that line is about a person.
      else if (line!.chains.some((each) => each.chainId === chainId))
        report('erasure_unrecorded', chainId, seq, 'nothing of the ledger’s own line may be erased');
    }
    for (const { chainId, seq, by } of this.#present)
      if (lawful.believed(by) !== undefined)
        report('erasure_incomplete', chainId, seq, 'it was erased, and is still there');
    for (const [chainId, named] of this.#named)
      for (const [seq, by] of named)
        if (
          left.contents.has(`${chainId}:${seq}`) &&
          lawful.believed(by.map((each) => each.by)) !== undefined
        )
          report('erasure_incomplete', chainId, seq, 'it was erased, and its sealed content is still there');
    for (const { chainId, records, first, last } of left.overdue)
      report(
        'expiry_overdue',
        chainId,
        first,
        `${records} records of it expired more than 45 days ago, and nothing holds them`,
        unlessOne(first, last),
      );
    const erased = this.#erased.flatMap(({ chainId, seq, by }) => {
      const at = lawful.believed(by);
      return at === undefined ? [] : [{ chainId, from: seq, to: seq, at }];
    });
    for (const { chainId, from, to, hold } of lawful.heldWhen(erased))
      report('purged_under_hold', chainId, from, `it was erased under the hold ${hold}`, unlessOne(from, to));
    const byTime = lawful.judgeExpired(this.#expired);
    const onHold = heldPlaces(clip(lawful.heldNow, (id) => chains.get(id)?.walk.size ?? 0n));
    return { onHold, byTime };
  }
}

function unlessOne(from: bigint, to: bigint): bigint | undefined {
  return from === to ? undefined : to;
}

function goesOn(last: { chainId: string; to: bigint }, chainId: string, seq: bigint): boolean {
  return last.chainId === chainId && (seq === last.to || seq === last.to + 1n);
}

/** How many of these are at or before `seq`. */
function before(sorted: readonly bigint[], seq: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
