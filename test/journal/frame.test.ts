import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame, HEADER_BYTES } from '../../src/journal/frame.ts';

const LSN = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constant(Number.MAX_SAFE_INTEGER));
const BODY = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

describe('a frame', () => {
  it('comes back whole, wherever it stands', () => {
    fc.assert(
      fc.property(LSN, BODY, BODY, BODY, (lsn, before, body, after) => {
        const bytes = Buffer.concat([before, encodeFrame(lsn, body), after]);
        expect(decodeFrame(bytes, before.length, lsn)).toEqual({ lsn, body });
      }),
    );
  });

  it('is none when any bit of it is another', () => {
    fc.assert(
      fc.property(LSN, BODY, fc.nat(), BODY, (lsn, body, at, after) => {
        const frame = encodeFrame(lsn, body);
        const bit = at % (frame.length * 8);
        frame[bit >> 3]! ^= 1 << (bit & 7);
        expect(decodeFrame(Buffer.concat([frame, after]), 0, lsn)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  it('is none when any of its end is missing', () => {
    const frame = encodeFrame(7, Buffer.from('a body'));
    for (let length = 0; length < frame.length; length++)
      expect(decodeFrame(frame.subarray(0, length), 0, 7)).toBeUndefined();
    expect(decodeFrame(frame, 0, 7)?.body.toString()).toBe('a body');
  });

  it.each([6, 8, 7 + 2 ** 32, 0])('is none under another number: %d', (lsn) => {
    expect(decodeFrame(encodeFrame(7, Buffer.from('a body')), 0, lsn)).toBeUndefined();
  });

  it('is not read from zeros, as a file system may leave after a power loss', () => {
    expect(decodeFrame(Buffer.alloc(4_096), 0, 0)).toBeUndefined();
    expect(decodeFrame(Buffer.alloc(4_096), 0, 1)).toBeUndefined();
  });

  it('is not read beyond the longest length, and never written so', () => {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(0xffff_ffff, 0);
    expect(decodeFrame(header, 0, 1)).toBeUndefined();
    // What is written and not read again would be acknowledged and then cut off as a torn end.
    expect(() => encodeFrame(1, Buffer.alloc(256 * 1024 * 1024 + 1))).toThrow(RangeError);
  });
});
