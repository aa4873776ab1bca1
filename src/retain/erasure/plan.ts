import type { PolicyDocument } from '../../policy/document.ts';
import type { Hold } from '../holds.ts';
import { count, joined, type Places, union, within, without } from '../ranges.ts';
import { type Candidate, keptByLaw } from './law.ts';

/** What stays of what somebody asks to have erased: by a law until then, or by a hold until it is released. */
export interface Kept {
  why: 'law' | 'hold';
  /** A retention class or domain; the id of a hold. */
  basis: string;
  /** Unix seconds; null where nobody knows. */
  until: number | null;
  places: Places;
}

export interface Plan {
  erase: Places;
  /** A record may be kept by several. */
  kept: Kept[];
}

/** Decides about each record: it goes, unless a law or a hold keeps it at `now`, Unix seconds. */
export function planErasure(
  candidates: readonly Candidate[],
  { document, holds, now }: { document: PolicyDocument; holds: readonly Hold[]; now: number },
): Plan {
  const all = placesOf(candidates);
  const byLaw = new Map<string, { basis: string; until: number; candidates: Candidate[] }>();
  for (const candidate of candidates) {
    const law = keptByLaw(document, candidate, now);
    if (law === undefined) continue;
    const until = endOfDay(law.until);
    const name = `${law.basis} ${until}`;
    const same = byLaw.get(name) ?? { basis: law.basis, until, candidates: [] };
    byLaw.set(name, same);
    same.candidates.push(candidate);
  }
  const kept: Kept[] = [...byLaw.values()]
    .sort((a, b) => a.until - b.until)
    .map(({ basis, until, candidates }) => ({ why: 'law', basis, until, places: placesOf(candidates) }));
  for (const { id, covers } of holds) {
    const places = within(all, covers);
    if (places.size > 0) kept.push({ why: 'hold', basis: id, until: null, places });
  }
  return { erase: without(all, keptPlaces(kept)), kept };
}

export function keptPlaces(kept: readonly Kept[]): Places {
  return union(...kept.map(({ places }) => places));
}

/** What is kept still at `now`: laws end by themselves, and of holds those that are in force now count. */
export function stillKept(kept: readonly Kept[], held: Places, now: number): Places {
  const byLaw = kept.filter(({ until }) => until !== null && until > now);
  return union(keptPlaces(byLaw), held);
}

export function placesOf(candidates: readonly Pick<Candidate, 'chainId' | 'seq'>[]): Places {
  const by = new Map<string, [number, number][]>();
  for (const { chainId, seq } of candidates) {
    const those = by.get(chainId) ?? [];
    by.set(chainId, those);
    those.push([seq, seq]);
  }
  return new Map([...by].map(([chain, those]) => [chain, joined(those)]));
}

/** Each day's records are told of together, and go together: what is kept until noon is until midnight. */
function endOfDay(seconds: number): number {
  return Math.ceil(seconds / DAY_SECONDS) * DAY_SECONDS;
}

const DAY_SECONDS = 86_400;

/** Places one by one. */
export function* each(places: Places): Generator<{ chainId: string; seq: number }> {
  for (const [chainId, stretches] of places)
    for (const [first, last] of stretches) for (let seq = first; seq <= last; seq++) yield { chainId, seq };
}

/** As it is told: what would go, or has, and what stays. */
export interface PlanTold {
  records: number;
  erase: number;
  kept: { why: Kept['why']; basis: string; until: string | null; records: number }[];
}

export function tellPlan({ erase, kept }: Plan): PlanTold {
  return {
    records: count(union(erase, keptPlaces(kept))),
    erase: count(erase),
    kept: kept.map(({ why, basis, until, places }) => ({
      why,
      basis,
      until: until === null ? null : new Date(until * 1_000).toISOString(),
      records: count(places),
    })),
  };
}
