import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Shorter texts are put behind the key in memory that stays; a UTF-16 unit is at most three bytes of UTF-8. */
const ROOM = 64 * 1024;
const MAX_UTF8_BYTES = 3;

/** Shared by all keys: each writes its own block into it first. */
const inner = Buffer.alloc(BLOCK_BYTES + ROOM);
const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

/**
 * HMAC-SHA-256 (RFC 2104) under one key: two hashes of whole texts. Node makes an object of its own for every
 * MAC, which costs more than the MAC of a short text.
 */
export class HmacKey {
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  /** @param key of at most 64 bytes: a longer one would have to be hashed first. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) throw new RangeError(`an HMAC key of ${key.length} bytes`);
    const block = (pad: number) => Buffer.alloc(BLOCK_BYTES, pad).map((byte, i) => byte ^ (key[i] ?? 0));
    this.#inner = Buffer.from(block(0x36));
    this.#outer = Buffer.from(block(0x5c));
  }

  /** The first bytes of the MAC, in base64url. */
  tag(text: string | Uint8Array, bytes: number): string {
    outer.set(this.#outer);
    outer.write(hash('sha256', this.#keyed(text), 'binary'), BLOCK_BYTES, 'latin1');
    return beginning(hash('sha256', outer, 'base64url'), bytes);
  }

  #keyed(text: string | Uint8Array): Buffer {
    const isText = typeof text === 'string';
    if (text.length * (isText ? MAX_UTF8_BYTES : 1) > ROOM)
      return Buffer.concat([this.#inner, isText ? Buffer.from(text) : text]);
    inner.set(this.#inner);
    if (isText) return inner.subarray(0, BLOCK_BYTES + inner.write(text, BLOCK_BYTES));
    inner.set(text, BLOCK_BYTES);
    return inner.subarray(0, BLOCK_BYTES + text.length);
  }
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Of bytes in base64url, so many: of the digit that they end in, the bits that are theirs. */
function beginning(text: string, bytes: number): string {
  const bits = (bytes * 8) % 6;
  const whole = Math.floor((bytes * 8) / 6);
  if (bits === 0) return text.slice(0, whole);
  const last = DIGITS.indexOf(text.charAt(whole)) & (0x3f << (6 - bits));
  return text.slice(0, whole) + DIGITS.charAt(last);
}
