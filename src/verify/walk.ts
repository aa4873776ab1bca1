import { ZERO_HASH } from '../chain/entry.ts';
import { emptyFrontier, type Frontier, nodeHash, rootOf } from '../chain/merkle.ts';
import type { KnownChain } from './baseline.ts';

/**
 * The way through one chain: its next place, the hash before it, and the tree over all before it. What stands in the
 * store is followed as it stands, right or wrong, so that one false record gives one finding.
 */
export class Walk {
  readonly id: string;
  /** Where nothing is known before: 0. */
  readonly start: bigint;
  #size: bigint;
  #head: string;
  /** Roots of the perfect subtrees so far, largest first; undefined once a place is missing: no root can be told then. */
  #peaks: string[] | undefined;
  /** The last place's hash, not yet in the tree: of several rows at one place the last one counts. */
  #pending: string | undefined;

  constructor(id: string, known?: KnownChain) {
    this.id = id;
    this.start = BigInt(known?.size ?? 0);
    this.#size = this.start;
    this.#head = known?.head ?? ZERO_HASH;
    this.#peaks = [...(known?.frontier ?? emptyFrontier()).peaks];
  }

  /** Its next place. */
  get size(): bigint {
    return this.#size;
  }

  /** Of the last place; zeros before the first. */
  get head(): string {
    return this.#head;
  }

  /** Over all places so far; undefined where one is missing. */
  get frontier(): Frontier | undefined {
    this.#settle();
    return this.#peaks && { size: Number(this.#size), peaks: [...this.#peaks] };
  }

  /** As `frontier`. */
  get root(): string | undefined {
    const { frontier } = this;
    return frontier && rootOf(frontier);
  }

  /** To the place `seq`, which is behind all others. */
  step(seq: bigint, hash: string): void {
    this.#settle();
    if (seq !== this.#size) this.#peaks = undefined;
    this.#size = seq + 1n;
    this.#head = hash;
    this.#pending = hash;
  }

  /** Another row at the last place. */
  again(hash: string): void {
    this.#head = hash;
    this.#pending = hash;
  }

  /** Through the next places, one after another: 32 bytes each. */
  steps(hashes: Buffer): void {
    for (let at = 0; at < hashes.length; at += 32) {
      this.#settle();
      this.#pending = hashes.toString('hex', at, at + 32);
      this.#size += 1n;
    }
    if (hashes.length > 0) this.#head = this.#pending!;
  }

  /** Through the next perfect subtrees of that height, of which the last place has the hash `head`. */
  leap(roots: Buffer, height: number, head: string): void {
    this.#settle();
    const places = 2 ** height;
    for (let at = 0; at < roots.length; at += 32) {
      this.#join(roots.toString('hex', at, at + 32), Number(this.#size) / places);
      this.#size += BigInt(places);
    }
    this.#head = head;
  }

  /** Over a hole to the place `seq`, before which `hash` is said to stand. */
  skip(seq: bigint, hash: string): void {
    this.#size = seq;
    this.#head = hash;
    this.#peaks = undefined;
    this.#pending = undefined;
  }

  #settle(): void {
    if (this.#pending === undefined) return;
    const node = this.#pending;
    this.#pending = undefined;
    this.#join(node, Number(this.#size) - 1);
  }

  /** @param n how many nodes of its height stand before it. */
  #join(root: string, n: number): void {
    if (this.#peaks === undefined) return;
    let node = root;
    for (let before = n; before % 2 === 1; before = (before - 1) / 2)
      node = nodeHash(this.#peaks.pop()!, node);
    this.#peaks.push(node);
  }
}
