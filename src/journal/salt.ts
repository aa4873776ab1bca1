import { randomFillSync } from 'node:crypto';

const SALT_BYTES = 16;
const pool = new Uint8Array(SALT_BYTES * 512);
let next = pool.length;

/**
 * 16 random bytes in base64url, never given twice. From a pool: asking the kernel for sixteen bytes at a time
 * costs more than sealing.
 */
export function salt(): string {
  if (next >= pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  const text = Buffer.from(pool.buffer, next, SALT_BYTES).toString('base64url');
  pool.fill(0, next, next + SALT_BYTES);
  next += SALT_BYTES;
  return text;
}
