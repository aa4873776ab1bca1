import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCutJson, readCutJson } from '../../src/genai/cut-json.ts';
import { unwrapJson } from '../../src/genai/values.ts';

describe('cut JSON', () => {
  it.each<[string, unknown]>([
    ['{"a":1,"b":"two', { a: 1 }],
    ['{"a":1,"b":', { a: 1 }],
    ['{"a":{"b":[1,2', { a: { b: [1] } }],
    ['{"a":{"b":[1,2],"c', { a: { b: [1, 2] } }],
    ['[{"role":"user","content":"hi"},{"role":"assis', [{ role: 'user', content: 'hi' }, {}].slice(0, 1)],
    ['{"a":"quote \\" , { brace","b":2', { a: 'quote " , { brace' }],
    ['{"a":"cut escape \\', undefined],
    ['{"only', undefined],
    ['{not json, at all', undefined],
    ['[note] see below', undefined],
    ['[1,2', undefined],
  ])('%s is read as %j', (text, expected) => {
    expect(readCutJson(text)).toEqual(expected);
  });

  it('stays text where nothing of it is whole', () => {
    expect(unwrapJson('{"only')).toBe('{"only');
    expect(unwrapJson('{not json, at all')).toBe('{not json, at all');
  });

  it('gives, wherever it is cut, a part of what it was, and says that it was cut', () => {
    const value = fc
      .oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.dictionary(fc.string(), fc.jsonValue())))
      .filter((each) => Object.keys(each).length > 0);
    fc.assert(
      fc.property(value, fc.nat(), (whole, cut) => {
        const text = JSON.stringify(whole);
        const part = text.slice(0, cut % text.length);
        expect(isCutJson(text)).toBe(false);
        const read = readCutJson(part);
        if (read !== undefined) expect(isPartOf(read, JSON.parse(text))).toBe(true);
      }),
    );
  });
});

function isPartOf(part: unknown, whole: unknown): boolean {
  if (typeof part !== 'object' || part === null) return JSON.stringify(part) === JSON.stringify(whole);
  if (typeof whole !== 'object' || whole === null || Array.isArray(part) !== Array.isArray(whole))
    return false;
  return Object.entries(part).every(
    ([key, value]) =>
      Object.hasOwn(whole, key) && isPartOf(value, (whole as { [key: string]: unknown })[key]),
  );
}
