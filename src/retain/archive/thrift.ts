/**
 * Thrift's compact form, as Parquet tells of itself: looked through before a reader makes values of it. A few bytes may
 * say that a list is of any length, and one byte is a whole struct.
 */

const STOP = 0;
const BYTE = 3;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;
/** Parquet's own structs lie some six deep. */
const MAX_DEPTH = 16;

interface Walk {
  view: DataView;
  at: number;
  /** Values that may still come. */
  left: number;
}

/**
 * Goes through one struct and makes nothing of it.
 *
 * @param most values that it may hold, small and large.
 * @returns how many it holds.
 * @throws RangeError where it is more than that, goes too deep or on beyond its end.
 */
export function countValues(view: DataView, offset: number, most: number): number {
  const walk = { view, at: offset, left: most };
  struct(walk, 0);
  return most - walk.left;
}

function struct(walk: Walk, depth: number): void {
  for (;;) {
    const head = walk.view.getUint8(walk.at++);
    const type = head & 0x0f;
    if (type === STOP) return;
    if (head >> 4 === 0) varint(walk);
    // A truth stands in its field's type.
    if (type >= BYTE) value(walk, type, depth);
    else take(walk, 1);
  }
}

function value(walk: Walk, type: number, depth: number): void {
  take(walk, 1);
  if (depth > MAX_DEPTH) throw new RangeError('what it says of itself lies too deep');
  if (type === BYTE) walk.at += 1;
  else if (type < DOUBLE) varint(walk);
  else if (type === DOUBLE) walk.at += 8;
  else if (type === BINARY) binary(walk);
  else if (type === STRUCT) struct(walk, depth + 1);
  else if (type === LIST) list(walk, depth);
  else throw new RangeError('it says of itself what Parquet does not');
  if (walk.at > walk.view.byteLength) throw new RangeError('what it says of itself goes on beyond its end');
}

function binary(walk: Walk): void {
  const length = varint(walk);
  walk.at += length;
}

function list(walk: Walk, depth: number): void {
  const head = walk.view.getUint8(walk.at++);
  const type = head & 0x0f;
  const size = head >> 4 === 15 ? varint(walk) : head >> 4;
  // Before the first of them: room is made for all, and each is a byte or more.
  if (size > Math.min(walk.left, walk.view.byteLength - walk.at))
    throw new RangeError('it says more of itself than it may');
  for (let i = 0; i < size; i++) value(walk, Math.max(type, BYTE), depth + 1);
}

function take(walk: Walk, values: number): void {
  walk.left -= values;
  if (walk.left < 0) throw new RangeError('it says more of itself than it may');
}

/** Lengths and sizes fit 32 bits; of other numbers only the end matters. */
function varint(walk: Walk): number {
  let result = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = walk.view.getUint8(walk.at++);
    if (shift < 28) result += (byte & 0x7f) * 2 ** shift;
    else if (shift === 28) result += (byte & 0x0f) * 2 ** shift;
    if (byte < 0x80) return result;
  }
}
