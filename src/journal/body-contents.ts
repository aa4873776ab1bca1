import type { SealedRecord } from '../chain/seal.ts';
import type { ContentField } from '../record/record.ts';
import type { SealedContent } from '../vault/sealed.ts';
import type { WrappedKey } from '../vault/wrapped-key.ts';

/** Where in the frame a content is whose bytes follow the payloads, in this order. */
type ContentLine = [
  record: number,
  field: ContentField,
  ref: string,
  retentionClass: string,
  expiresAt: number,
  key: number,
  bytes: number,
];

/** Of the head, `{k, x}`: wrapped keys, each once, and contents. Absent where no record has any. */
export interface ContentsHead {
  k?: WrappedKey[];
  x?: ContentLine[];
}

/** What the head says of the contents of a frame's records, and their bytes. */
export function contentsOf(records: readonly SealedRecord[]): { head: ContentsHead; blobs: Uint8Array[] } {
  if (!records.some(({ contents }) => contents !== undefined)) return { head: {}, blobs: [] };
  const keys = new Map<string, { at: number; key: WrappedKey }>();
  const blobs: Uint8Array[] = [];
  const x: ContentLine[] = [];
  for (const [i, { contents = [] }] of records.entries()) {
    for (const { field, ref, retentionClass, expiresAt, key, sealed } of contents) {
      const at = keys.get(key.id)?.at ?? keys.size;
      keys.set(key.id, { at, key });
      x.push([i, field, ref, retentionClass, expiresAt, at, sealed.length]);
      blobs.push(sealed);
    }
  }
  return { head: { k: [...keys.values()].map(({ key }) => key), x }, blobs };
}

/** Gives the records of a frame their contents. @param offset where the payloads end */
export function giveContents(
  records: readonly SealedRecord[],
  { k = [], x = [] }: ContentsHead,
  body: Buffer,
  offset: number,
): void {
  const given = new Map<number, SealedContent[]>();
  let at = offset;
  for (const [record, field, ref, retentionClass, expiresAt, key, bytes] of x) {
    const sealed = body.subarray(at, at + bytes);
    at += bytes;
    const contents = given.get(record) ?? [];
    contents.push({ field, ref, retentionClass, expiresAt, key: k[key]!, sealed });
    given.set(record, contents);
  }
  for (const [record, contents] of given) records[record]!.contents = contents;
}
