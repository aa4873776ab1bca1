import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendLeaf,
  ConsistencyBuilder,
  consistencyProof,
  decodeFrontier,
  EMPTY_ROOT,
  emptyFrontier,
  encodeFrontier,
  type Frontier,
  InclusionBuilder,
  inclusionProof,
  nodeHash,
  RootsBuilder,
  rootOf,
  rootOfLeaves,
  verifyConsistency,
  verifyInclusion,
} from '../../src/chain/merkle.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { publicVectors } from '../support/vectors.ts';

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest('hex');
const unhex = (text: string) => Buffer.from(text, 'hex');
const leaf = (n: number) => sha256(Buffer.of(0), Buffer.from(String(n)));
const leaves = (n: number) => Array.from({ length: n }, (_, i) => leaf(i));

/** RFC 6962 section 2.1, to the letter. */
function naiveRoot(hashes: readonly string[]): string {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0]!;
  const k = split(hashes.length);
  return sha256(Buffer.of(1), unhex(naiveRoot(hashes.slice(0, k))), unhex(naiveRoot(hashes.slice(k))));
}

/** Section 2.1.1. */
function naivePath(m: number, hashes: readonly string[]): string[] {
  if (hashes.length <= 1) return [];
  const k = split(hashes.length);
  const [left, right] = [hashes.slice(0, k), hashes.slice(k)];
  return m < k ? [...naivePath(m, left), naiveRoot(right)] : [...naivePath(m - k, right), naiveRoot(left)];
}

/** Section 2.1.2. */
function naiveSubproof(m: number, hashes: readonly string[], whole = true): string[] {
  if (m === hashes.length) return whole ? [] : [naiveRoot(hashes)];
  const k = split(hashes.length);
  const [left, right] = [hashes.slice(0, k), hashes.slice(k)];
  return m <= k
    ? [...naiveSubproof(m, left, whole), naiveRoot(right)]
    : [...naiveSubproof(m - k, right, false), naiveRoot(left)];
}

const split = (n: number) => 2 ** Math.floor(Math.log2(n - 1));
const size = () => fc.integer({ min: 1, max: 140 });

function flip(hash: string, bit: number): string {
  const bytes = unhex(hash);
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return bytes.toString('hex');
}

describe('a tree', () => {
  it('has the root that RFC 6962 defines, at every size', () => {
    let frontier = emptyFrontier();
    for (let n = 0; n <= 140; n++) {
      expect(rootOf(frontier)).toBe(naiveRoot(leaves(n)));
      expect(frontier.peaks).toHaveLength(n.toString(2).replaceAll('0', '').length);
      frontier = appendLeaf(frontier, leaf(n));
    }
    expect(EMPTY_ROOT).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(rootOfLeaves(leaves(77))).toBe(naiveRoot(leaves(77)));
    expect(nodeHash(leaf(1), leaf(2))).toBe(sha256(Buffer.of(1), unhex(leaf(1)), unhex(leaf(2))));
  });

  it('that grows leaves the frontier before it as it was', () => {
    const before = appendLeaf(appendLeaf(emptyFrontier(), leaf(0)), leaf(1));
    const kept = structuredClone(before);
    appendLeaf(appendLeaf(before, leaf(2)), leaf(3));
    expect(before).toEqual(kept);
    expect(emptyFrontier()).toEqual({ size: 0, peaks: [] });
  });

  it('is found at any list of its sizes in one pass', () => {
    fc.assert(
      fc.property(size(), fc.array(fc.nat({ max: 150 })), (n, sizes) => {
        const builder = new RootsBuilder(sizes);
        for (const each of leaves(n)) builder.append(each);
        const reached = [...new Set(sizes)].filter((wanted) => wanted <= n);
        expect(builder.roots).toEqual(
          new Map(reached.toSorted((a, b) => a - b).map((at) => [at, naiveRoot(leaves(at))])),
        );
        expect(rootOf(builder.frontier)).toBe(naiveRoot(leaves(n)));
      }),
    );
  });
});

describe('a frontier as text', () => {
  it('is read back, and goes on as before', () => {
    fc.assert(
      fc.property(fc.nat({ max: 140 }), (n) => {
        let frontier = emptyFrontier();
        for (const each of leaves(n)) frontier = appendLeaf(frontier, each);
        const text = encodeFrontier(frontier);
        expect(decodeFrontier(text)).toEqual(frontier);
        expect(rootOf(appendLeaf(decodeFrontier(text), leaf(n)))).toBe(naiveRoot(leaves(n + 1)));
      }),
    );
  });

  it('is this', () => {
    const three = leaves(3).reduce(appendLeaf, emptyFrontier());
    expect(encodeFrontier(emptyFrontier())).toBe('AAAAAAAAAAA=');
    expect(encodeFrontier(three)).toBe(
      Buffer.concat([
        Buffer.of(0, 0, 0, 0, 0, 0, 0, 3),
        unhex(naiveRoot(leaves(2))),
        unhex(leaf(2)),
      ]).toString('base64'),
    );
  });

  it('keeps sizes to 2^53 - 1 and refuses those beyond', () => {
    const peaks = Array<string>(53).fill(leaf(0));
    const largest = { size: Number.MAX_SAFE_INTEGER, peaks };
    expect(decodeFrontier(encodeFrontier(largest))).toEqual(largest);
    const beyond = Buffer.concat([Buffer.of(0, 32, 0, 0, 0, 0, 0, 0), Buffer.alloc(32)]);
    expect(() => decodeFrontier(beyond.toString('base64'))).toThrow('Merkle frontier');
  });

  it('is refused in any other form', () => {
    const text = encodeFrontier(leaves(3).reduce(appendLeaf, emptyFrontier()));
    const others = [
      '',
      'AAAA',
      `${text} `,
      `\n${text}`,
      text.slice(4),
      text.slice(0, -4),
      text + text,
      'AAAAAAAAAAB=',
    ];
    const url = text.replaceAll('/', '_').replaceAll('+', '-');
    for (const other of url === text ? others : [...others, url])
      expect(
        refusal(() => decodeFrontier(other)),
        other,
      ).toBe('proof_invalid');
    fc.assert(
      fc.property(fc.base64String(), (any) => {
        const read = refusal(() => decodeFrontier(any));
        if (read !== 'proof_invalid') expect(encodeFrontier(read as Frontier)).toBe(any);
      }),
    );
  });
});

/** The code of the SpanledgerError thrown, or what was returned. Anything else thrown goes on. */
function refusal(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (isSpanledgerError(error)) return error.code;
    throw error;
  }
}

const BITS = fc.nat({ max: 255 });

describe('an inclusion proof', () => {
  const claimOf = (index: number, n: number) => ({
    index: BigInt(index),
    size: BigInt(n),
    leaf: leaf(index),
    proof: inclusionProof(index, leaves(n)),
    root: naiveRoot(leaves(n)),
  });
  const claim = () => size().chain((n) => fc.nat({ max: n - 1 }).map((index) => claimOf(index, n)));

  it('is the one RFC 6962 defines, for every leaf of every tree up to 40, and verifies', () => {
    for (let n = 1; n <= 40; n++)
      for (let index = 0; index < n; index++) {
        const made = claimOf(index, n);
        expect(made.proof).toEqual(naivePath(index, leaves(n)));
        expect(verifyInclusion(made)).toBe(true);
      }
  });

  it('comes with its root and leaf when made in one pass', () => {
    fc.assert(
      fc.property(claim(), (expected) => {
        const builder = new InclusionBuilder(Number(expected.index));
        for (const each of leaves(Number(expected.size))) builder.append(each);
        expect(builder.claim()).toEqual(expected);
      }),
    );
  });

  it('fails when any one bit of it differs, or its place, size or length', () => {
    fc.assert(
      fc.property(claim(), BITS, fc.nat(), (made, bit, pick) => {
        const at = made.proof.length === 0 ? -1 : pick % made.proof.length;
        const bent = [
          { ...made, leaf: flip(made.leaf, bit) },
          { ...made, root: flip(made.root, bit) },
          ...(at < 0 ? [] : [{ ...made, proof: made.proof.with(at, flip(made.proof[at]!, bit)) }]),
          ...(at < 0 ? [] : [{ ...made, proof: made.proof.toSpliced(at, 1) }]),
          { ...made, proof: [...made.proof, leaf(0)] },
          { ...made, proof: [leaf(0), ...made.proof] },
          { ...made, index: made.index ^ 1n },
          { ...made, index: made.index + made.size },
          { ...made, index: -made.index - 1n },
          { ...made, size: 0n },
          { ...made, size: -made.size },
        ];
        for (const each of bent) expect(verifyInclusion(each)).toBe(false);
      }),
    );
  });

  it('takes no inner node for a leaf, at any place of the same tree', () => {
    const all = leaves(8);
    const inner = naiveRoot(all.slice(0, 2));
    const path = [naiveRoot(all.slice(2, 4)), naiveRoot(all.slice(4))];
    for (let index = 0n; index < 8n; index++)
      expect(verifyInclusion({ index, size: 8n, leaf: inner, proof: path, root: naiveRoot(all) })).toBe(
        false,
      );
  });

  it('is not written in capitals, nor in hashes of another length', () => {
    const made = claimOf(2, 5);
    const capitals = (text: string) => text.toUpperCase();
    for (const wrong of [
      capitals,
      (text: string) => text.slice(2),
      (text: string) => `${text}00`,
      () => '',
    ]) {
      expect(verifyInclusion({ ...made, leaf: wrong(made.leaf) })).toBe(false);
      expect(verifyInclusion({ ...made, root: wrong(made.root) })).toBe(false);
      expect(verifyInclusion({ ...made, proof: made.proof.with(0, wrong(made.proof[0]!)) })).toBe(false);
    }
  });

  it('of a leaf that is not there is refused', () => {
    for (const index of [3, -1, 0.5, Number.NaN])
      expect(refusal(() => inclusionProof(index, leaves(3)))).toBe('proof_invalid');
  });
});

describe('a consistency proof', () => {
  const claimOf = (size1: number, size2: number) => ({
    size1: BigInt(size1),
    root1: naiveRoot(leaves(size1)),
    size2: BigInt(size2),
    root2: naiveRoot(leaves(size2)),
    proof: consistencyProof(size1, size2, leaves(size2)),
  });
  const claim = () =>
    size().chain((size2) => fc.integer({ min: 1, max: size2 }).map((size1) => claimOf(size1, size2)));

  it('is the one RFC 6962 defines, for every pair of sizes up to 40, and verifies', () => {
    for (let size2 = 1; size2 <= 40; size2++)
      for (let size1 = 1; size1 <= size2; size1++) {
        const made = claimOf(size1, size2);
        expect(made.proof).toEqual(naiveSubproof(size1, leaves(size2)));
        expect(verifyConsistency(made)).toBe(true);
      }
  });

  it('comes with both roots when made in one pass', () => {
    fc.assert(
      fc.property(claim(), (expected) => {
        const builder = new ConsistencyBuilder(Number(expected.size1));
        for (const each of leaves(Number(expected.size2))) builder.append(each);
        expect(builder.claim()).toEqual(expected);
      }),
    );
  });

  it('fails when any one bit of it differs, or its length', () => {
    fc.assert(
      fc.property(claim(), BITS, fc.nat(), (made, bit, pick) => {
        const at = made.proof.length === 0 ? -1 : pick % made.proof.length;
        const bent = [
          { ...made, root1: flip(made.root1, bit) },
          { ...made, root2: flip(made.root2, bit) },
          ...(at < 0 ? [] : [{ ...made, proof: made.proof.with(at, flip(made.proof[at]!, bit)) }]),
          ...(at < 0 ? [] : [{ ...made, proof: made.proof.toSpliced(at, 1) }]),
          { ...made, proof: [...made.proof, leaf(0)] },
          { ...made, size1: 0n },
          { ...made, size1: made.size2 + 1n },
          { ...made, root1: '', root2: '' },
          { ...made, size1: -made.size1 },
        ];
        for (const each of bent) expect(verifyConsistency(each)).toBe(false);
      }),
    );
  });

  it('does not join two trees of which one is not the beginning of the other', () => {
    const other = leaves(9).with(1, leaf(99));
    const made = claimOf(4, 9);
    expect(verifyConsistency({ ...made, root2: naiveRoot(other), proof: naiveSubproof(4, other) })).toBe(
      false,
    );
  });

  it('from nothing, backwards, or to what is not there is refused', () => {
    for (const [size1, size2] of [
      [0, 3],
      [3, 2],
      [1, 4],
      [-1, 3],
      [0.5, 3],
    ] as const)
      expect(
        refusal(() => consistencyProof(size1, size2, leaves(3))),
        `${size1} ${size2}`,
      ).toBe('proof_invalid');
  });
});

/** JSON.parse rounds sizes near 2^64: they are read as texts. */
function vectors(kind: string): { name: string; vector: Record<string, unknown> }[] {
  const root = publicVectors(`merkle/testdata/${kind}`);
  if (root === undefined) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const text = readFileSync(`${root}/${name}`, 'utf8').replace(/^(\s*"\w+": )(\d+)(,?)$/gm, '$1"$2"$3');
      return { name, vector: JSON.parse(text) as Record<string, unknown> };
    });
}

const hexOf = (base64: unknown) => Buffer.from((base64 as string | null) ?? '', 'base64').toString('hex');
const proofOf = (proof: unknown) => ((proof as string[] | null) ?? []).map(hexOf);

describe('the published vectors', () => {
  const inclusion = vectors('inclusion');
  const consistency = vectors('consistency');

  it.skipIf(inclusion.length === 0)('of inclusion hold, and fail where they must', () => {
    expect(inclusion).toHaveLength(98);
    for (const { name, vector } of inclusion) {
      const good = verifyInclusion({
        index: BigInt(vector.leafIdx as string),
        size: BigInt(vector.treeSize as string),
        leaf: hexOf(vector.leafHash),
        proof: proofOf(vector.proof),
        root: hexOf(vector.root),
      });
      expect(good, name).toBe(vector.wantErr === false);
    }
  });

  it.skipIf(consistency.length === 0)('of consistency hold, and fail where they must', () => {
    expect(consistency).toHaveLength(98);
    for (const { name, vector } of consistency) {
      const good = verifyConsistency({
        size1: BigInt(vector.size1 as string),
        root1: hexOf(vector.root1),
        size2: BigInt(vector.size2 as string),
        root2: hexOf(vector.root2),
        proof: proofOf(vector.proof),
      });
      expect(good, name).toBe(vector.wantErr === false);
    }
  });
});
