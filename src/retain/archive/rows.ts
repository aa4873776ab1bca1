import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { FileKind } from '../../chain/manifest.ts';
import type { Row } from '../../verify/scan.ts';
import type { ArchiveFile } from './folder.ts';
import type { FileRow } from './parquet.ts';

/** A row of an archive as the judge takes it. What the engine derives for its queries is in no archive, but for the class. */
export function rowOf(kind: FileKind, raw: FileRow): Row {
  const isRecord = kind === 'records';
  const payload = isRecord ? textOrBytes(raw.payload) : '';
  const chain = Buffer.from(raw.chain_id);
  return {
    what: 'row',
    chainId: isUtf8(chain) ? chain.toString() : `\ufffd${chain.toString('hex')}`,
    seq: BigInt(raw.seq),
    live: isRecord,
    reason: isRecord ? '' : reasonOf(raw.reason),
    expiresAt: Number(raw.expires_at),
    purgeAfter: isRecord ? Number(raw.purge_after) : 0,
    recordHash: Buffer.from(raw.record_hash).toString('hex'),
    payloadDigest: isRecord
      ? hash('sha256', raw.payload, 'hex')
      : Buffer.from(raw.payload_digest).toString('hex'),
    payload,
    columns: isRecord ? [classOf(raw, payload)] : [],
  };
}

function reasonOf(reason: Uint8Array): Row['reason'] {
  return Buffer.from(reason).toString() === 'erased' ? 'erased' : 'expired';
}

function textOrBytes(bytes: Buffer): string | Uint8Array {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(whole) ? whole.toString() : whole;
}

function classOf({ retention_class }: FileRow, payload: string | Uint8Array): Row['columns'][number] {
  let expected: unknown;
  try {
    expected = (JSON.parse(String(payload)) as { retention_class?: unknown } | null)?.retention_class;
  } catch {
    // what is no JSON has no class
  }
  return {
    name: 'retention_class',
    stored: Buffer.from(retention_class).toString(),
    expected: typeof expected === 'string' ? expected : '',
  };
}

/** Rows of files that stand one after another, as their manifest says. */
export async function* rowsOf(files: readonly ArchiveFile[]): AsyncGenerator<Row> {
  for (const file of files)
    for await (const group of file.rows()) for (const raw of group) yield rowOf(file.listed.kind, raw);
}

/** As the engine orders the rows of a ledger. */
export function compareRows(a: Row, b: Row): number {
  return (
    compare(a.chainId, b.chainId) ||
    (a.seq < b.seq ? -1 : a.seq > b.seq ? 1 : 0) ||
    Number(b.live) - Number(a.live) ||
    compareText(a.recordHash, b.recordHash) ||
    compareText(a.payloadDigest, b.payloadDigest) ||
    a.expiresAt - b.expiresAt
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Two runs of rows, each in order, as one. */
export async function* merged(a: AsyncGenerator<Row>, b: AsyncGenerator<Row>): AsyncGenerator<Row> {
  let [one, other] = [await a.next(), await b.next()];
  while (one.done !== true || other.done !== true) {
    if (other.done === true || (one.done !== true && compareRows(one.value, other.value) <= 0)) {
      yield one.value as Row;
      one = await a.next();
    } else {
      yield other.value;
      other = await b.next();
    }
  }
}
