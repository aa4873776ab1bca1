import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, NotCanonical } from '../../src/record/canonical.ts';
import { golden, publicVectors } from '../support/vectors.ts';

describe('canonicalJson', () => {
  it.each(golden<{ why: string; input: string; output: string }[]>('jcs/values.json'))(
    'writes $why',
    ({ input, output }) => {
      expect(canonicalJson(JSON.parse(input))).toBe(output);
    },
  );

  it.each(golden<{ bits: string; text: string }[]>('jcs/numbers.json'))(
    'writes the double $bits as $text',
    ({ bits, text }) => {
      expect(canonicalJson(double(bits))).toBe(text);
    },
  );

  it('writes what objects without a prototype hold, and nothing they inherit', () => {
    const bare = Object.assign(Object.create(null), { b: 1, a: 2 });
    expect(canonicalJson(bare)).toBe('{"a":2,"b":1}');
  });

  it('does not touch the value it writes', () => {
    const value = { b: [{ d: 1, c: 2 }], a: 1 };
    canonicalJson(value);
    expect(Object.keys(value)).toEqual(['b', 'a']);
    expect(Object.keys(value.b[0]!)).toEqual(['d', 'c']);
  });
});

describe('canonicalJson refuses', () => {
  class Point {
    x = 1;
  }
  const unsayable: [string, unknown][] = [
    ['undefined', undefined],
    ['a bigint', 1n],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['minus infinity', Number.NEGATIVE_INFINITY],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a Date', new Date(0)],
    ['bytes', new Uint8Array([1])],
    ['a boxed text', new String('a')],
    ['a regular expression', /a/],
    ['an error', new Error('a')],
    ['an instance of a class', new Point()],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    ['a list with a hole', [1, , 2]],
    ['a list that ends in a hole', new Array(1)],
    ['a lone high surrogate', 'a\ud800b'],
    ['a lone low surrogate', '\udc00'],
    ['surrogates the wrong way round', '\udc00\ud800'],
  ];

  it.each(unsayable)('%s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(NotCanonical);
    expect(() => canonicalJson([value])).toThrow(NotCanonical);
    expect(() => canonicalJson({ a: { b: value } })).toThrow(NotCanonical);
  });

  it('a name with a lone surrogate', () => {
    expect(() => canonicalJson({ '\ud800': 1 })).toThrow(NotCanonical);
  });

  it('what is nested deeper than 32, in lists and objects alike', () => {
    for (const wrap of [(value: unknown) => [value], (value: unknown) => ({ a: value })]) {
      expect(() => canonicalJson(nested(32, wrap))).not.toThrow();
      expect(() => canonicalJson(nested(33, wrap))).toThrow(NotCanonical);
    }
    expect(() =>
      canonicalJson(
        nested(33, (value) => [value]),
        33,
      ),
    ).not.toThrow();
  });

  it('what contains itself', () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    expect(() => canonicalJson(loop)).toThrow(NotCanonical);
  });
});

describe('canonicalJson and another implementation', () => {
  it('agree on every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('agree on objects whose names are hard to sort', () => {
    const name = fc.oneof(
      fc.nat(200).map(String),
      fc.constantFrom('__proto__', 'constructor', 'toString', '', '\u0000', '"', '\\'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, fc.double({ noNaN: true, noDefaultInfinity: true }))),
        (members) => {
          const value = Object.create(null) as Record<string, unknown>;
          for (const [key, number] of members) value[key] = number;
          expect(canonicalJson(value)).toBe(canonicalize(value));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

const testdata = publicVectors('jcs/testdata');
describe.skipIf(testdata === undefined)('public vectors of RFC 8785 (shared/vectors/jcs)', () => {
  const files = testdata === undefined ? [] : readdirSync(join(testdata, 'input'));
  const read = (folder: string, file: string) => readFileSync(join(testdata!, folder, file), 'utf8');

  it.each(files)('%s', (file) => {
    const canonical = canonicalJson(JSON.parse(read('input', file)));
    expect(canonical).toBe(read('output', file));
    const hex = read('outhex', file.replace(/json$/, 'txt')).replace(/\s/g, '');
    expect(Buffer.from(canonical).toString('hex')).toBe(hex);
  });

  it('are there', () => {
    expect(files).toHaveLength(6);
  });
});

const numbers = publicVectors('jcs/es6-numbers-10000.csv');
describe.skipIf(numbers === undefined)('ten thousand numbers (shared/vectors/jcs)', () => {
  it('are written as ECMAScript does', () => {
    const lines = readFileSync(numbers!, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(10_000);
    const wrong = lines.filter((line) => {
      const [bits, text] = line.split(',') as [string, string];
      return canonicalJson(double(bits)) !== text;
    });
    expect(wrong).toEqual([]);
  });
});

function double(bits: string): number {
  return Buffer.from(bits.padStart(16, '0'), 'hex').readDoubleBE();
}

function nested(depth: number, wrap: (value: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
}
