import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LocalSigner } from '../../src/chain/signer.ts';
import {
  enrolmentMessage,
  rootOfChains,
  rotationMessage,
  signStatement,
  signStatementSync,
  verifyRotation,
  verifyStatement,
} from '../../src/chain/statements.ts';
import { COSIGNATURE, parseVkey } from '../../src/chain/vkey.ts';
import { isSpanledgerError } from '../../src/errors.ts';

const ledgerId = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
const chainId = 'c1';
const old = new LocalSigner('ledger.example/test', Buffer.alloc(32, 1));
const next = new LocalSigner('ledger.example/test', Buffer.alloc(32, 2));
const rotation = { ledgerId, chainId, old: old.vkey, new: next.vkey, from: 41 };

function refusal(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return error.code;
    throw error;
  }
}

describe('an enrolment', () => {
  const enrolment = { ledgerId, chainId, vkey: next.vkey };
  const message = enrolmentMessage(enrolment);

  it('names ledger, chain and key, and verifies under the key that signed it alone', async () => {
    expect(message.toString()).toBe(`spanledger/enrol/v1\n${ledgerId}\nc1\n${next.vkey}\n`);
    const signature = signStatementSync(message, old);
    expect(await signStatement(message, old)).toBe(signature);
    expect(verifyStatement(message, parseVkey(old.vkey), signature)).toBe(true);
    expect(verifyStatement(message, parseVkey(next.vkey), signature)).toBe(false);
    for (const spoilt of ['', `${signature} `, signature.slice(4), signature.replace(/^./, '-')])
      expect(verifyStatement(message, parseVkey(old.vkey), spoilt)).toBe(false);
    const other = enrolmentMessage({ ...enrolment, chainId: 'c2' });
    expect(verifyStatement(other, parseVkey(old.vkey), signature)).toBe(false);
  });

  it.each([
    ['a ledger in capitals', { ledgerId: ledgerId.toUpperCase() }],
    ['a chain of two lines', { chainId: 'a\nb' }],
    ['a chain with a line feed', { chainId: 'a\n' }],
    ['no chain', { chainId: '' }],
    ['something else than a key', { vkey: 'x' }],
    ["a witness's key", { vkey: new LocalSigner('w', Buffer.alloc(32, 3), COSIGNATURE).vkey }],
  ])('of %s is not signed', (_, change) => {
    expect(refusal(() => enrolmentMessage({ ...enrolment, ...change }))).toBe('key_invalid');
  });
});

describe('a rotation', () => {
  const message = rotationMessage(rotation);
  const [byOld, byNew] = [signStatementSync(message, old), signStatementSync(message, next)];

  it('names both keys and the size from which, and needs both signatures', () => {
    expect(message.toString()).toBe(
      `spanledger/rotation/v1\n${ledgerId}\nc1\n${old.vkey}\n${next.vkey}\n41\n`,
    );
    expect(verifyRotation(rotation, byOld, byNew)).toBe(true);
    for (const [a, b] of [
      [byOld, byOld],
      [byNew, byNew],
      [byNew, byOld],
      ['', byNew],
      [byOld, ''],
    ] as const)
      expect(verifyRotation(rotation, a, b)).toBe(false);
  });

  it('holds at no other size, in no other place, and not the other way round', () => {
    for (const change of [
      { from: 42 },
      { from: -1 },
      { from: 1.5 },
      { chainId: 'c2' },
      { ledgerId: ledgerId.replace('0', '1') },
      { old: next.vkey, new: old.vkey },
      { new: old.vkey },
      { new: '' },
    ])
      expect(verifyRotation({ ...rotation, ...change }, byOld, byNew)).toBe(false);
  });

  it('keeps the name of the key', () => {
    const other = new LocalSigner('ledger.example/other', Buffer.alloc(32, 2));
    expect(refusal(() => rotationMessage({ ...rotation, new: other.vkey }))).toBe('key_invalid');
  });
});

describe('the root of all chains', () => {
  const head = (n: number) => n.toString(16).padStart(64, '0');
  const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest();

  it('is over their lines, in the order of their bytes', () => {
    const leaf = (line: string) => sha256(Buffer.from(`\0${line}\n`));
    const [a, b] = [leaf(`a 10 ${head(1)}`), leaf(`a-b 9 ${head(2)}`)];
    const expected = sha256(Buffer.concat([Buffer.of(1), a, b])).toString('hex');
    const chains = [
      { chainId: 'a-b', size: 9, head: head(2) },
      { chainId: 'a', size: 10n, head: head(1) },
    ];
    expect(rootOfChains(chains)).toBe(expected);
    expect(chains[0]!.chainId).toBe('a-b');
    expect(rootOfChains([])).toBe(createHash('sha256').digest('hex'));
  });

  it('does not hang on the order in which they come, and changes with each of them', () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,9}$/), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(ids, fc.nat(), (list, pick) => {
        const chains = list.map((id, i) => ({ chainId: id, size: i, head: head(i) }));
        const root = rootOfChains(chains);
        expect(rootOfChains(chains.toReversed())).toBe(root);
        const at = pick % chains.length;
        const one = chains[at]!;
        expect(rootOfChains(chains.with(at, { ...one, size: one.size + 1 }))).not.toBe(root);
        expect(rootOfChains(chains.with(at, { ...one, head: head(999) }))).not.toBe(root);
        expect(rootOfChains(chains.toSpliced(at, 1))).not.toBe(root);
      }),
    );
  });

  it('is not computed over what no round lists', () => {
    const good = { chainId: 'a', size: 1, head: head(1) };
    for (const bad of [
      { ...good, chainId: 'A' },
      { ...good, size: -1 },
      { ...good, size: 0.5 },
      { ...good, head: 'ab' },
      good,
    ])
      expect(refusal(() => rootOfChains([good, bad]))).toBe('proof_invalid');
  });
});
