import type { SealedRecord } from '../chain/seal.ts';
import { type ContentsHead, contentsOf, giveContents } from './body-contents.ts';

/** What one transaction changed: records added to a chain, and memory set. */
export interface Change {
  records: SealedRecord[];
  writes: (readonly [key: string, value: unknown])[];
}

type RecordLine = [seq: number, expiresAt: number, retentionClass: string, recordHash: string, bytes: number];

/**
 * The body of a frame: one line of JSON, `{c, p, r, w}` (chain, previous hash, records, writes), then the
 * payloads' bytes one after another; with sealed contents, `{k, x}` before `w`, and their bytes behind the payloads.
 */
export function encodeBody({ records, writes }: Change): Buffer {
  const contents = contentsOf(records);
  const sizes = records.map((record) => Buffer.byteLength(record.payload));
  const head = `${JSON.stringify({
    c: records[0]?.chainId,
    p: records[0]?.prevHash,
    r: records.map(
      (record, i): RecordLine => [
        record.seq,
        record.expiresAt,
        record.retentionClass,
        record.recordHash,
        sizes[i]!,
      ],
    ),
    ...contents.head,
    w: writes,
  })}\n`;
  const headBytes = Buffer.byteLength(head);
  const blobBytes = contents.blobs.reduce((sum, blob) => sum + blob.length, 0);
  const body = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, headBytes + blobBytes));
  body.write(head);
  let offset = headBytes;
  for (const [i, { payload }] of records.entries()) {
    body.write(payload, offset);
    offset += sizes[i]!;
  }
  for (const blob of contents.blobs) {
    body.set(blob, offset);
    offset += blob.length;
  }
  return body;
}

/** Only what the log gave back whole is decoded, so the body is as it was written. */
export function decodeBody(body: Buffer): Change {
  const end = body.indexOf(LINE_FEED);
  const head = JSON.parse(body.toString('utf8', 0, end)) as Head & { w: Change['writes'] };
  return { records: recordsIn(body, head, end + 1), writes: head.w };
}

/** The records alone: what is to be shipped is read again, and what was remembered with it mostly is not. */
export function decodeRecords(body: Buffer): SealedRecord[] {
  const end = body.indexOf(LINE_FEED);
  // No JSON text has an unescaped quote in it, so these bytes stand only where the writes begin.
  const writes = body.subarray(0, end).indexOf('],"w":');
  const head = JSON.parse(`${body.toString('utf8', 0, writes)}]}`) as Head;
  return recordsIn(body, head, end + 1);
}

const LINE_FEED = 0x0a;

interface Head extends ContentsHead {
  c?: string;
  p?: string;
  r: RecordLine[];
}

function recordsIn(body: Buffer, head: Head, start: number): SealedRecord[] {
  const { c, p, r } = head;
  let offset = start;
  let prevHash = p ?? '';
  const records = r.map(([seq, expiresAt, retentionClass, recordHash, bytes]): SealedRecord => {
    const payload = body.toString('utf8', offset, offset + bytes);
    const record = { chainId: c!, seq, expiresAt, retentionClass, prevHash, recordHash, payload };
    offset += bytes;
    prevHash = recordHash;
    return record;
  });
  if (head.x !== undefined) giveContents(records, head, body, offset);
  return records;
}
