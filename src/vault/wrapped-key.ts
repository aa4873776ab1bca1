import { type DataKey, decrypt, encrypt, NONCE_BYTES, SECRET_BYTES } from './blob.ts';
import type { ContentKey } from './content-keys.ts';

/**
 * A data key under the master key, as it is kept beside what it sealed. Its wrapping is
 *
 *   nonce (12) ‖ AES-256-GCM ciphertext of the 32 bytes ‖ tag (16)
 *
 * with the additional data "spanledger/content-key/v1\n" ledger_id "\n" key_id "\n" subject "\n".
 */
export interface WrappedKey {
  /** Of the data key: 32 lower-case hex digits. */
  id: string;
  /** Whose contents it seals: a pseudonym, or `nobody`. */
  subject: string;
  /** Id of the master key it is wrapped under. */
  master: string;
  /** Base64. */
  wrapped: string;
}

/** Of what is about no person that anybody named. */
export const NOBODY = 'nobody';

/** Bytes of a wrapping. */
export const WRAPPED_BYTES = NONCE_BYTES + SECRET_BYTES + 16;

/** @param nonce 12 bytes, never used before with this master key */
export function wrapKey(
  key: DataKey,
  subject: string,
  master: ContentKey,
  ledgerId: string,
  nonce: Uint8Array,
): WrappedKey {
  const aad = additional(ledgerId, key.id, subject);
  const wrapped = encrypt(key.secret, master.secret, aad, nonce).toString('base64');
  return { id: key.id, subject, master: master.id, wrapped };
}

/** The data key's 32 bytes; undefined where it is not what was wrapped, or not under this master key. */
export function unwrapKey(key: WrappedKey, master: ContentKey, ledgerId: string): Uint8Array | undefined {
  const bytes = Buffer.from(key.wrapped, 'base64');
  if (bytes.length !== WRAPPED_BYTES) return undefined;
  return decrypt(bytes, master.secret, additional(ledgerId, key.id, key.subject));
}

function additional(ledgerId: string, keyId: string, subject: string): string {
  return `spanledger/content-key/v1\n${ledgerId}\n${keyId}\n${subject}\n`;
}
