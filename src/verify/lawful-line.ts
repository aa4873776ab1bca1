import type { Report } from './findings.ts';
import type { Ranges } from './ledger-records.ts';
import type { JudgedLine } from './line.ts';
import type { LineRecord } from './line-records.ts';
import type { AttestedTime } from './outside.ts';

/** Tombstones of one chain, one a place without a gap, that no boundary of a range parts; their rows are gone. */
export interface Departed {
  chainId: string;
  from: bigint;
  to: bigint;
  /** Unix seconds: when the last of them was to expire; and which that is. */
  latest: number;
  latestAt: bigint;
}

/** Places of a chain, and what a record of the line says of them. */
interface Span<T> {
  chainId: string;
  from: bigint;
  to: bigint;
  of: T;
}

/** From its place in the line on until it was released, before that place. */
interface Held {
  id: string;
  since: number;
  until: number;
}

interface Expiry {
  /** Its place in the line. */
  at: number;
  /** Unix seconds: what may have expired by then. */
  limit: number;
  attested: boolean;
}

interface Places {
  chainId: string;
  from: bigint;
  to: bigint;
}

export interface LawfulLineOptions {
  isSound: (record: LineRecord) => boolean;
  isCovered: (record: LineRecord) => boolean;
  times: readonly AttestedTime[];
  report: Report;
}

/** What the ledger's own line says of expiry, erasure and holds, in its order. */
export class LawfulLine {
  readonly #order = new Map<LineRecord, number>();
  readonly #expiries: Span<Expiry>[] = [];
  readonly #holds: Span<Held>[] = [];
  readonly #report: Report;

  constructor(line: JudgedLine | undefined, { isSound, isCovered, times, report }: LawfulLineOptions) {
    this.#report = report;
    const chains = (line?.chains ?? []).map(({ chainId }) => chainId);
    const records = (line?.chains ?? []).flatMap((chain) => chain.records).filter(isSound);
    const open = new Map<string, Held[]>();
    for (const [at, record] of records.entries()) {
      if (record.kind === 'held') {
        const held = { id: record.hold.hold_id, since: at, until: Number.POSITIVE_INFINITY };
        open.set(held.id, [...(open.get(held.id) ?? []), held]);
        this.#holds.push(...spansOf(record.hold.covers, held));
      }
      if (record.kind === 'released' && !record.isAuthorised)
        report(
          'hold_release_unauthorised',
          record.chainId,
          record.seq,
          'who released the hold is not an admin',
        );
      if (!isCovered(record)) continue;
      this.#order.set(record, at);
      if (record.kind === 'released') {
        for (const held of open.get(record.holdId) ?? []) held.until = at;
        open.delete(record.holdId);
      }
      if (record.kind === 'expired') {
        const { ranges, as_of } = record.expired;
        const attested = newestBefore(record, chains, times);
        const limit = attested === undefined ? as_of : Math.min(as_of, attested);
        this.#expiries.push(...spansOf(ranges, { at, limit, attested: attested !== undefined }));
      }
    }
  }

  /** The place in the line of the first of these that counts. */
  believed(records: readonly LineRecord[]): number | undefined {
    const places = records.map((record) => this.#order.get(record)).filter((at) => at !== undefined);
    return places.length === 0 ? undefined : Math.min(...places);
  }

  /** @returns whether any was judged by a time that nobody attests. */
  judgeExpired(stretches: readonly Departed[]): boolean {
    let byTime = false;
    const departed: (Places & { at: number })[] = [];
    for (const { each, over } of overlapping(stretches, this.#expiries)) {
      const { chainId, from, to, latest, latestAt } = each;
      const last = from === to ? undefined : to;
      const [one, other] = over;
      if (one === undefined || other !== undefined) {
        const why =
          one === undefined ? 'nothing that counts says that it expired' : 'it is said to have expired twice';
        this.#report('tombstone_mismatch', chainId, from, why, last);
        continue;
      }
      const { at, limit, attested } = one.of;
      departed.push({ chainId, from, to, at });
      byTime ||= !attested;
      if (latest > limit)
        this.#report(
          'purged_before_expiry',
          chainId,
          latestAt,
          `it was to stay until ${latest}, and went at ${limit}: of records ${from} to ${to}, the last to expire`,
        );
    }
    for (const { chainId, from, to, hold } of this.heldWhen(departed))
      this.#report(
        'purged_under_hold',
        chainId,
        from,
        `it expired under the hold ${hold}`,
        from === to ? undefined : to,
      );
    return byTime;
  }

  /** Those of these places that were held at that place of the line, and by which hold. */
  *heldWhen<T extends Places & { at: number }>(places: readonly T[]): Generator<T & { hold: string }> {
    for (const { each, over } of overlapping(places, this.#holds)) {
      const held = over.find(({ of }) => of.since < each.at && each.at < of.until);
      if (held !== undefined) yield { ...each, hold: held.of.id };
    }
  }

  /** What is on hold at the end of the line. */
  get heldNow(): Places[] {
    return this.#holds.filter(({ of }) => of.until === Number.POSITIVE_INFINITY);
  }
}

/** The newest time that somebody else attests for what comes before the record, in Unix seconds. */
function newestBefore(
  { chainId, seq }: LineRecord,
  chains: readonly string[],
  times: readonly AttestedTime[],
): number | undefined {
  const place = chains.indexOf(chainId);
  const known = times.filter((each) => {
    const its = chains.indexOf(each.chainId);
    return its < place || (its === place && BigInt(each.size) <= seq);
  });
  if (known.length === 0) return undefined;
  return known.reduce((newest, { at }) => Math.max(newest, Math.floor(Date.parse(at) / 1_000)), 0);
}

function spansOf<T>(ranges: Ranges, of: T): Span<T>[] {
  return [...ranges].flatMap(([chainId, each]) =>
    each.map(([first, last]) => ({ chainId, from: BigInt(first), to: BigInt(last), of })),
  );
}

/** Each of these with the spans in which its first place lies. */
function* overlapping<P extends Places, T>(
  places: readonly P[],
  spans: readonly Span<T>[],
): Generator<{ each: P; over: Span<T>[] }> {
  const next = [...spans].sort(byPlace);
  let at = 0;
  let open: Span<T>[] = [];
  for (const each of [...places].sort(byPlace)) {
    for (; at < next.length && byPlace(next[at]!, each) <= 0; at++) open.push(next[at]!);
    open = open.filter(({ chainId, to }) => chainId === each.chainId && to >= each.from);
    yield { each, over: open };
  }
}

function byPlace(a: Places, b: Places): number {
  if (a.chainId !== b.chainId) return a.chainId < b.chainId ? -1 : 1;
  return a.from < b.from ? -1 : a.from > b.from ? 1 : 0;
}

/** Without what lies beyond the end of its chain. */
export function clip(places: readonly Places[], sizeOf: (chainId: string) => bigint): Places[] {
  return places
    .map(({ chainId, from, to }) => {
      const end = sizeOf(chainId) - 1n;
      return { chainId, from, to: to < end ? to : end };
    })
    .filter(({ from, to }) => from <= to);
}

/** How many they are, each once. */
export function heldPlaces(places: readonly Places[]): number {
  let count = 0n;
  let last: Places | undefined;
  for (const each of [...places].sort(byPlace)) {
    const from = last?.chainId === each.chainId && last.to >= each.from ? last.to + 1n : each.from;
    if (from > each.to) continue;
    count += each.to - from + 1n;
    last = each;
  }
  return Number(count);
}
