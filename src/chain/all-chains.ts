import { hash } from 'node:crypto';
import { EMPTY_ROOT, nodeHash } from './merkle.ts';

/** How far a chain has come: what a round lists. */
export interface ChainEnd {
  chain_id: string;
  size: number;
  /** Hash of its last record, hex. */
  head: string;
}

/**
 * `all` of a round: the RFC 6962 tree over the lines of every listed chain, in order of their ids. It is kept level
 * by level, so that a round costs what has moved: of the chains that stand still not a hash is computed again.
 */
export class AllChains {
  readonly #ids: string[];
  /** Leaves first, then what is above them; the last level is the root alone. */
  readonly #levels: string[][];
  /** Places whose leaf is another since the root was last asked for; from `#from` on, all of them. */
  #changed = new Set<number>();
  #from: number;

  constructor(chains: Iterable<ChainEnd> = []) {
    const ends = [...chains].sort((a, b) => (a.chain_id < b.chain_id ? -1 : 1));
    this.#ids = ends.map(({ chain_id }) => chain_id);
    this.#levels = [ends.map(leafOf)];
    this.#from = 0;
  }

  get count(): number {
    return this.#ids.length;
  }

  /** Lists a chain, or moves it to where it is now. */
  set(end: ChainEnd): void {
    const place = this.#placeOf(end.chain_id);
    const leaf = leafOf(end);
    if (this.#ids[place] === end.chain_id) {
      this.#levels[0]![place] = leaf;
      this.#changed.add(place);
      return;
    }
    // All that stands behind it stands elsewhere now.
    this.#ids.splice(place, 0, end.chain_id);
    this.#levels[0]!.splice(place, 0, leaf);
    this.#from = Math.min(this.#from, place);
  }

  root(): string {
    let [from, changed] = [this.#from, this.#changed];
    let level = 0;
    for (; this.#levels[level]!.length > 1; level++) {
      const below = this.#levels[level]!;
      this.#levels[level + 1] ??= [];
      const above = this.#levels[level + 1]!;
      above.length = Math.ceil(below.length / 2);
      // Of an odd number the last rises as it is: in RFC 6962 the left subtree is a whole power of two.
      const join = (i: number) => {
        const right = below[2 * i + 1];
        above[i] = right === undefined ? below[2 * i]! : nodeHash(below[2 * i]!, right);
      };
      const next = new Set<number>();
      from = Math.floor(from / 2);
      for (const place of changed) if (place >> 1 < from) next.add(place >> 1);
      for (const place of next) join(place);
      for (let i = from; i < above.length; i++) join(i);
      changed = next;
    }
    this.#levels.length = level + 1;
    this.#from = Number.POSITIVE_INFINITY;
    this.#changed = new Set();
    return this.#levels[level]![0] ?? EMPTY_ROOT;
  }

  /** Where the id stands, or would. Ids are ASCII: text is ordered as its bytes are. */
  #placeOf(id: string): number {
    let [low, high] = [0, this.#ids.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The leaf hash of `<chain_id> <size> <head>\n`. */
function leafOf({ chain_id, size, head }: ChainEnd): string {
  return hash('sha256', `\0${chain_id} ${size} ${head}\n`, 'hex');
}
