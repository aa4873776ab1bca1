/** Places of one chain: `[first, last]`, both included, ascending and apart. */
export type Stretches = readonly (readonly [first: number, last: number])[];

/** Places by chain_id; no chain without any. */
export type Places = ReadonlyMap<string, Stretches>;

export const NOWHERE: Places = new Map();

/** Those of one chain, of stretches in any order that may touch and overlap. */
export function joined(stretches: Stretches): [number, number][] {
  const all: [number, number][] = [];
  for (const [first, last] of [...stretches].sort(([a], [b]) => a - b)) {
    const before = all.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else all.push([first, last]);
  }
  return all;
}

export function union(...all: readonly Places[]): Places {
  const by = new Map<string, (readonly [number, number])[]>();
  for (const places of all)
    for (const [chain, stretches] of places) {
      const those = by.get(chain) ?? [];
      by.set(chain, those);
      for (const each of stretches) those.push(each);
    }
  return new Map([...by].map(([chain, stretches]) => [chain, joined(stretches)]));
}

/** What is in the one and not in the other. */
export function without(places: Places, other: Places): Places {
  return eachChain(places, (chain, stretches) => {
    const gone = other.get(chain);
    if (gone === undefined) return stretches;
    const left: [number, number][] = [];
    let at = 0;
    for (const [first, last] of stretches) {
      let from = first;
      while (at < gone.length && gone[at]![1] < from) at++;
      for (let i = at; i < gone.length && gone[i]![0] <= last; i++) {
        if (gone[i]![0] > from) left.push([from, gone[i]![0] - 1]);
        from = gone[i]![1] + 1;
      }
      if (from <= last) left.push([from, last]);
    }
    return left;
  });
}

/** What is in both. */
export function within(places: Places, other: Places): Places {
  return without(places, without(places, other));
}

export function count(places: Places): number {
  let all = 0;
  for (const stretches of places.values()) for (const [first, last] of stretches) all += last - first + 1;
  return all;
}

/** In parts of at most so many places and stretches, each for itself in order. */
export function* inParts(places: Places, most: { places: number; stretches: number }): Generator<Places> {
  let part = new Map<string, [number, number][]>();
  let [taken, stretched] = [0, 0];
  for (const [chain, stretches] of places)
    for (const [first, last] of stretches)
      for (let from = first; from <= last; ) {
        const to = Math.min(last, from + (most.places - taken) - 1);
        const those = part.get(chain) ?? [];
        part.set(chain, those);
        those.push([from, to]);
        taken += to - from + 1;
        stretched += 1;
        from = to + 1;
        if (taken < most.places && stretched < most.stretches) continue;
        yield part;
        part = new Map();
        [taken, stretched] = [0, 0];
      }
  if (taken > 0) yield part;
}

/** As a control record has them. */
export function written(places: Places): { [chain: string]: Stretches } {
  return Object.fromEntries([...places].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function eachChain(places: Places, work: (chain: string, stretches: Stretches) => Stretches): Places {
  const by = new Map<string, Stretches>();
  for (const [chain, stretches] of places) {
    const those = work(chain, stretches);
    if (those.length > 0) by.set(chain, those);
  }
  return by;
}
