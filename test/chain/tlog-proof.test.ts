import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signCheckpointSync } from '../../src/chain/checkpoint.ts';
import { inclusionProof, rootOfLeaves } from '../../src/chain/merkle.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import {
  formatTlogProof,
  openTlogProof,
  parseTlogProof,
  type TlogProof,
} from '../../src/chain/tlog-proof.ts';
import { parseVkey } from '../../src/chain/vkey.ts';
import { isSpanledgerError } from '../../src/errors.ts';

const signer = new LocalSigner('ledger.example/test', Buffer.alloc(32, 1));
const keys = [parseVkey(signer.vkey)];
const leaves = Array.from({ length: 13 }, (_, i) => i.toString(16).padStart(64, '0'));

function proofOf(index: number, size = leaves.length): TlogProof {
  const covered = leaves.slice(0, size);
  const checkpoint = { origin: signer.name, size: BigInt(size), root: rootOfLeaves(covered) };
  return {
    index: BigInt(index),
    proof: inclusionProof(index, covered),
    checkpoint: signCheckpointSync(checkpoint, signer),
  };
}

function refusal(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return error.code;
    throw error;
  }
}

const place = () =>
  fc.integer({ min: 1, max: 13 }).chain((size) => fc.tuple(fc.nat({ max: size - 1 }), fc.constant(size)));
const extras = () =>
  fc.option(
    fc.uint8Array({ minLength: 1 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  );

describe('a proof on one page', () => {
  it('is read back, and proves its leaf and no other', () => {
    fc.assert(
      fc.property(place(), extras(), ([index, size], extra) => {
        const made = { ...proofOf(index, size), ...(extra === undefined ? {} : { extra }) };
        const read = parseTlogProof(formatTlogProof(made));
        expect(read).toEqual(made);
        expect(openTlogProof(read, leaves[index]!, keys)).toMatchObject({ size: BigInt(size) });
        const other = leaves[(index + 1) % 13]!;
        expect(refusal(() => openTlogProof(read, other, keys))).toBe('proof_invalid');
        expect(refusal(() => openTlogProof(read, leaves[index]!, []))).toBe('note_invalid');
      }),
    );
  });

  it('is this', () => {
    const { checkpoint } = proofOf(2, 3);
    const side = Buffer.from(rootOfLeaves(leaves.slice(0, 2)), 'hex').toString('base64');
    expect(formatTlogProof({ ...proofOf(2, 3), extra: Buffer.from('hi') })).toBe(
      `c2sp.org/tlog-proof@v1\nextra aGk=\nindex 2\n${side}\n\n${checkpoint}`,
    );
    expect(formatTlogProof(proofOf(0, 1))).toBe(
      `c2sp.org/tlog-proof@v1\nindex 0\n\n${proofOf(0, 1).checkpoint}`,
    );
  });

  it('proves nothing with any one bit of it changed', () => {
    const bytes = Buffer.from(formatTlogProof(proofOf(5)));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const code = refusal(() => openTlogProof(parseTlogProof(changed.toString('utf8')), leaves[5]!, keys));
      expect(['proof_invalid', 'note_invalid'], `bit ${bit}`).toContain(code);
    }
  });

  const good = formatTlogProof({ ...proofOf(5), extra: Buffer.from('hi') });
  const hash = good.split('\n')[3]!;
  it.each([
    ['another version', good.replace('@v1', '@v2')],
    ['a leading zero', good.replace('index 5', 'index 05')],
    ['a negative index', good.replace('index 5', 'index -5')],
    ['an index above 2^63', good.replace('index 5', 'index 9223372036854775808')],
    ['no index', good.replace('index 5\n', '')],
    ['extra after its index', good.replace('extra aGk=\nindex 5\n', 'index 5\nextra aGk=\n')],
    ['extra twice', good.replace('extra aGk=\n', 'extra aGk=\nextra aGk=\n')],
    ['empty extra', good.replace('extra aGk=', 'extra ')],
    ['pad bits', good.replace('aGk=', 'aGl=')],
    ['a hash of 31 bytes', good.replace(hash, Buffer.alloc(31).toString('base64'))],
    ['a hash of 33 bytes', good.replace(hash, Buffer.alloc(33).toString('base64'))],
    ['64 hashes', good.replace(hash, Array(64).fill(hash).join('\n'))],
    ['a space', good.replace(hash, ` ${hash}`)],
    ['a carriage return', good.replace('index 5', 'index 5\r')],
    ['no blank line', good.replaceAll('\n\n', '\n')],
    ['nothing', ''],
  ])('with %s is refused', (_, changed) => {
    expect(changed).not.toBe(good);
    expect(refusal(() => parseTlogProof(changed))).toBe('proof_invalid');
  });

  it('is refused with something else than a checkpoint', () => {
    expect(refusal(() => parseTlogProof(good.replace('\n13\n', '\n013\n')))).toBe('note_invalid');
    expect(refusal(() => formatTlogProof({ ...proofOf(5), checkpoint: '' }))).toBe('note_invalid');
    expect(refusal(() => formatTlogProof({ ...proofOf(5), proof: ['00'] }))).toBe('proof_invalid');
    expect(refusal(() => formatTlogProof({ ...proofOf(5), index: -1n }))).toBe('proof_invalid');
  });

  it('that is garbage is refused, with a code', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (any) => {
        expect(refusal(() => parseTlogProof(any))).toBe('proof_invalid');
        expect(['proof_invalid', 'note_invalid']).toContain(
          refusal(() => parseTlogProof(`c2sp.org/tlog-proof@v1\nindex 0\n\n${any}`)),
        );
      }),
    );
  });
});
