/** A master key: it wraps data keys, and nothing else. */
export interface ContentKey {
  id: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

/** Oldest first: the last wraps, all unwrap. */
export type ContentKeys = readonly [ContentKey, ...ContentKey[]];

const KEY_LINE = /^([A-Za-z0-9_-]{1,32}) ([A-Za-z0-9_-]{43})$/;

/** Reads lines of a key id, a space, and 32 bytes in base64url; undefined where there is none, or one is no key. */
export function parseContentKeys(text: string): ContentKeys | undefined {
  const keys = new Map<string, ContentKey>();
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, id, secret] = KEY_LINE.exec(line) ?? [];
    if (id === undefined || keys.has(id)) return undefined;
    keys.set(id, { id, secret: Buffer.from(secret!, 'base64url') });
  }
  const [first, ...rest] = keys.values();
  return first === undefined ? undefined : [first, ...rest];
}
