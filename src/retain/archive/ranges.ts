import type { ChainRanges } from '../../chain/manifest.ts';

/** Places of chains, as they come in their order, put together to ranges. A place that comes twice is listed once. */
export class RangeList {
  readonly ranges: ChainRanges[] = [];

  add(chainId: string, seq: number): void {
    let chain = this.ranges.at(-1);
    if (chain?.chain_id !== chainId) {
      chain = { chain_id: chainId, ranges: [] };
      this.ranges.push(chain);
    }
    const last = chain.ranges.at(-1);
    if (last?.[1] === seq) return;
    if (last !== undefined && last[1] + 1 === seq) last[1] = seq;
    else chain.ranges.push([seq, seq]);
  }
}

/** Goes through ranges beside rows that are in their order: whether each place is one of them. */
export class RangeWalk {
  readonly #ranges: readonly ChainRanges[];
  #chain = 0;
  #range = 0;

  constructor(ranges: readonly ChainRanges[]) {
    this.#ranges = ranges;
  }

  has(chainId: string, seq: bigint): boolean {
    while (this.#ranges[this.#chain] !== undefined && this.#ranges[this.#chain]!.chain_id !== chainId) {
      this.#chain += 1;
      this.#range = 0;
    }
    const of = this.#ranges[this.#chain]?.ranges ?? [];
    while (of[this.#range] !== undefined && BigInt(of[this.#range]![1]) < seq) this.#range += 1;
    const range = of[this.#range];
    return range !== undefined && BigInt(range[0]) <= seq;
  }
}

export function placesOf(ranges: readonly ChainRanges[]): bigint {
  let places = 0n;
  for (const { ranges: of } of ranges)
    for (const [first, last] of of) places += BigInt(last) - BigInt(first) + 1n;
  return places;
}
