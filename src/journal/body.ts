import type { SealedRecord } from '../chain/seal.ts';

/** What one transaction changed: records added to a chain, and memory set. */
export interface Change {
  records: SealedRecord[];
  writes: (readonly [key: string, value: unknown])[];
}

type RecordLine = [seq: number, expiresAt: number, retentionClass: string, recordHash: string, bytes: number];

/**
 * The body of a frame: one line of JSON, `{c, p, r, w}` (chain, previous hash, records, writes), then the
 * payloads' bytes one after another.
 */
export function encodeBody({ records, writes }: Change): Buffer {
  const payloads = records.map((record) => Buffer.from(record.payload));
  const head = JSON.stringify({
    c: records[0]?.chainId,
    p: records[0]?.prevHash,
    r: records.map(
      (record, i): RecordLine => [
        record.seq,
        record.expiresAt,
        record.retentionClass,
        record.recordHash,
        payloads[i]!.length,
      ],
    ),
    w: writes,
  });
  return Buffer.concat([Buffer.from(`${head}\n`), ...payloads]);
}

/** Only what the log gave back whole is decoded, so the body is as it was written. */
export function decodeBody(body: Buffer): Change {
  const end = body.indexOf(0x0a);
  const { c, p, r, w } = JSON.parse(body.toString('utf8', 0, end)) as {
    c?: string;
    p?: string;
    r: RecordLine[];
    w: Change['writes'];
  };
  let offset = end + 1;
  let prevHash = p ?? '';
  const records = r.map(([seq, expiresAt, retentionClass, recordHash, bytes]): SealedRecord => {
    const payload = body.toString('utf8', offset, offset + bytes);
    const record = { chainId: c!, seq, expiresAt, retentionClass, prevHash, recordHash, payload };
    offset += bytes;
    prevHash = recordHash;
    return record;
  });
  return { records, writes: w };
}
