import { hkdfSync, timingSafeEqual } from 'node:crypto';
import { HmacKey } from './hmac.ts';
import { normalise } from './normalise.ts';

/** A secret that pseudonyms and keyed digests of a deployment come from. */
export interface MasterKey {
  /** Names the key in `hmac:<key id>:<tag>`. */
  id: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

/** All keys of a deployment, oldest first: the last one writes, those before it still recognise. */
export type MasterKeys = readonly MasterKey[];

/** The same keys in the same order. */
export function isSameKeys(one: MasterKeys, other: MasterKeys): boolean {
  const same = (key: MasterKey, i: number) =>
    key.id === other[i]?.id && timingSafeEqual(key.secret, other[i].secret);
  return one.length === other.length && one.every(same);
}

/** People come back: so many of their pseudonyms are kept at hand, and no more. */
const REMEMBERED_PSEUDONYMS = 10_000;
const REMEMBERED_TENANTS = 1_000;
/** Longer values are no names or numbers of people, and are not kept at hand. */
const REMEMBERED_LENGTH = 100;
const TAG_BYTES = 16;

/** A keyed digest, and nothing else. */
const DIGEST = /^hmac:([A-Za-z0-9_-]{1,32}):[A-Za-z0-9_-]{22}$/;

/** The id of the key that a digest or pseudonym is under; undefined of what is none. */
export function keyIdOf(digest: string): string | undefined {
  return DIGEST.exec(digest)?.[1];
}

/**
 * Keyed digests: a plain hash of a social security number is reversed in seconds, so that whatever stands for
 * content in a record is HMAC-SHA-256 under a key of its own tenant and kind (HKDF-SHA-256, RFC 5869, info
 * `spanledger/<tenant>/<kind>`). What is written is under the newest master key; under those before it only what
 * was written is recognised.
 */
export class Keyring {
  /** Newest first. */
  readonly #live: readonly LiveKey[];
  readonly #pseudonyms = new Map<string, string>();

  /** @param keys one, or several, oldest first. At least one. */
  constructor(keys: MasterKey | MasterKeys) {
    this.#live = ('id' in keys ? [keys] : keys).map((key) => new LiveKey(key)).reverse();
    if (this.#live.length === 0) throw new RangeError('a keyring without a key');
  }

  /** Ids of all live keys, newest first: the first is the one that writes. */
  get ids(): [string, ...string[]] {
    return this.#live.map(({ id }) => id) as [string, ...string[]];
  }

  /** More than one key is live. */
  get isRotated(): boolean {
    return this.#live.length > 1;
  }

  /** `hmac:<key id>:<tag>`, tag the first 16 bytes of the HMAC in base64url: equal for equal text. */
  digest(tenant: string, kind: string, text: string | Uint8Array): string {
    return this.#live[0]!.digest(tenant, kind, text);
  }

  /** The digest under every live key, newest first. */
  digests(tenant: string, kind: string, text: string | Uint8Array): [string, ...string[]] {
    return this.#live.map((key) => key.digest(tenant, kind, text)) as [string, ...string[]];
  }

  /** The pseudonym of a person's datum: as `digest`, after normalising, so that spellings of one value agree. */
  pseudonym(tenant: string, kind: string, value: string): string {
    if (value.length > REMEMBERED_LENGTH) return this.digest(tenant, kind, normalise(kind, value));
    // With their lengths, so that no byte can move from one to the next.
    const name = `${tenant.length} ${kind.length} ${tenant}${kind}${value}`;
    let pseudonym = this.#pseudonyms.get(name);
    if (pseudonym === undefined) {
      pseudonym = this.digest(tenant, kind, normalise(kind, value));
      if (this.#pseudonyms.size >= REMEMBERED_PSEUDONYMS) this.#pseudonyms.clear();
      this.#pseudonyms.set(name, pseudonym);
    }
    return pseudonym;
  }

  /** Every pseudonym the datum has in records, under any live key, newest first. */
  pseudonyms(tenant: string, kind: string, value: string): [string, ...string[]] {
    return this.digests(tenant, kind, normalise(kind, value));
  }
}

/** One master key, and the keys derived from it. */
class LiveKey {
  readonly id: string;
  readonly #secret: Uint8Array;
  readonly #prefix: string;
  readonly #keys = new Map<string, Map<string, HmacKey>>();

  constructor({ id, secret }: MasterKey) {
    this.id = id;
    this.#secret = secret;
    this.#prefix = `hmac:${id}:`;
  }

  digest(tenant: string, kind: string, text: string | Uint8Array): string {
    return this.#prefix + this.#key(tenant, kind).tag(text, TAG_BYTES);
  }

  #key(tenant: string, kind: string): HmacKey {
    let kinds = this.#keys.get(tenant);
    if (kinds === undefined) {
      kinds = new Map();
      if (this.#keys.size >= REMEMBERED_TENANTS) this.#keys.clear();
      this.#keys.set(tenant, kinds);
    }
    let key = kinds.get(kind);
    if (key === undefined) {
      const info = `spanledger/${tenant}/${kind}`;
      const bytes = hkdfSync('sha256', this.#secret, new Uint8Array(0), info, 32);
      key = new HmacKey(new Uint8Array(bytes));
      kinds.set(kind, key);
    }
    return key;
  }
}
