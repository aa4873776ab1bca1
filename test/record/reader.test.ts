import { readFileSync } from 'node:fs';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { readCanonical } from '../../src/record/reader.ts';
import { golden, publicVectors } from '../support/vectors.ts';

interface Refused {
  why: string;
  text?: string;
  hex?: string;
}

const json = () => fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' });

describe('readCanonical', () => {
  it('gives back what canonicalJson wrote, from text and from bytes', () => {
    fc.assert(
      fc.property(json(), (value) => {
        const text = canonicalJson(value);
        const plain = JSON.parse(text) as unknown;
        expect(readCanonical(text)).toEqual({ value: plain });
        expect(readCanonical(Buffer.from(text))).toEqual({ value: plain });
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuses every other byte string of an equal value: a byte set, put in, or taken out', () => {
    const text = '{"":[-1.5e-7,0,1e+21,true,null],"a\\n":"\\u0001/\u00e9\u2028","b":{"10":1,"9":"\\\\"}}';
    const bytes = Buffer.from(text);
    expect(readCanonical(bytes)).toHaveProperty('value');
    for (let i = 0; i <= bytes.length; i++) {
      const [before, after] = [bytes.subarray(0, i), bytes.subarray(i + 1)];
      acceptsOnlyCanonical(Buffer.concat([before, after]));
      for (let byte = 0; byte < 256; byte++) {
        acceptsOnlyCanonical(Buffer.concat([before, Buffer.of(byte), after]));
        acceptsOnlyCanonical(Buffer.concat([before, Buffer.of(byte), bytes.subarray(i)]));
      }
    }
  });

  it('refuses other bytes of any equal value', () => {
    fc.assert(
      fc.property(json(), fc.nat(), fc.nat(255), fc.constantFrom(0, 1), (value, at, byte, replaced) => {
        const bytes = Buffer.from(canonicalJson(value));
        const i = at % bytes.length;
        acceptsOnlyCanonical(
          Buffer.concat([bytes.subarray(0, i), Buffer.of(byte), bytes.subarray(i + replaced)]),
        );
      }),
      { numRuns: 3_000 },
    );
  });

  it('refuses white space wherever JSON allows it', () => {
    fc.assert(
      fc.property(json(), fc.constantFrom(0x20, 0x09, 0x0a, 0x0d), (value, space) => {
        const bytes = Buffer.from(canonicalJson(value));
        for (let i = 0; i <= bytes.length; i++) {
          acceptsOnlyCanonical(Buffer.concat([bytes.subarray(0, i), Buffer.of(space), bytes.subarray(i)]));
        }
      }),
      { numRuns: 100 },
    );
  });

  it.each(golden<Refused[]>('jcs/refused.json'))('refuses $why', (refused) => {
    expect(readCanonical(bytesOf(refused))).toEqual({ problem: expect.stringMatching(/./) });
  });

  it('refuses a text with a lone surrogate or a byte order mark, which has no bytes of its own', () => {
    expect(readCanonical('"\ud800"')).toHaveProperty('problem');
    expect(readCanonical('\ufeff{}')).toHaveProperty('problem');
  });

  it('refuses a value nested deeper than a record may be', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(readCanonical(nested(32))).toHaveProperty('value');
    expect(readCanonical(nested(33))).toHaveProperty('problem');
    expect(readCanonical(nested(100_000))).toHaveProperty('problem');
  });
});

const stored = publicVectors('own/jcs-must-reject-as-stored-bytes.json');
describe.skipIf(stored === undefined)('stored bytes to be refused (shared/vectors/own)', () => {
  const cases =
    stored === undefined
      ? []
      : (JSON.parse(readFileSync(stored, 'utf8')) as { why: string; text_hex: string }[]);

  it.each(cases)('$why', ({ text_hex }) => {
    expect(readCanonical(Buffer.from(text_hex, 'hex'))).toHaveProperty('problem');
  });

  it('are there', () => {
    expect(cases).toHaveLength(24);
  });
});

/** Whatever is accepted is what another implementation writes for the value, byte for byte. */
function acceptsOnlyCanonical(bytes: Buffer): void {
  if (!('value' in readCanonical(bytes))) return;
  const theirs = canonicalize(JSON.parse(bytes.toString()));
  if (bytes.toString('latin1') !== Buffer.from(theirs!).toString('latin1'))
    expect.fail(`accepted ${bytes.toString('hex')}`);
}

function bytesOf({ text, hex }: Refused): Buffer {
  return hex === undefined ? Buffer.from(text!) : Buffer.from(hex, 'hex');
}
