import { describe, expect, it } from 'vitest';
import { fromReadableSpan } from '../../src/sdk/readable-span.ts';
import { richSpans } from '../support/sdk-spans.ts';

describe('the times of a span of the SDK', () => {
  it.each([
    [[1_760_000_000, 123_456_789], 1_760_000_000_123_456_789n],
    [[1_760_000_000, 0.5], 1_760_000_000_000_000_001n],
    [[1_760_000_000, 999_999_999.6], 1_760_000_001_000_000_000n],
    [[1_760_000_000.25, 0], 1_760_000_000_250_000_000n],
    [[-1, 500_000_000], -500_000_000n],
    [[0, 0], 0n],
    [[Number.NaN, 1], 0n],
    [[1, Number.POSITIVE_INFINITY], 0n],
  ] as const)('%j is %s ns', (time, expected) => {
    const span = Object.create(richSpans()[0]!, { startTime: { value: time }, endTime: { value: time } });
    const { startTimeUnixNano, endTimeUnixNano } = fromReadableSpan(span);
    expect([startTimeUnixNano, endTimeUnixNano]).toEqual([expected, expected]);
  });
});
