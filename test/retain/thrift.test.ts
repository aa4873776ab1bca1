import { describe, expect, it } from 'vitest';
import { countValues } from '../../src/retain/archive/thrift.ts';

const view = (...bytes: number[]) => new DataView(Uint8Array.from(bytes).buffer);

describe('values in compact Thrift', () => {
  it('are counted: numbers, truths, bytes, lists and structs', () => {
    // 1: true, 2: i32, 3: double, 4: binary of 3, 5: [i32, i32], 6: [{}, {}], 7: byte
    const bytes = [0x11, 0x15, 0x82, 0x01, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x18, 3, 1, 2, 3];
    const lists = [0x19, 0x25, 2, 4, 0x19, 0x2c, 0, 0, 0x13, 9, 0];
    expect(countValues(view(...bytes, ...lists), 0, 100)).toBe(11);
    expect(countValues(view(...bytes, ...lists), 0, 11)).toBe(11);
    expect(() => countValues(view(...bytes, ...lists), 0, 10)).toThrow(RangeError);
    expect(countValues(view(0xff, 0), 1, 1)).toBe(0);
  });

  it.each([
    ['a list of more than there can be', [0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0]],
    ['a list of truths that take no room', [0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]],
    ['a text that goes on beyond the end', [0x18, 9, 1, 0]],
    ['no end', [0x15, 2]],
    ['structs in structs', [...Array(30).fill(0x1c), ...Array(31).fill(0)]],
    ['a map', [0x1b, 1, 0x55, 2, 2, 0]],
  ])('are refused: %s', (_, bytes) => {
    expect(() => countValues(view(...bytes), 0, 1_000_000)).toThrow(RangeError);
  });
});
