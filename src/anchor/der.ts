/** One element of DER: X.690 with definite lengths, each value in its one form. */
export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  /** With its tag and length. */
  readonly whole: Buffer;
}

export class NoDer extends Error {
  override readonly name = 'NoDer';
}

export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OBJECT_IDENTIFIER = 0x06;
export const UTF8_STRING = 0x0c;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;
/** `[n]`, constructed. */
export const context = (n: number) => 0xa0 | n;

/** Longest content, by the bytes of its length. */
const MAX_LENGTH_BYTES = 3;

/**
 * Reads the elements that fill these bytes. Tags of one byte only, which is all a timestamp has; not intended to be a
 * general ASN.1 reader.
 *
 * @throws NoDer
 */
export function elements(bytes: Buffer): Der[] {
  const found: Der[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { tag, start, end } = headAt(bytes, at);
    found.push({ tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

/** The one element that fills these bytes. @throws NoDer */
export function element(bytes: Buffer, tag: number): Der {
  const found = elements(bytes);
  if (found.length !== 1) throw new NoDer(`${found.length} elements, not one`);
  return expect(found[0], tag);
}

/** @throws NoDer unless it is there, with this tag */
export function expect(found: Der | undefined, tag: number): Der {
  if (found?.tag !== tag)
    throw new NoDer(`${found === undefined ? 'nothing' : `tag ${found.tag}`} where tag ${tag} belongs`);
  return found;
}

/** A non-negative integer in hex, without leading zero bytes. @throws NoDer */
export function unsigned({ content }: Der): string {
  const [first, second] = content;
  if (first === undefined) throw new NoDer('an integer of no bytes');
  if (first >= 0x80) throw new NoDer('a negative integer');
  if (first === 0 && second !== undefined && second < 0x80) throw new NoDer('an integer with needless zeros');
  return content.subarray(first === 0 && content.length > 1 ? 1 : 0).toString('hex');
}

/** In dotted form. @throws NoDer */
export function dotted({ content }: Der): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  let isWhole = true;
  for (const byte of content) {
    if (isWhole && byte === 0x80) throw new NoDer('an arc with needless zeros');
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    isWhole = byte < 0x80;
    if (!isWhole) continue;
    // The first two arcs share a number.
    if (arcs.length === 0) {
      const top = arc < 80n ? arc / 40n : 2n;
      arcs.push(top, arc - top * 40n);
    } else arcs.push(arc);
    arc = 0n;
  }
  if (!isWhole || arcs.length === 0) throw new NoDer('an object identifier that ends too early');
  return arcs.join('.');
}

function headAt(bytes: Buffer, at: number): { tag: number; start: number; end: number } {
  const tag = bytes[at]!;
  const first = bytes[at + 1];
  if ((tag & 0x1f) === 0x1f) throw new NoDer('a tag of several bytes');
  if (first === undefined) throw new NoDer('it ends in the middle of an element');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0) throw new NoDer('a length that is not definite');
    if (count > MAX_LENGTH_BYTES || start + count > bytes.length) throw new NoDer('a length beyond its end');
    length = bytes.readUIntBE(start, count);
    start += count;
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new NoDer('a length longer than it need be');
  }
  if (start + length > bytes.length) throw new NoDer('it ends in the middle of an element');
  return { tag, start, end: start + length };
}
