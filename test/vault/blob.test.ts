import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DataKey, keyIdOf, openContent, refOf, sealContent } from '../../src/vault/blob.ts';
import { parseContentKeys } from '../../src/vault/content-keys.ts';
import { unwrapKey, wrapKey } from '../../src/vault/wrapped-key.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const ledger = fc.uuid();
const dataKey: fc.Arbitrary<DataKey> = fc
  .record({ id: bytes(16), secret: bytes(32) })
  .map(({ id, secret }) => ({ id: Buffer.from(id).toString('hex'), secret }));
const text = fc.string({ unit: 'binary', maxLength: 200 }).map((each) => each.toWellFormed());
const sealing = fc.record({ text, key: dataKey, ledger, nonce: bytes(12) });
const flip = (given: Uint8Array, at: number, bit: number) => {
  const flipped = Buffer.from(given);
  flipped[at % flipped.length]! ^= 1 << bit;
  return flipped;
};
const place = fc.record({ at: fc.nat(10_000), bit: fc.nat(7) });

describe('a sealed content', () => {
  it('opens to what was sealed, names its key, and is no longer than it must be', () => {
    fc.assert(
      fc.property(sealing, ({ text, key, ledger, nonce }) => {
        const blob = sealContent(text, key, ledger, nonce);
        expect(openContent(blob, key.secret, ledger)).toBe(text);
        expect(keyIdOf(blob)).toBe(key.id);
        expect(blob.length).toBe(16 + 12 + Buffer.byteLength(text) + 16);
        expect(refOf(blob)).toMatch(/^sha256:[0-9a-f]{64}$/);
      }),
    );
  });

  it('does not open with any bit another, cut, under another key or in another ledger', () => {
    fc.assert(
      fc.property(
        sealing,
        place,
        dataKey,
        ledger,
        ({ text, key, ledger, nonce }, { at, bit }, other, foreign) => {
          const blob = sealContent(text, key, ledger, nonce);
          const flipped = flip(blob, at, bit);
          expect(openContent(flipped, key.secret, ledger)).toBeUndefined();
          expect(refOf(flipped)).not.toBe(refOf(blob));
          expect(openContent(blob.subarray(0, at % blob.length), key.secret, ledger)).toBeUndefined();
          fc.pre(foreign !== ledger && !Buffer.from(other.secret).equals(Buffer.from(key.secret)));
          expect(openContent(blob, other.secret, ledger)).toBeUndefined();
          expect(openContent(blob, key.secret, foreign)).toBeUndefined();
        },
      ),
    );
  });

  it('is what SPEC.md says it is, to the byte', () => {
    const key = {
      id: '000102030405060708090a0b0c0d0e0f',
      secret: Uint8Array.from({ length: 32 }, (_, i) => i),
    };
    const ledger = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
    const blob = sealContent('What is it?', key, ledger, Buffer.alloc(12, 0xaa));
    expect(blob.toString('hex')).toBe(
      '000102030405060708090a0b0c0d0e0faaaaaaaaaaaaaaaaaaaaaaaaf8c98c503c83e48eb0edd3606fcf52027038ade22b209e823f6d90',
    );
  });
});

describe('a wrapped key', () => {
  const master = fc.record({ id: fc.constant('c1'), secret: bytes(32) });
  const wrapping = fc.record({
    key: dataKey,
    master,
    ledger,
    nonce: bytes(12),
    subject: fc.constantFrom('nobody', 'hmac:k1:x'),
  });

  it('unwraps to the key, and to nothing where any part of it is another', () => {
    fc.assert(
      fc.property(wrapping, place, master, ({ key, master, ledger, nonce, subject }, { at, bit }, other) => {
        const wrapped = wrapKey(key, subject, master, ledger, nonce);
        expect(Buffer.from(unwrapKey(wrapped, master, ledger)!)).toEqual(Buffer.from(key.secret));
        const flipped = flip(Buffer.from(wrapped.wrapped, 'base64'), at, bit).toString('base64');
        expect(unwrapKey({ ...wrapped, wrapped: flipped }, master, ledger)).toBeUndefined();
        expect(unwrapKey({ ...wrapped, wrapped: wrapped.wrapped.slice(4) }, master, ledger)).toBeUndefined();
        expect(unwrapKey({ ...wrapped, subject: 'another' }, master, ledger)).toBeUndefined();
        expect(
          unwrapKey(
            { ...wrapped, id: flip(Buffer.from(key.id, 'hex'), at, bit).toString('hex') },
            master,
            ledger,
          ),
        ).toBeUndefined();
        fc.pre(!Buffer.from(other.secret).equals(Buffer.from(master.secret)));
        expect(unwrapKey(wrapped, other, ledger)).toBeUndefined();
      }),
    );
  });
});

describe('content key lines', () => {
  const line = (id: string) => `${id} ${Buffer.alloc(32, 1).toString('base64url')}`;

  it('are read in order, the last of which wraps', () => {
    expect(parseContentKeys(`# ours\n${line('c1')}\n\n ${line('c2')} \n`)!.map(({ id }) => id)).toEqual([
      'c1',
      'c2',
    ]);
  });

  it.each([
    ['nothing', ''],
    ['a comment alone', '# none'],
    ['a short secret', 'c1 AAAA'],
    ['one of two that is none', `${line('c1')}\nsecret`],
    ['one id twice', `${line('c1')}\n${line('c1')}`],
  ])('are none: %s', (_, text) => {
    expect(parseContentKeys(text)).toBeUndefined();
  });
});
