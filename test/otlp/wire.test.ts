import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { field, WireReader } from '../../src/otlp/wire.ts';

const wrote = (fill: (writer: protobuf.Writer) => protobuf.Writer) =>
  new WireReader(Buffer.from(fill(protobuf.Writer.create()).finish()));

const bytesOf = (...bytes: number[]) => new WireReader(Buffer.from(bytes));

const undecodable = expect.objectContaining({ name: 'SpanledgerError', code: 'otlp_undecodable' });

describe('WireReader reads what protobufjs writes', () => {
  it('int64, as a number when safe and as a bigint beyond', () => {
    const extremes = fc.constantFrom(
      ...[0n, 7n, 14n, 21n, 28n, 31n, 32n, 35n, 42n, 49n, 52n, 53n, 56n, 62n].flatMap((bits) =>
        [-1n, 0n, 1n].flatMap((d) => [2n ** bits + d, -(2n ** bits) + d]),
      ),
      2n ** 63n - 1n,
      -(2n ** 63n),
    );
    fc.assert(
      fc.property(fc.oneof(extremes, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), (value) => {
        const low = Number(BigInt.asIntN(32, value));
        const high = Number(BigInt.asIntN(32, value >> 32n));
        const read = wrote((w) => w.int64({ low, high, unsigned: false } as never)).int64();
        expect(BigInt(read)).toBe(value);
        const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
        expect(typeof read).toBe(isSafe ? 'number' : 'bigint');
        expect(Object.is(read, -0)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('lengths and tags of up to 32 bits', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff })), (value) => {
        const reader = wrote((w) => w.uint32(value));
        expect(reader.length()).toBe(value);
        expect(reader.done).toBe(true);
      }),
    );
  });

  it('fixed64 and double', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.double(), (fixed, double) => {
        const low = Number(BigInt.asUintN(32, fixed));
        const high = Number(fixed >> 32n);
        const reader = wrote((w) => w.fixed64({ low, high, unsigned: true } as never).double(double));
        expect(reader.fixed64()).toBe(fixed);
        expect(reader.double()).toBe(double);
        expect(reader.done).toBe(true);
      }),
    );
  });

  it('text, bytes and hex', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (text, bytes) => {
        const reader = wrote((w) => w.string(text).bytes(bytes).bytes(bytes));
        expect(reader.string()).toBe(text);
        expect([...reader.bytes()]).toEqual([...bytes]);
        expect(reader.hex()).toBe(Buffer.from(bytes).toString('hex'));
        expect(reader.done).toBe(true);
      }),
    );
  });

  it('passes over any field it is told to skip', () => {
    const reader = wrote((w) =>
      w
        .uint32((5 << 3) | 0)
        .int64(-1)
        .uint32((5 << 3) | 1)
        .double(1)
        .uint32((5 << 3) | 2)
        .string('skip me')
        .uint32((5 << 3) | 5)
        .fixed32(1)
        .uint32(field(1, 'bytes'))
        .string('read me'),
    );
    for (let i = 0; i < 4; i++) reader.skip(reader.tag());
    expect(reader.tag()).toBe(field(1, 'bytes'));
    expect(reader.string()).toBe('read me');
  });
});

describe('WireReader refuses', () => {
  it.each([
    ['field number 0', bytesOf(0x02), (r: WireReader) => r.tag()],
    ['a tag of over 32 bits', bytesOf(0x80, 0x80, 0x80, 0x80, 0x80, 0x01), (r: WireReader) => r.tag()],
    ['a varint of over 64 bits', bytesOf(...Array(10).fill(0xff), 0x01), (r: WireReader) => r.int64()],
    ['a varint without an end', bytesOf(0xff, 0xff), (r: WireReader) => r.int64()],
    ['a length beyond the bytes', bytesOf(0x05, 0x61), (r: WireReader) => r.string()],
    ['a length of 4 GiB', bytesOf(0xff, 0xff, 0xff, 0xff, 0x0f), (r: WireReader) => r.bytes()],
    ['half a fixed64', bytesOf(1, 2, 3, 4), (r: WireReader) => r.fixed64()],
    ['half a double', bytesOf(1, 2, 3, 4, 5, 6, 7), (r: WireReader) => r.double()],
    ['half a fixed32', bytesOf(1, 2, 3), (r: WireReader) => r.skip(field(1, 'fixed32'))],
    ['the start of a group', bytesOf(0x0b), (r: WireReader) => r.skip(r.tag())],
    ['the end of a group', bytesOf(0x0c), (r: WireReader) => r.skip(r.tag())],
    ['wire type 6', bytesOf(0x0e), (r: WireReader) => r.skip(r.tag())],
    ['wire type 7', bytesOf(0x0f), (r: WireReader) => r.skip(r.tag())],
  ])('%s', (_, reader, read) => {
    expect(() => read(reader)).toThrow(undecodable);
  });

  it('to read beyond the message it was given, though the buffer goes on', () => {
    const outer = wrote((w) => w.bytes(Uint8Array.of(0x05)).string('neighbour'));
    const inner = outer.message();
    expect(() => inner.string()).toThrow(undecodable);
    expect(outer.string()).toBe('neighbour');
  });

  it('to finish a varint with bytes of the next message', () => {
    const outer = wrote((w) => w.bytes(Uint8Array.of(0x80)).bytes(Uint8Array.of(0x01)));
    const inner = outer.message();
    expect(() => inner.int64()).toThrow(undecodable);
  });

  it('any bytes it cannot read, with its own error only', () => {
    const reads = [
      'tag',
      'length',
      'int64',
      'fixed64',
      'double',
      'string',
      'hex',
      'bytes',
      'message',
    ] as const;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), fc.array(fc.constantFrom(...reads)), (bytes, calls) => {
        const reader = new WireReader(Buffer.from(bytes));
        try {
          for (const call of calls) reader[call]();
        } catch (error) {
          if (!isSpanledgerError(error, 'otlp_undecodable')) throw error;
        }
        expect(reader.pos).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
