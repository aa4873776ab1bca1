import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countAttribute,
  isObject,
  jsonAttribute,
  listAttribute,
  present,
  textAttribute,
  textOf,
  toJson,
  unwrapJson,
} from '../../src/genai/values.ts';
import { type AttributeValue, plainObject } from '../../src/span.ts';

const having = (value: AttributeValue) => new Map([['k', value]]);
const wrapped = (value: unknown, times: number): string => {
  let text = JSON.stringify(value);
  for (let i = 1; i < times; i++) text = JSON.stringify(text);
  return text;
};

describe('unwrapJson', () => {
  it.each<[string, unknown, unknown]>([
    ['an object in text', '{"a":1}', { a: 1 }],
    ['a list in text, after white space', ' \n[1]', [1]],
    ['text in text', '"a"', 'a'],
    ['JSON three deep', wrapped({ a: 1 }, 3), { a: 1 }],
    ['JSON four deep, as far as three', wrapped({ a: 1 }, 4), '{"a":1}'],
    ['cut JSON, which stays text', '{"a":1', '{"a":1'],
    ['cut JSON within JSON', wrapped('{"a":1', 1), '{"a":1'],
    ['text', 'Permission denied', 'Permission denied'],
    ['a number in text, which may be an id', '17', '17'],
    ['a word of JSON', 'null', 'null'],
    ['empty text', '', ''],
    ['what is no text', { a: '{"b":1}' }, { a: '{"b":1}' }],
  ])('reads %s', (_, value, expected) => {
    expect(unwrapJson(value)).toEqual(expected);
  });

  it('finds any object or list again, up to three deep', () => {
    const json = fc.jsonValue().filter((value) => typeof value === 'object' && value !== null);
    fc.assert(
      fc.property(json, fc.integer({ min: 1, max: 3 }), (value, times) => {
        expect(unwrapJson(wrapped(value, times))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('never throws', () => {
    const opening = fc.constantFrom('{', '[', '"', ' {', '{"a":', '[[');
    fc.assert(
      fc.property(fc.tuple(opening, fc.string({ unit: 'binary' })), ([start, rest]) => {
        expect(unwrapJson(start + rest)).toBeDefined();
      }),
    );
  });
});

describe('toJson', () => {
  it.each<[AttributeValue, unknown]>([
    [9007199254740993n, '9007199254740993'],
    [Number.NaN, 'NaN'],
    [-Infinity, '-Infinity'],
    [1.5, 1.5],
    [Uint8Array.of(255, 239), '/+8='],
    [null, null],
    [
      [1n, ['x']],
      ['1', ['x']],
    ],
    [plainObject(new Map([['a', Number.NaN]])), { a: 'NaN' }],
  ])('makes %o into %j', (value, expected) => {
    expect(toJson(value)).toEqual(expected);
  });

  it('keeps __proto__ a key', () => {
    const read = toJson(plainObject(new Map([['__proto__', 1]])));
    expect(JSON.stringify(read)).toBe('{"__proto__":1}');
  });
});

describe('an attribute', () => {
  it.each<[string, AttributeValue, unknown]>([
    ['JSON in text', '{"a":1}', { a: 1 }],
    ['a kvlist', plainObject(new Map([['a', 1]])), { a: 1 }],
    ['text', 'plain', 'plain'],
    ['no value', null, undefined],
    ['bytes', Uint8Array.of(1), 'AQ=='],
  ])('is read as JSON from %s', (_, value, expected) => {
    expect(jsonAttribute(having(value), 'k')).toEqual(expected);
    expect(jsonAttribute(having(value), 'other')).toBeUndefined();
  });

  it.each<[AttributeValue, string | undefined]>([
    ['a', 'a'],
    ['', undefined],
    [7, '7'],
    [2n ** 60n, '1152921504606846976'],
    [false, 'false'],
    [null, undefined],
    [['a'], undefined],
  ])('%o is read as text %j', (value, expected) => {
    expect(textAttribute(having(value), 'k')).toBe(expected);
  });

  it('is read as text from the first of its names that has any', () => {
    const attributes = new Map([
      ['a', ''],
      ['b', 'found'],
      ['c', 'later'],
    ]);
    expect(textAttribute(attributes, 'none', 'a', 'b', 'c')).toBe('found');
  });

  it.each<[AttributeValue, number | undefined]>([
    [120, 120],
    [0, 0],
    ['120', 120],
    [-1, undefined],
    [1.5, undefined],
    ['1e3', undefined],
    ['-1', undefined],
    ['', undefined],
    [2n ** 60n, undefined],
    [Number.NaN, undefined],
    ['99999999999999999999', undefined],
    [true, undefined],
  ])('%o is read as a count of %s', (value, expected) => {
    expect(countAttribute(having(value), 'k')).toBe(expected);
  });

  it.each<[AttributeValue, string[] | undefined]>([
    [
      ['stop', 'length'],
      ['stop', 'length'],
    ],
    ['["stop"]', ['stop']],
    ['stop', ['stop']],
    [['stop', 7, null], ['stop']],
    [[], undefined],
    [7, undefined],
    [null, undefined],
  ])('%o is read as the list %j', (value, expected) => {
    expect(listAttribute(having(value), 'k')).toEqual(expected);
  });
});

describe('small tools', () => {
  it.each([
    [{}, true],
    [Object.create(null), true],
    [[], false],
    [null, false],
    ['x', false],
  ])('isObject of %j is %s', (value, expected) => {
    expect(isObject(value)).toBe(expected);
  });

  it('textOf is text that says something', () => {
    expect(['a', '', 7, null, undefined].map(textOf)).toEqual([
      'a',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('present leaves out what is undefined, and that only', () => {
    expect(Object.entries(present<object>({ a: undefined, b: null, c: '', d: 0, e: false }))).toEqual([
      ['b', null],
      ['c', ''],
      ['d', 0],
      ['e', false],
    ]);
  });
});
