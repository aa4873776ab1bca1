import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { ED25519, type KeyType, type Vkey, vkeyOf } from './vkey.ts';

/** Whoever holds a private key: this process, or a key service that never lets it out. */
export interface Signer {
  /** The public key as text. */
  readonly vkey: string;
  readonly name: string;
  /** The Ed25519 signature of the message, 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Holds its key in memory. */
export class LocalSigner implements Signer {
  readonly vkey: string;
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  /** @throws SpanledgerError `key_invalid` for a bad name, or a seed that is not 32 bytes. */
  constructor(name: string, seed: Uint8Array, type: KeyType = ED25519) {
    this.#key = privateKey(seed);
    this.publicKey = rawPublicKey(this.#key);
    this.name = name;
    this.vkey = vkeyOf(name, type, this.publicKey).text;
  }

  sign(message: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(this.signSync(message));
  }

  signSync(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#key);
  }
}

/** PKCS #8 (RFC 8410) of an Ed25519 key, up to its seed. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

function privateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw invalid(`the seed of a private key has ${seed.length} bytes, not 32`);
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url');
}

/** 32 bytes. @throws SpanledgerError `key_invalid` for a seed that is not 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return rawPublicKey(privateKey(seed));
}

/** 64 bytes. @throws SpanledgerError `key_invalid` for a seed that is not 32 bytes. */
export function signEd25519(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return sign(null, message, privateKey(seed));
}

/** Never throws. Whether the public key is one to accept is `parseVkey`'s to say. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const x = Buffer.from(publicKey).toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
}

/** A private key as Go's sumdb/note writes it. Every error about one is silent about what it holds. */
export interface PrivateKey {
  name: string;
  type: KeyType;
  /** 32 bytes. */
  seed: Uint8Array;
}

/** `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`. @throws SpanledgerError `key_invalid` */
export function formatPrivateKey(name: string, seed: Uint8Array, type: KeyType = ED25519): string {
  const { id } = vkeyOf(name, type, publicKeyOf(seed));
  return `PRIVATE+KEY+${name}+${id}+${base64Of(Buffer.concat([Buffer.of(type), seed]))}`;
}

/** @throws SpanledgerError `key_invalid` for anything `formatPrivateKey` does not write. */
export function parsePrivateKey(text: string): PrivateKey & { vkey: Vkey } {
  const match = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  const bytes = match === null ? undefined : bytesOfBase64(match[3]!);
  if (match === null || bytes === undefined)
    throw invalid('a private key is not of the form PRIVATE+KEY+<name>+<id>+<base64>');
  const [, name, id] = match as unknown as [string, string, string];
  const type = bytes[0];
  if (type !== 0x01 && type !== 0x04) throw invalid('a private key is not one of Ed25519');
  const seed = bytes.subarray(1);
  const vkey = vkeyOf(name, type, publicKeyOf(seed));
  if (vkey.id !== id) throw invalid(`the private key of ${JSON.stringify(name)} does not fit its id, ${id}`);
  return { name, type, seed, vkey };
}

function invalid(message: string): SpanledgerError {
  return new SpanledgerError('key_invalid', message, {
    hint: 'Use the key file as it was written, or make a new key.',
  });
}
