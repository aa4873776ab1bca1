import fc from 'fast-check';
import { expect, it } from 'vitest';
import { count, inParts, joined, type Places, union, within, without } from '../../src/retain/ranges.ts';

const stretches = fc
  .array(fc.tuple(fc.nat(60), fc.nat(6)), { maxLength: 12 })
  .map((those) => joined(those.map(([first, more]) => [first, first + more])));
const places = fc
  .dictionary(fc.constantFrom('a', 'b', 'c'), stretches)
  .map((by) => new Map(Object.entries(by).filter(([, those]) => those.length > 0)) as Places);

/** Each place for itself. */
function setOf(of: Places): Set<string> {
  const all = new Set<string>();
  for (const [chain, those] of of)
    for (const [first, last] of those) for (let seq = first; seq <= last; seq++) all.add(`${chain}:${seq}`);
  return all;
}

/** As a control record may have them: ascending, apart, none empty. */
function isWellFormed(of: Places): boolean {
  return [...of.values()].every(
    (those) =>
      those.length > 0 &&
      those.every(([first, last], i) => first <= last && (i === 0 || first > those[i - 1]![1])),
  );
}

it('are sets of places', () => {
  fc.assert(
    fc.property(places, places, (one, other) => {
      const [a, b] = [setOf(one), setOf(other)];
      for (const [result, expected] of [
        [union(one, other), [...a, ...b]],
        [without(one, other), [...a].filter((each) => !b.has(each))],
        [within(one, other), [...a].filter((each) => b.has(each))],
      ] as const) {
        expect(setOf(result)).toEqual(new Set(expected));
        expect(isWellFormed(result)).toBe(true);
        expect(count(result)).toBe(new Set(expected).size);
      }
    }),
  );
});

it('in parts are the same places, none too many', () => {
  fc.assert(
    fc.property(
      places,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 3 }),
      (of, most, stretched) => {
        const parts = [...inParts(of, { places: most, stretches: stretched })];
        for (const part of parts) {
          expect(isWellFormed(part)).toBe(true);
          expect(count(part)).toBeLessThanOrEqual(most);
          expect([...part.values()].flat().length).toBeLessThanOrEqual(stretched);
        }
        expect(parts.reduce((sum, part) => sum + count(part), 0)).toBe(count(of));
        expect(setOf(union(...parts))).toEqual(setOf(of));
      },
    ),
  );
});
