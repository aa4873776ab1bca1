import { hash } from 'node:crypto';
import { SpanledgerError } from '../errors.ts';

/**
 * The Merkle tree of RFC 6962 section 2.1 over leaf hashes, which for a chain are its record hashes. A hash is
 * 64 lower-case hex digits. Nothing here keeps more than one hash for each level of the tree.
 */

/** The root of a tree of no leaves: SHA-256 of nothing. */
export const EMPTY_ROOT = hash('sha256', '', 'hex');

const HASH = /^[0-9a-f]{64}$/;

/**
 * All that a growing tree needs to keep of its leaves: the roots of the perfect subtrees it consists of, largest
 * first, one for each bit set in its size. A value: it is never changed, only followed by another.
 */
export interface Frontier {
  readonly size: number;
  readonly peaks: readonly string[];
}

const EMPTY: Frontier = Object.freeze({ size: 0, peaks: Object.freeze([]) });

export function emptyFrontier(): Frontier {
  return EMPTY;
}

export function isHash(text: unknown): text is string {
  return typeof text === 'string' && HASH.test(text);
}

/** 0x01, then room for two hashes. Filled and read within one synchronous call. */
const NODE = Buffer.alloc(65, 1);

/** SHA-256(0x01 ‖ left ‖ right). Both must be hashes; this runs once a record and checks neither. */
export function nodeHash(left: string, right: string): string {
  NODE.write(left, 1, 32, 'hex');
  NODE.write(right, 33, 32, 'hex');
  return hash('sha256', NODE, 'hex');
}

/** The frontier with one more leaf: one node is hashed on average, one a level at most. */
export function appendLeaf(frontier: Frontier, leaf: string): Frontier {
  let joined = 0;
  let node = leaf;
  for (let n = frontier.size; n % 2 === 1; n = (n - 1) / 2) {
    joined++;
    node = nodeHash(frontier.peaks[frontier.peaks.length - joined]!, node);
  }
  const peaks = frontier.peaks.slice(0, frontier.peaks.length - joined);
  peaks.push(node);
  return { size: frontier.size + 1, peaks };
}

export function rootOf({ peaks }: Frontier): string {
  return foldPeaks(peaks) ?? EMPTY_ROOT;
}

/** The root over peaks, from the smallest on the right; undefined where there are none. */
function foldPeaks(peaks: readonly string[], from = 0): string | undefined {
  let root: string | undefined;
  for (let i = peaks.length - 1; i >= from; i--)
    root = root === undefined ? peaks[i] : nodeHash(peaks[i]!, root);
  return root;
}

/** Base64 of the size (8 bytes, big-endian) and the peaks: 12 characters, and 43 more for each of them. */
export function encodeFrontier({ size, peaks }: Frontier): string {
  const bytes = Buffer.alloc(8 + 32 * peaks.length);
  bytes.writeBigUInt64BE(BigInt(size));
  for (const [i, peak] of peaks.entries()) bytes.write(peak, 8 + 32 * i, 32, 'hex');
  return bytes.toString('base64');
}

/** @throws SpanledgerError `proof_invalid` for anything `encodeFrontier` does not write. */
export function decodeFrontier(text: string): Frontier {
  const bytes = Buffer.from(text, 'base64');
  const size = bytes.length >= 8 ? bytes.readBigUInt64BE() : -1n;
  const fits = size >= 0n && size <= Number.MAX_SAFE_INTEGER && bytes.length === 8 + 32 * bitsSet(size);
  if (!fits || bytes.toString('base64') !== text)
    throw new SpanledgerError('proof_invalid', 'a Merkle frontier is not in the form it is stored in');
  const peaks: string[] = [];
  for (let at = 8; at < bytes.length; at += 32) peaks.push(bytes.toString('hex', at, at + 32));
  return { size: Number(size), peaks };
}

function bitsSet(n: bigint): number {
  return n.toString(2).replaceAll('0', '').length;
}

/** The root of all the leaves, given in order. */
export function rootOfLeaves(leaves: Iterable<string>): string {
  let frontier = emptyFrontier();
  for (const leaf of leaves) frontier = appendLeaf(frontier, leaf);
  return rootOf(frontier);
}

export interface InclusionClaim {
  index: bigint;
  size: bigint;
  /** The leaf's hash. */
  leaf: string;
  proof: readonly string[];
  root: string;
}

/** Sizes in proofs and checkpoints are unsigned and of 64 bits. */
const SIZE_LIMIT = 1n << 64n;

/** Whether the leaf is the one at that index of the tree of that size and root. Never throws. */
export function verifyInclusion({ index, size, leaf, proof, root }: InclusionClaim): boolean {
  if (index < 0n || index >= size || size >= SIZE_LIMIT) return false;
  if (!isHash(leaf) || !isHash(root) || !proof.every(isHash)) return false;
  const climb = new Climb(index, size);
  let node = leaf;
  for (const sibling of proof) {
    if (climb.isAtRoot) return false;
    node = climb.step() === 'left' ? nodeHash(sibling, node) : nodeHash(node, sibling);
  }
  return climb.isAtRoot && node === root;
}

export interface ConsistencyClaim {
  size1: bigint;
  root1: string;
  size2: bigint;
  root2: string;
  proof: readonly string[];
}

/**
 * Whether the first tree's leaves are the second's first. Never throws. A first tree without leaves is refused:
 * every tree begins with it, so that it would prove nothing.
 */
export function verifyConsistency({ size1, root1, size2, root2, proof }: ConsistencyClaim): boolean {
  if (size1 <= 0n || size1 > size2 || size2 >= SIZE_LIMIT) return false;
  // Of two trees of one size only equality is asked, so that their roots are not looked into.
  if (size1 === size2) return proof.length === 0 && root1 === root2 && root1 !== '';
  if (!isHash(root1) || !isHash(root2) || !proof.every(isHash)) return false;
  if (proof.length === 0) return false;
  // The climb begins at the last perfect subtree of the first tree. Where that is the whole of it, it is root1.
  const climb = new Climb(size1 - 1n, size2);
  climb.skipRightTurns();
  const whole = (size1 & (size1 - 1n)) === 0n;
  let node1 = whole ? root1 : proof[0]!;
  let node2 = node1;
  for (const sibling of whole ? proof : proof.slice(1)) {
    if (climb.isAtRoot) return false;
    if (climb.step() === 'left') {
      node1 = nodeHash(sibling, node1);
      node2 = nodeHash(sibling, node2);
    } else node2 = nodeHash(node2, sibling);
  }
  return climb.isAtRoot && node1 === root1 && node2 === root2;
}

/** The way from a node to the root, RFC 9162 sections 2.1.3.2 and 2.1.4.2. */
class Climb {
  /** The node's index in its level, and that of the level's last node. */
  #node: bigint;
  #last: bigint;

  constructor(index: bigint, size: bigint) {
    this.#node = index;
    this.#last = size - 1n;
  }

  get isAtRoot(): boolean {
    return this.#last === 0n;
  }

  /** Goes to the parent, and says on which side the sibling stands. */
  step(): 'left' | 'right' {
    const onLeft = (this.#node & 1n) === 1n || this.#node === this.#last;
    // The last node of an incomplete level has no sibling there: it rises to where it has one.
    if (onLeft) while (this.#node !== 0n && (this.#node & 1n) === 0n) this.#up();
    this.#up();
    return onLeft ? 'left' : 'right';
  }

  skipRightTurns(): void {
    while ((this.#node & 1n) === 1n) this.#up();
  }

  #up(): void {
    this.#node >>= 1n;
    this.#last >>= 1n;
  }
}

/** The roots at each of a list of sizes, in one pass over the leaves. */
export class RootsBuilder {
  /** By size, for the sizes reached so far. */
  readonly roots = new Map<number, string>();
  readonly #wanted: ReadonlySet<number>;
  #frontier: Frontier = EMPTY;

  constructor(sizes: Iterable<number>) {
    this.#wanted = new Set(sizes);
    this.#note();
  }

  get frontier(): Frontier {
    return this.#frontier;
  }

  append(leaf: string): void {
    this.#frontier = appendLeaf(this.#frontier, leaf);
    this.#note();
  }

  #note(): void {
    const { size } = this.#frontier;
    if (this.#wanted.has(size)) this.roots.set(size, rootOf(this.#frontier));
  }
}

/** Follows one perfect subtree through a growing tree, and keeps the siblings on its way to the root. */
class PathBuilder {
  #size = 0;
  readonly #peaks: string[] = [];
  /** Which peak holds the subtree; -1 before there is one. */
  #followed = -1;
  readonly #siblings: string[] = [];

  get size(): number {
    return this.#size;
  }

  push(leaf: string): void {
    this.#peaks.push(leaf);
  }

  /** Follows the last peak from here on. */
  follow(): string {
    this.#followed = this.#peaks.length - 1;
    return this.#peaks[this.#followed]!;
  }

  /** Counts the leaf pushed, and joins the subtrees it completes. */
  settle(): void {
    for (let n = this.#size; n % 2 === 1; n = (n - 1) / 2) {
      const right = this.#peaks.pop()!;
      const place = this.#peaks.length - 1;
      const left = this.#peaks[place]!;
      if (this.#followed === place) this.#siblings.push(right);
      else if (this.#followed === place + 1) {
        this.#siblings.push(left);
        this.#followed = place;
      }
      this.#peaks[place] = nodeHash(left, right);
    }
    this.#size++;
  }

  /** From the subtree to the root of the tree as it is now. */
  path(): string[] {
    const path = [...this.#siblings];
    const right = foldPeaks(this.#peaks, this.#followed + 1);
    if (right !== undefined) path.push(right);
    return path.concat(this.#peaks.slice(0, this.#followed).reverse());
  }

  root(): string {
    return foldPeaks(this.#peaks) ?? EMPTY_ROOT;
  }
}

/** The inclusion proof of one leaf, in one pass over all of them. */
export class InclusionBuilder {
  readonly #index: number;
  readonly #tree = new PathBuilder();
  #leaf = '';

  constructor(index: number) {
    this.#index = index;
  }

  append(leaf: string): void {
    this.#tree.push(leaf);
    if (this.#tree.size === this.#index) this.#leaf = this.#tree.follow();
    this.#tree.settle();
  }

  /** In the tree of the leaves so far. @throws SpanledgerError `proof_invalid` while the leaf is not among them. */
  claim(): InclusionClaim {
    const { size } = this.#tree;
    if (this.#leaf === '') throw outside(`leaf ${this.#index}`, size);
    return {
      index: BigInt(this.#index),
      size: BigInt(size),
      leaf: this.#leaf,
      proof: this.#tree.path(),
      root: this.#tree.root(),
    };
  }
}

/** The proof that a tree's first leaves were an earlier tree, in one pass over all of them. */
export class ConsistencyBuilder {
  readonly #size1: number;
  readonly #tree = new PathBuilder();
  #root1 = '';
  #subtree = '';

  constructor(size1: number) {
    this.#size1 = size1;
  }

  append(leaf: string): void {
    this.#tree.push(leaf);
    this.#tree.settle();
    if (this.#tree.size !== this.#size1) return;
    this.#root1 = this.#tree.root();
    this.#subtree = this.#tree.follow();
  }

  /** To the tree of the leaves so far. @throws SpanledgerError `proof_invalid` for a first size of 0, or not reached. */
  claim(): ConsistencyClaim {
    const { size } = this.#tree;
    if (this.#root1 === '') throw outside(`a tree of ${this.#size1}`, size);
    // Where that subtree is the whole first tree, or nothing was added, the proof does without it.
    const whole = this.#subtree === this.#root1;
    const path = this.#tree.path();
    return {
      size1: BigInt(this.#size1),
      root1: this.#root1,
      size2: BigInt(size),
      root2: this.#tree.root(),
      proof: size === this.#size1 ? [] : whole ? path : [this.#subtree, ...path],
    };
  }
}

function outside(what: string, size: number): SpanledgerError {
  return new SpanledgerError('proof_invalid', `nothing proves ${what} in a tree of ${size} records`, {
    hint: 'Ask for one that the checkpoint covers.',
  });
}

/** The siblings from the leaf at an index to the root. @throws SpanledgerError `proof_invalid` for an index outside. */
export function inclusionProof(index: number, leaves: Iterable<string>): string[] {
  const builder = new InclusionBuilder(index);
  for (const leaf of leaves) builder.append(leaf);
  return [...builder.claim().proof];
}

/** @throws SpanledgerError `proof_invalid` unless 0 < size1 <= size2 <= the number of leaves. */
export function consistencyProof(size1: number, size2: number, leaves: Iterable<string>): string[] {
  const builder = new ConsistencyBuilder(size1);
  let size = 0;
  for (const leaf of leaves) {
    if (size === size2) break;
    builder.append(leaf);
    size++;
  }
  if (size !== size2) throw outside(`a tree of ${size2}`, size);
  return [...builder.claim().proof];
}
