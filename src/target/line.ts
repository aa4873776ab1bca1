import { payloadDigest, recordHash } from '../chain/entry.ts';
import type { SealedRecord } from '../chain/seal.ts';
import { readCanonical } from '../record/reader.ts';
import type { AuditRecord } from '../record/record.ts';
import { type ContentLine, contentLinesOf, RETENTION_CLASS, readContents } from './content-line.ts';

/** A record on its way to a relay: one line of JSON, its payload as the text that was hashed. */
interface Line {
  chain_id: string;
  seq: number;
  expires_at: number;
  retention_class: string;
  prev_hash: string;
  record_hash: string;
  payload: string;
  /** Where any is vaulted. */
  contents?: ContentLine[];
}

export function lineOf(record: SealedRecord): string {
  const line: Line = {
    chain_id: record.chainId,
    seq: record.seq,
    expires_at: record.expiresAt,
    retention_class: record.retentionClass,
    prev_hash: record.prevHash,
    record_hash: record.recordHash,
    payload: record.payload,
    ...(record.contents === undefined ? {} : { contents: contentLinesOf(record.contents) }),
  };
  return `${JSON.stringify(line)}\n`;
}

/** 2100-01-01: nothing is kept longer (DESIGN, "The chain"). */
const LAST_EXPIRY = 4_102_444_800;
const CHAIN_ID = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const HASH = /^[0-9a-f]{64}$/;
const TIME = (decimals: number) =>
  new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{${decimals}}Z$`);
const OCCURRED_AT = TIME(9);
const RECORDED_AT = TIME(6);

export const isChainId = (text: string) => CHAIN_ID.test(text);

/**
 * Reads a line back, and recomputes its hash: what it answers would verify.
 *
 * @returns the record and what its payload says, or what is wrong with the line.
 */
export function readLine(
  text: string,
  ledgerId: string,
): { sealed: SealedRecord; record: AuditRecord } | { problem: string } {
  let line: Partial<Line>;
  try {
    line = (JSON.parse(text) ?? {}) as Partial<Line>;
  } catch {
    return { problem: 'no JSON' };
  }
  const { chain_id, seq, expires_at, retention_class, prev_hash, record_hash, payload } = line;
  if (typeof chain_id !== 'string' || !CHAIN_ID.test(chain_id)) return { problem: 'chain_id' };
  if (!Number.isSafeInteger(seq) || seq! < 0) return { problem: 'seq' };
  if (!Number.isSafeInteger(expires_at) || expires_at! < 0 || expires_at! > LAST_EXPIRY)
    return { problem: 'expires_at' };
  if (typeof retention_class !== 'string' || !RETENTION_CLASS.test(retention_class))
    return { problem: 'retention_class' };
  if (typeof prev_hash !== 'string' || !HASH.test(prev_hash)) return { problem: 'prev_hash' };
  if (typeof payload !== 'string') return { problem: 'payload' };
  const sealed: SealedRecord = {
    chainId: chain_id,
    seq: seq!,
    expiresAt: expires_at!,
    retentionClass: retention_class,
    prevHash: prev_hash,
    recordHash: String(record_hash),
    payload,
  };
  const digest = payloadDigest(payload);
  if (recordHash({ ...sealed, ledgerId, payloadDigest: digest }) !== record_hash)
    return { problem: 'record_hash: it does not hash to it, in this ledger' };
  const read = readCanonical(payload);
  if ('problem' in read) return { problem: `payload: ${read.problem}` };
  const record = read.value as AuditRecord;
  if (record?.v !== 1 || record.retention_class !== retention_class) return { problem: 'retention_class' };
  if (!OCCURRED_AT.test(record.occurred_at) || !RECORDED_AT.test(record.recorded_at))
    return { problem: 'payload: its times' };
  const contents = readContents(line.contents, record);
  if (contents === undefined) return { problem: 'contents: they are not what the payload refers to' };
  if (contents.length > 0) sealed.contents = contents;
  return { sealed, record };
}
