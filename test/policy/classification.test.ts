import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Classification, strictest } from '../../src/policy/classification.ts';

const LEVELS = ['public', 'internal', 'confidential', 'restricted'] as const;
const level = () => fc.constantFrom<Classification>(...LEVELS);
const rank = (of: Classification) => LEVELS.indexOf(of);

describe('strictest', () => {
  it('orders public < internal < confidential < restricted', () => {
    for (const [i, a] of LEVELS.entries())
      for (const [j, b] of LEVELS.entries()) expect(strictest(a, b)).toBe(LEVELS[Math.max(i, j)]);
  });

  it('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(level(), level(), level(), (a, b, c) => {
        expect(strictest(a, b)).toBe(strictest(b, a));
        expect(strictest(a, strictest(b, c))).toBe(strictest(strictest(a, b), c));
        expect(strictest(a, strictest(b, c))).toBe(strictest(a, b, c));
        expect(strictest(a, a)).toBe(a);
      }),
    );
  });

  it('is monotone: one level more never lowers it, and nothing at all is public', () => {
    fc.assert(
      fc.property(fc.array(level()), level(), (levels, more) => {
        expect(rank(strictest(...levels, more))).toBeGreaterThanOrEqual(rank(strictest(...levels)));
        expect(rank(strictest(...levels, more))).toBeGreaterThanOrEqual(rank(more));
      }),
    );
    expect(strictest()).toBe('public');
  });
});
