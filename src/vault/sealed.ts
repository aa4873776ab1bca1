import { hash } from 'node:crypto';
import type { AuditRecord, ContentField } from '../record/record.ts';
import type { WrappedKey } from './wrapped-key.ts';

/** A content that travels with its record, with the key that opens it, wrapped: neither is of use alone. */
export interface SealedContent {
  field: ContentField;
  /** As the record has it. */
  ref: string;
  retentionClass: string;
  /** As the record has it. Unix seconds. */
  expiresAt: number;
  key: WrappedKey;
  sealed: Uint8Array;
}

export const CONTENT_FIELDS: readonly ContentField[] = ['answer', 'arguments', 'prompt', 'result'];

/** What a record says of a content that is vaulted. */
export interface Vaulted {
  field: ContentField;
  /** SHA-256 of the sealed bytes, hex. */
  digest: string;
  expiresAt: number;
}

/** Bytes of contents, as they travel. */
export function sealedBytes(contents: readonly SealedContent[] = []): number {
  return contents.reduce((sum, { sealed }) => sum + sealed.length, 0);
}

const REF = /^sha256:([0-9a-f]{64})$/;

/** The vaulted contents of a record. One whose members are not of their types is none. */
export function vaultedIn(record: Pick<AuditRecord, 'content'>): Vaulted[] {
  const { content } = record;
  if (typeof content !== 'object' || content === null) return [];
  const found: Vaulted[] = [];
  for (const field of CONTENT_FIELDS) {
    const said = content[field];
    if (typeof said?.ref !== 'string' || !Number.isSafeInteger(said.expires_at)) continue;
    const digest = REF.exec(said.ref)?.[1];
    if (digest !== undefined) found.push({ field, digest, expiresAt: said.expires_at! });
  }
  return found;
}

/** Whether a record's contents are those it tells of, each once, to the byte. */
export function fits(record: AuditRecord, contents: readonly SealedContent[]): boolean {
  const vaulted = vaultedIn(record);
  const isSame = ({ field, digest, expiresAt }: Vaulted) =>
    contents.some(
      (each) =>
        each.field === field &&
        each.ref === `sha256:${digest}` &&
        each.expiresAt === expiresAt &&
        hash('sha256', each.sealed) === digest,
    );
  return vaulted.length === contents.length && vaulted.every(isSame);
}
