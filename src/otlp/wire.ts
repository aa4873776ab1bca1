import { SpanledgerError } from '../errors.ts';

/**
 * A reader of the protobuf wire format, for the fields OTLP uses: varint, fixed32, fixed64 and
 * length-delimited. Not a general protobuf reader: groups are refused, as proto3 has none.
 *
 * Every read is checked against the end of its own message, so that a truncated or hostile body ends in
 * `otlp_undecodable` and never beyond its bytes.
 */
export class WireReader {
  readonly buffer: Buffer;
  readonly end: number;
  pos: number;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.pos = start;
    this.end = end;
  }

  get done(): boolean {
    return this.pos >= this.end;
  }

  /** Field number and wire type of the next field, as `number << 3 | type`. */
  tag(): number {
    const tag = this.length();
    if (tag >>> 3 === 0) throw malformed('field number 0', this.pos);
    return tag;
  }

  /** A varint of at most 32 bits: a tag, a length, an enum or a count. */
  length(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('a varint of over 32 bits where a length or tag belongs', this.pos);
  }

  /** An int64 or enum varint: `number` when safe, `bigint` beyond 2^53. */
  int64(): number | bigint {
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        const value = (high | 0) * 0x1_0000_0000 + (low >>> 0);
        return Number.isSafeInteger(value) ? value : (BigInt(high | 0) << 32n) | BigInt(low >>> 0);
      }
    }
    throw malformed('a varint of over 64 bits', this.pos);
  }

  fixed64(): bigint {
    return this.buffer.readBigUInt64LE(this.#take(8));
  }

  double(): number {
    return this.buffer.readDoubleLE(this.#take(8));
  }

  /** The message in the next length-delimited field, as a reader of its own; this one moves past it. */
  message(): WireReader {
    const length = this.length();
    const start = this.#take(length);
    return new WireReader(this.buffer, start, start + length);
  }

  /** Text; bytes that are not UTF-8 become U+FFFD. */
  string(): string {
    const length = this.length();
    const start = this.#take(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  hex(): string {
    const length = this.length();
    const start = this.#take(length);
    return this.buffer.toString('hex', start, start + length);
  }

  bytes(): Uint8Array {
    const length = this.length();
    const start = this.#take(length);
    return new Uint8Array(this.buffer.subarray(start, start + length));
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case WireType.varint:
        this.int64();
        return;
      case WireType.fixed64:
        this.#take(8);
        return;
      case WireType.bytes: {
        const length = this.length();
        this.#take(length);
        return;
      }
      case WireType.fixed32:
        this.#take(4);
        return;
      default:
        throw malformed(`wire type ${tag & 7}`, this.pos);
    }
  }

  #byte(): number {
    if (this.pos >= this.end) throw malformed('it ends inside a field', this.pos);
    return this.buffer[this.pos++]!;
  }

  #take(length: number): number {
    const start = this.pos;
    if (length > this.end - start) throw malformed('it ends inside a field', start);
    this.pos = start + length;
    return start;
  }
}

export const WireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** `field(9, 'bytes')`: the tag to switch on; a known field with another wire type matches no case. */
export function field(number: number, type: keyof typeof WireType): number {
  return (number << 3) | WireType[type];
}

export function malformed(what: string, at: number): SpanledgerError {
  return new SpanledgerError('otlp_undecodable', `not OTLP protobuf: ${what}, at byte ${at}`);
}
