import { randomBytes } from 'node:crypto';
import type { Policy } from '../policy/policy.ts';
import { expiresAt } from '../policy/retention.ts';
import type { Contents, Kept } from '../record/facts.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import { keys, type Memory } from '../record/memory.ts';
import type { ContentDigest, RecordDraft } from '../record/record.ts';
import { type DataKey, KEY_ID_BYTES, NONCE_BYTES, refOf, SECRET_BYTES, sealContent } from '../vault/blob.ts';
import type { ContentKeys } from '../vault/content-keys.ts';
import { CONTENT_FIELDS, type SealedContent } from '../vault/sealed.ts';
import { subjectOf } from '../vault/subject.ts';
import { unwrapKey, type WrappedKey, wrapKey } from '../vault/wrapped-key.ts';

/** Unwrapped data keys kept at hand; beyond them all are unwrapped anew. */
const OPEN_KEYS = 1_000;

/**
 * Seals contents in the transaction that appends their record: a key that is made there is remembered with it, or
 * not at all, and the journal's next owner goes on with it.
 */
export class Vault {
  readonly #ledgerId: string;
  readonly #keys: () => ContentKeys;
  readonly #open = new Map<string, Uint8Array>();

  /** @param contentKeys is asked at the first content. */
  constructor(ledgerId: string, contentKeys: () => ContentKeys) {
    this.#ledgerId = ledgerId;
    this.#keys = contentKeys;
  }

  /**
   * The draft with the refs of its contents, and what they refer to.
   *
   * @param recordedAt microseconds since the epoch
   */
  seal(
    memory: Memory,
    draft: RecordDraft,
    contents: Contents,
    { document, keyring }: Pick<Policy, 'document' | 'keyring'>,
    recordedAt: number,
  ): { draft: RecordDraft; contents: SealedContent[] } {
    const { key, wrapped } = this.#keyOf(memory, draft.tenant ?? DEFAULT_TENANT, subjectOf(draft, keyring));
    // Never longer than its record, without which nothing proves it.
    const own = {
      retentionClass: draft.retention_class,
      expiresAt: expiresAt(document, draft.retention_class, recordedAt),
    };
    const asked = document.content?.retention;
    const sooner = asked === undefined ? own.expiresAt : expiresAt(document, asked, recordedAt);
    const kept = sooner < own.expiresAt ? { retentionClass: asked!, expiresAt: sooner } : own;
    const content = { ...draft.content };
    const sealedContents: SealedContent[] = [];
    for (const field of CONTENT_FIELDS) {
      const each = contents[field];
      if (each === undefined) continue;
      const sealed = sealContent(each.text, key, this.#ledgerId, randomBytes(NONCE_BYTES));
      const ref = refOf(sealed);
      content[field] = said(each, ref, kept.expiresAt);
      sealedContents.push({ field, ref, ...kept, key: wrapped, sealed });
    }
    return { draft: { ...draft, content }, contents: sealedContents };
  }

  /** The subject's, or a new one: where it has none, or one that a master key before the newest wraps. */
  #keyOf(memory: Memory, tenant: string, subject: string): { key: DataKey; wrapped: WrappedKey } {
    const all = this.#keys();
    const master = all.at(-1)!;
    const place = keys.vault(tenant, subject);
    const known = memory.get(place) as WrappedKey | undefined;
    if (known?.master === master.id) {
      const secret = this.#open.get(known.id) ?? unwrapKey(known, master, this.#ledgerId);
      if (secret !== undefined) {
        this.#keep(known.id, secret);
        return { key: { id: known.id, secret }, wrapped: known };
      }
    }
    const key = { id: randomBytes(KEY_ID_BYTES).toString('hex'), secret: randomBytes(SECRET_BYTES) };
    const wrapped = wrapKey(key, subject, master, this.#ledgerId, randomBytes(NONCE_BYTES));
    memory.set(place, wrapped);
    this.#keep(key.id, key.secret);
    return { key, wrapped };
  }

  #keep(id: string, secret: Uint8Array): void {
    if (this.#open.size >= OPEN_KEYS && !this.#open.has(id)) this.#open.clear();
    this.#open.set(id, secret);
  }
}

/** Members in canonical order. */
function said({ digest, size, truncated }: Kept, ref: string, expires: number): ContentDigest {
  return { digest, expires_at: expires, ref, size, ...(truncated === true ? { truncated } : {}) };
}
