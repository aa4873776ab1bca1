import { canonicalJson } from './canonical.ts';

/**
 * The strict reader of stored bytes: valid UTF-8 without a byte order mark, valid JSON, and byte for byte what
 * canonical JSON would write. One rule refuses duplicate keys, white space, `-0`, `1.0`, `1e400`, numbers
 * beyond 2^53 and needless escapes alike.
 *
 * @returns the value, or why the bytes are not canonical.
 */
export function readCanonical(bytes: Uint8Array | string): { value: unknown } | { problem: string } {
  let text: string;
  try {
    text = typeof bytes === 'string' ? bytes : UTF8.decode(bytes);
  } catch {
    return { problem: 'not UTF-8' };
  }
  try {
    const value: unknown = JSON.parse(text);
    return canonicalJson(value) === text ? { value } : { problem: 'not in canonical form' };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
