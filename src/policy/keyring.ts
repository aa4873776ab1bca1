import { hkdfSync } from 'node:crypto';
import { HmacKey } from './hmac.ts';

/** The secret every pseudonym and keyed digest of a deployment comes from. */
export interface MasterKey {
  /** Names the key in `hmac:<key id>:<tag>`. */
  id: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

/** People come back: so many of their pseudonyms are kept at hand, and no more. */
const REMEMBERED_PSEUDONYMS = 10_000;
const REMEMBERED_TENANTS = 1_000;
/** Longer values are no names or numbers of people, and are not kept at hand. */
const REMEMBERED_LENGTH = 100;
const TAG_BYTES = 16;

/**
 * Keyed digests: a plain hash of a social security number is reversed in seconds, so that whatever stands for
 * content in a record is HMAC-SHA-256 under a key of its own tenant and kind (HKDF-SHA-256, RFC 5869, info
 * `spanledger/<tenant>/<kind>`).
 */
export class Keyring {
  readonly #master: MasterKey;
  readonly #prefix: string;
  readonly #keys = new Map<string, Map<string, HmacKey>>();
  readonly #pseudonyms = new Map<string, string>();

  constructor(master: MasterKey) {
    this.#master = master;
    this.#prefix = `hmac:${master.id}:`;
  }

  /** `hmac:<key id>:<tag>`, tag the first 16 bytes of the HMAC in base64url: equal for equal text. */
  digest(tenant: string, kind: string, text: string | Uint8Array): string {
    return this.#prefix + this.#key(tenant, kind).tag(text, TAG_BYTES);
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
      const bytes = hkdfSync('sha256', this.#master.secret, new Uint8Array(0), info, 32);
      key = new HmacKey(new Uint8Array(bytes));
      kinds.set(kind, key);
    }
    return key;
  }
}

function normalise(kind: string, value: string): string {
  const text = value.normalize('NFC').trim();
  switch (kind) {
    case 'ssn':
    case 'phone':
      return text.replace(/\D+/g, '') || text;
    case 'patient_name':
    case 'address':
      return text.toLowerCase().replace(/\s+/g, ' ');
    default:
      return text;
  }
}
