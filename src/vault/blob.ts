import { createCipheriv, createDecipheriv, hash } from 'node:crypto';

/**
 * A sealed content: redacted text under a data key. All that binds it to its record is the record's `ref`, the
 * digest of these bytes; all that binds it to its key is their first sixteen.
 *
 *   bytes  0..15  id of the data key
 *   bytes 16..27  nonce
 *   bytes 28..    AES-256-GCM ciphertext of the text in UTF-8, then its tag of 16 bytes
 *
 * Additional data: "spanledger/content/v1\n" ledger_id "\n" key_id "\n", the key id in lower-case hex.
 */
export const KEY_ID_BYTES = 16;
export const NONCE_BYTES = 12;
export const SECRET_BYTES = 32;
const TAG_BYTES = 16;
const HEAD_BYTES = KEY_ID_BYTES + NONCE_BYTES;

/** Seals contents of one subject. */
export interface DataKey {
  /** 32 lower-case hex digits. */
  id: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

/** @param nonce 12 bytes, never used before with this key */
export function sealContent(text: string, key: DataKey, ledgerId: string, nonce: Uint8Array): Buffer {
  const sealed = encrypt(Buffer.from(text), key.secret, additional(ledgerId, key.id), nonce);
  return Buffer.concat([Buffer.from(key.id, 'hex'), sealed]);
}

/** The text; undefined where these are not the bytes that were sealed, or not under this key, or of another ledger. */
export function openContent(blob: Uint8Array, secret: Uint8Array, ledgerId: string): string | undefined {
  if (blob.length < HEAD_BYTES + TAG_BYTES) return undefined;
  const sealed = blob.subarray(KEY_ID_BYTES);
  return decrypt(sealed, secret, additional(ledgerId, keyIdOf(blob)))?.toString();
}

/** Hex. */
export function keyIdOf(blob: Uint8Array): string {
  return Buffer.from(blob.subarray(0, KEY_ID_BYTES)).toString('hex');
}

/** What stands in the record. */
export function refOf(blob: Uint8Array): string {
  return `sha256:${hash('sha256', blob)}`;
}

/** nonce ‖ ciphertext ‖ tag */
export function encrypt(clear: Uint8Array, secret: Uint8Array, aad: string, nonce: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', secret, nonce);
  cipher.setAAD(Buffer.from(aad));
  return Buffer.concat([nonce, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined where the tag does not fit. */
export function decrypt(sealed: Uint8Array, secret: Uint8Array, aad: string): Buffer | undefined {
  const tag = sealed.subarray(-TAG_BYTES);
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', secret, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(aad));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function additional(ledgerId: string, keyId: string): string {
  return `spanledger/content/v1\n${ledgerId}\n${keyId}\n`;
}
