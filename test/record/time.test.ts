import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromMicroseconds, fromNanoseconds } from '../../src/record/time.ts';

const MAX_NANOSECONDS = 2n ** 64n - 1n;

describe('fromNanoseconds', () => {
  it.each([
    [0n, '1970-01-01T00:00:00.000000000Z'],
    [1n, '1970-01-01T00:00:00.000000001Z'],
    [999_999n, '1970-01-01T00:00:00.000999999Z'],
    [1_000_000n, '1970-01-01T00:00:00.001000000Z'],
    [951_782_400_000_000_000n, '2000-02-29T00:00:00.000000000Z'],
    [1_483_228_799_999_999_999n, '2016-12-31T23:59:59.999999999Z'],
    [2n ** 63n - 1n, '2262-04-11T23:47:16.854775807Z'],
    [MAX_NANOSECONDS, '2554-07-21T23:34:33.709551615Z'],
  ])('writes %d as %s', (nanoseconds, text) => {
    expect(fromNanoseconds(nanoseconds)).toBe(text);
  });

  const nanoseconds = () => fc.bigInt({ min: 0n, max: MAX_NANOSECONDS });

  it('has nine decimals, loses nothing, and says the second Date says', () => {
    fc.assert(
      fc.property(nanoseconds(), (instant) => {
        const text = fromNanoseconds(instant);
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
        const second = Date.parse(`${text.slice(0, 19)}Z`) / 1_000;
        expect(BigInt(second) * 1_000_000_000n + BigInt(text.slice(20, 29))).toBe(instant);
      }),
    );
  });

  it('sorts as text as it does in time', () => {
    const near = fc.tuple(nanoseconds(), fc.bigInt({ min: -2_000_000n, max: 2_000_000n }));
    fc.assert(
      fc.property(near, ([one, distance]) => {
        const other = one + distance < 0n ? 0n : one + distance > MAX_NANOSECONDS ? one : one + distance;
        expect(Math.sign(compare(fromNanoseconds(one), fromNanoseconds(other)))).toBe(
          one < other ? -1 : one > other ? 1 : 0,
        );
      }),
    );
  });
});

describe('fromMicroseconds', () => {
  it.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [1_772_366_400_000_000, '2026-03-01T12:00:00.000000Z'],
    [1_772_366_400_123_456, '2026-03-01T12:00:00.123456Z'],
    [4_102_444_800_000_000, '2100-01-01T00:00:00.000000Z'],
    [Number.MAX_SAFE_INTEGER, '2255-06-05T23:47:34.740991Z'],
  ])('writes %d as %s', (microseconds, text) => {
    expect(fromMicroseconds(microseconds)).toBe(text);
  });

  it('has six decimals, loses nothing, and sorts as text as it does in time', () => {
    const microseconds = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(microseconds, microseconds, (one, other) => {
        const text = fromMicroseconds(one);
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        expect(Date.parse(`${text.slice(0, 19)}Z`) * 1_000 + Number(text.slice(20, 26))).toBe(one);
        expect(Math.sign(compare(text, fromMicroseconds(other)))).toBe(Math.sign(one - other));
      }),
    );
  });

  it('agrees with nanoseconds to the microsecond', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (microseconds) => {
        expect(fromNanoseconds(BigInt(microseconds) * 1_000n)).toBe(
          `${fromMicroseconds(microseconds).slice(0, -1)}000Z`,
        );
      }),
    );
  });
});

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
