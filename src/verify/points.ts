/** A chain at one of its sizes. */
export interface Point {
  /** Hash of its last record then, hex. */
  head: string;
  /** Of the tree over all its records then; undefined where one of them is missing. */
  root: string | undefined;
}

/** Sizes at which others say what a chain was: rounds, anchors, a state. The way through the chain finds what it is. */
export class Points {
  readonly #wanted = new Map<string, Set<number>>();
  readonly #found = new Map<string, Map<number, Point>>();
  readonly #times = new Map<string, string>();

  want(chainId: string, size: number): void {
    const sizes = this.#wanted.get(chainId) ?? new Set();
    this.#wanted.set(chainId, sizes.add(size));
  }

  /** Ascending. */
  sizesOf(chainId: string): number[] {
    return [...(this.#wanted.get(chainId) ?? [])].sort((a, b) => a - b);
  }

  found(chainId: string, size: number, point: Point): void {
    const points = this.#found.get(chainId) ?? new Map<number, Point>();
    this.#found.set(chainId, points.set(size, point));
  }

  /** When its last record was recorded then. */
  heard(chainId: string, size: number, at: string): void {
    if (this.#wanted.get(chainId)?.has(size)) this.#times.set(`${chainId}:${size}`, at);
  }

  timeAt(chainId: string, size: number): string | undefined {
    return this.#times.get(`${chainId}:${size}`);
  }

  /** Undefined where the way did not lead past it. */
  at(chainId: string, size: number): Point | undefined {
    return this.#found.get(chainId)?.get(size);
  }
}
