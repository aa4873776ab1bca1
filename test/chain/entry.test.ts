import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Entry, entryText, payloadDigest, recordHash, ZERO_HASH } from '../../src/chain/entry.ts';
import { golden } from '../support/vectors.ts';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

const hex64 = () => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 });
const chainId = () => fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,127}$/);
const seq = () => fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));

const fields = {
  ledgerId: fc.uuid(),
  chainId: chainId(),
  seq: seq(),
  expiresAt: fc.nat({ max: 4_102_444_800 }),
  prevHash: hex64(),
  payloadDigest: hex64(),
};
const anyEntry = (): fc.Arbitrary<Entry> => fc.record(fields);

describe('an entry', () => {
  it('is seven lines', () => {
    fc.assert(
      fc.property(anyEntry(), (entry) => {
        const lines = [
          'spanledger/entry/v1',
          entry.ledgerId,
          entry.chainId,
          String(entry.seq),
          String(entry.expiresAt),
          entry.prevHash,
          entry.payloadDigest,
        ];
        expect(entryText(entry)).toBe(`${lines.join('\n')}\n`);
      }),
    );
  });

  it('has as its hash the SHA-256 of a zero byte and its text', () => {
    fc.assert(
      fc.property(anyEntry(), (entry) => {
        const leaf = Buffer.concat([Buffer.of(0), Buffer.from(entryText(entry))]);
        expect(recordHash(entry)).toBe(sha256(leaf));
      }),
    );
  });

  it('has another hash when any one field differs', () => {
    const change = fc.constantFrom(...(Object.keys(fields) as (keyof Entry)[]));
    fc.assert(
      fc.property(anyEntry(), anyEntry(), change, (entry, other, field) => {
        const changed = { ...entry, [field]: other[field] };
        const same = String(entry[field]) === String(other[field]);
        expect(recordHash(changed) === recordHash(entry)).toBe(same);
      }),
    );
  });

  it('has another hash when any one bit of a hash in it differs', () => {
    const entry = {
      ledgerId: '',
      chainId: 'c',
      seq: 1,
      expiresAt: 2,
      prevHash: ZERO_HASH,
      payloadDigest: ZERO_HASH,
    };
    const hashes = new Set([recordHash(entry)]);
    for (let i = 0; i < 256; i++) {
      const flipped = (1n << BigInt(i)).toString(16).padStart(64, '0');
      hashes.add(recordHash({ ...entry, prevHash: flipped }));
      hashes.add(recordHash({ ...entry, payloadDigest: flipped }));
    }
    expect(hashes.size).toBe(513);
  });

  it('shares its text with no other: it is read back field by field', () => {
    fc.assert(
      fc.property(anyEntry(), (entry) => {
        const match = /^spanledger\/entry\/v1\n(.*)\n(.*)\n(.*)\n(.*)\n(.*)\n(.*)\n$/.exec(entryText(entry));
        expect(match?.slice(1)).toEqual(
          Object.keys(fields).map((field) => String(entry[field as keyof Entry])),
        );
      }),
    );
  });

  it('of a number and of the same bigint is one', () => {
    fc.assert(
      fc.property(anyEntry(), fc.maxSafeNat(), (entry, place) => {
        expect(recordHash({ ...entry, seq: place })).toBe(recordHash({ ...entry, seq: BigInt(place) }));
      }),
    );
  });

  interface Golden {
    why: string;
    ledger_id: string;
    chain_id: string;
    seq: string;
    expires_at: number;
    prev_hash: string;
    payload_digest: string;
    entry: string;
    record_hash: string;
  }

  it.each(golden<Golden[]>('chain/entries.json'))('by another implementation: $why', (expected) => {
    const entry: Entry = {
      ledgerId: expected.ledger_id,
      chainId: expected.chain_id,
      seq: BigInt(expected.seq),
      expiresAt: expected.expires_at,
      prevHash: expected.prev_hash,
      payloadDigest: expected.payload_digest,
    };
    expect(entryText(entry)).toBe(expected.entry);
    expect(recordHash(entry)).toBe(expected.record_hash);
  });
});

describe('a payload digest', () => {
  it('is the SHA-256 of the bytes, which for text are UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(payloadDigest(text)).toBe(sha256(Buffer.from(text)));
        expect(payloadDigest(Buffer.from(text))).toBe(sha256(Buffer.from(text)));
      }),
    );
    expect(payloadDigest('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('before the first entry is all zeros', () => {
    expect(ZERO_HASH).toMatch(/^0{64}$/);
  });
});
