import { crc32 } from 'node:zlib';

/**
 * A frame: one transaction in the log.
 *
 *   bytes  0..3   length of the body, u32 little-endian
 *   bytes  4..7   CRC-32 of bytes 8.. and the body, u32 little-endian
 *   bytes  8..15  log sequence number (lsn), u64 little-endian, from 1, without gaps
 *   bytes 16..    body
 */
export const HEADER_BYTES = 16;

/** A longer length in a header is no length: the header itself is torn. So none is ever written. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;

export interface Frame {
  lsn: number;
  body: Buffer;
}

/** @throws RangeError for a body that would be read as a torn end, and lost. */
export function encodeFrame(lsn: number, body: Buffer): Buffer {
  if (body.length > MAX_BODY_BYTES)
    throw new RangeError(`a transaction of ${body.length} bytes is too large`);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.writeBigUInt64LE(BigInt(lsn), 8);
  body.copy(frame, HEADER_BYTES);
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

/** The frame at `offset`, or undefined where there is none that is whole and has this lsn. */
export function decodeFrame(bytes: Buffer, offset: number, lsn: number): Frame | undefined {
  if (offset + HEADER_BYTES > bytes.length) return undefined;
  const length = bytes.readUInt32LE(offset);
  const end = offset + HEADER_BYTES + length;
  if (length > MAX_BODY_BYTES || end > bytes.length) return undefined;
  if (bytes.readUInt32LE(offset + 4) !== crc32(bytes.subarray(offset + 8, end))) return undefined;
  if (bytes.readBigUInt64LE(offset + 8) !== BigInt(lsn)) return undefined;
  return { lsn, body: bytes.subarray(offset + HEADER_BYTES, end) };
}
