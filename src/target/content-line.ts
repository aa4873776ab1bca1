import type { AuditRecord, ContentField } from '../record/record.ts';
import { keyIdOf } from '../vault/blob.ts';
import { fits, type SealedContent } from '../vault/sealed.ts';
import { WRAPPED_BYTES } from '../vault/wrapped-key.ts';

/** A sealed content on its way to a relay, in its record's line. Bytes are base64. */
export interface ContentLine {
  field: ContentField;
  ref: string;
  retention_class: string;
  expires_at: number;
  key: { id: string; subject: string; master: string; wrapped: string };
  sealed: string;
}

export function contentLinesOf(contents: readonly SealedContent[]): ContentLine[] {
  return contents.map(({ field, ref, retentionClass, expiresAt, key, sealed }) => ({
    field,
    ref,
    retention_class: retentionClass,
    expires_at: expiresAt,
    key,
    sealed: Buffer.from(sealed).toString('base64'),
  }));
}

const KEY_ID = /^[0-9a-f]{32}$/;
const MASTER = /^[A-Za-z0-9_-]{1,32}$/;
/** A pseudonym, or a word: it stands in rows and in what the key is wrapped with. */
const SUBJECT = /^[\w:.-]{1,256}$/;
/** It names a partition, and stands in rows as it is: a tab or a line's end in it would begin another row. */
export const RETENTION_CLASS = /^[\w.-]{1,64}$/;

/**
 * Reads what a line has of contents, and hashes them anew.
 *
 * @returns undefined where they are not exactly those that the record refers to.
 */
export function readContents(lines: unknown, record: AuditRecord): SealedContent[] | undefined {
  const given: unknown[] = lines === undefined ? [] : Array.isArray(lines) ? lines : [undefined];
  const contents = given.map((each) => contentIn(Object(each) as Partial<ContentLine>));
  const isWhole = (each: SealedContent | undefined): each is SealedContent => each !== undefined;
  return contents.every(isWhole) && fits(record, contents) ? contents : undefined;
}

function contentIn(line: Partial<ContentLine>): SealedContent | undefined {
  const { field, ref, retention_class, expires_at, sealed } = line;
  const { id, subject, master, wrapped } = Object(line.key) as Partial<ContentLine['key']>;
  if (typeof field !== 'string' || typeof ref !== 'string' || typeof sealed !== 'string') return undefined;
  if (typeof retention_class !== 'string' || !RETENTION_CLASS.test(retention_class)) return undefined;
  if (typeof id !== 'string' || !KEY_ID.test(id)) return undefined;
  if (typeof subject !== 'string' || !SUBJECT.test(subject)) return undefined;
  if (typeof master !== 'string' || !MASTER.test(master)) return undefined;
  const wrapping = Buffer.from(typeof wrapped === 'string' ? wrapped : '', 'base64');
  if (wrapping.length !== WRAPPED_BYTES) return undefined;
  const bytes = Buffer.from(sealed, 'base64');
  if (keyIdOf(bytes) !== id) return undefined;
  return {
    field,
    ref,
    retentionClass: retention_class,
    expiresAt: Number(expires_at),
    // As the store says it: the read-back compares texts.
    key: { id, subject, master, wrapped: wrapping.toString('base64') },
    sealed: bytes,
  };
}
