import { hash } from 'node:crypto';
import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';

/** What a key signs: 0x01 the text of a note; 0x04 that text with the time at which a witness saw it. */
export type KeyType = 0x01 | 0x04;

export const ED25519 = 0x01;
export const COSIGNATURE = 0x04;

/** A public key with its name, as C2SP signed-note writes it: `<name>+<id>+<base64 of type and key>`. */
export interface Vkey {
  readonly text: string;
  readonly name: string;
  /** Eight hex digits: tells, with the name, which signature is whose. It proves nothing. */
  readonly id: string;
  readonly type: KeyType;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** As C2SP has it: not empty, no white space, no plus. */
export function isKeyName(name: string): boolean {
  return name !== '' && name.isWellFormed() && !/[\p{White_Space}+]/u.test(name);
}

/** A key to rely on also has only one spelling: names that look alike are not made of other characters. */
export function isTrustworthyName(name: string): boolean {
  return isKeyName(name) && !/[\p{Cc}\p{Cf}]/u.test(name) && name.normalize() === name;
}

/** The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key), hex. */
export function keyId(name: string, type: number, publicKey: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey]), 'hex').slice(
    0,
    8,
  );
}

/** @throws SpanledgerError `key_invalid` for a bad name or public key. */
export function vkeyOf(name: string, type: KeyType, publicKey: Uint8Array): Vkey {
  if (!isTrustworthyName(name))
    throw invalid(
      'the name of a key is empty, has white space, a plus or an invisible character in it, or is not in Unicode form NFC',
    );
  checkPublicKey(name, publicKey);
  const id = keyId(name, type, publicKey);
  const text = `${name}+${id}+${base64Of(Buffer.concat([Buffer.of(type), publicKey]))}`;
  return { text, name, id, type, publicKey };
}

/** @throws SpanledgerError `key_invalid` for anything `vkeyOf` does not write. */
export function parseVkey(text: string): Vkey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  const bytes = match === null ? undefined : bytesOfBase64(match[3]!);
  if (match === null || bytes === undefined)
    throw invalid('a public key is not of the form <name>+<8 hex digits>+<base64>');
  const [, name, id] = match as unknown as [string, string, string];
  const type = bytes[0];
  if (type !== ED25519 && type !== COSIGNATURE)
    throw invalid(
      `the public key of ${JSON.stringify(name)} is of type ${type}; only 1 (Ed25519) and 4 (its cosignatures) are known`,
    );
  const vkey = vkeyOf(name, type, bytes.subarray(1));
  if (vkey.id !== id)
    throw invalid(
      `the public key of ${JSON.stringify(name)} has the id ${vkey.id}, not ${id}: its name, its id or the key was changed`,
    );
  return vkey;
}

const FIELD = 2n ** 255n - 19n;
/** y of the eight points whose order divides 8; x and -x share it. */
const SMALL_ORDER: readonly bigint[] = [
  0n,
  1n,
  FIELD - 1n,
  littleEndian('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
  littleEndian('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
];

function littleEndian(hex: string): bigint {
  return BigInt(`0x${Buffer.from(hex, 'hex').reverse().toString('hex')}`);
}

/**
 * Under a key of small order one signature fits many messages, and a key with two encodings has two ids. Neither
 * is a key that anybody makes by chance.
 */
function checkPublicKey(name: string, publicKey: Uint8Array): void {
  const whose = `the public key of ${JSON.stringify(name)}`;
  if (publicKey.length !== 32) throw invalid(`${whose} has ${publicKey.length} bytes, not 32`);
  const y = littleEndian(Buffer.from(publicKey).toString('hex')) & (2n ** 255n - 1n);
  if (y >= FIELD) throw invalid(`${whose} is not in its canonical form`);
  if (SMALL_ORDER.includes(y)) throw invalid(`${whose} is of small order: anyone can sign with it`);
}

function invalid(message: string): SpanledgerError {
  return new SpanledgerError('key_invalid', message, {
    hint: 'Copy the whole line that the owner of the key published: <name>+<id>+<base64>.',
  });
}
