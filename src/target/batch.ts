import type { SealedRecord } from '../chain/seal.ts';
import { sealedBytes } from '../vault/sealed.ts';

/** One insert is one batch of one chain: so many rows, partitions and bytes of payload, at most. */
const MAX_BATCH_ROWS = 10_000;
const MAX_BATCH_PARTITIONS = 50;
/** An insert travels as one text, which is held a few times over. A larger record goes alone. */
const MAX_BATCH_BYTES = 32 * 1024 * 1024;

/** Records with consecutive seqs of one chain. */
export type Batch = readonly [SealedRecord, ...SealedRecord[]];

/** Gathers a batch, record by record. What it takes depends on the records alone: the same again give the same. */
export class Gathering {
  readonly records: SealedRecord[] = [];
  readonly #partitions = new Set<string>();
  #bytes = 0;

  /** False, and nothing taken, where the next batch begins. */
  take(record: SealedRecord): boolean {
    const [first] = this.records;
    const partition = partitionOf(record);
    const bytes = this.#bytes + bytesOf(record);
    if (first !== undefined) {
      if (record.chainId !== first.chainId || this.records.length >= MAX_BATCH_ROWS) return false;
      if (bytes > MAX_BATCH_BYTES) return false;
      if (this.#partitions.size >= MAX_BATCH_PARTITIONS && !this.#partitions.has(partition)) return false;
    }
    this.#partitions.add(partition);
    this.#bytes = bytes;
    this.records.push(record);
    return true;
  }

  get batch(): Batch | undefined {
    return this.records.length === 0 ? undefined : (this.records as unknown as Batch);
  }
}

/** With the contents that travel with it. */
function bytesOf({ payload, contents }: SealedRecord): number {
  return Buffer.byteLength(payload) + sealedBytes(contents);
}

/** Records in order, as batches. */
export function* batchesOf(records: Iterable<SealedRecord>): Generator<Batch> {
  let gathering = new Gathering();
  for (const record of records) {
    if (gathering.take(record)) continue;
    yield gathering.batch!;
    gathering = new Gathering();
    gathering.take(record);
  }
  if (gathering.batch !== undefined) yield gathering.batch;
}

/** The month partition a record falls into, as the table's PARTITION BY says. */
export function partitionOf({ retentionClass, expiresAt }: SealedRecord): string {
  return `${retentionClass} ${new Date(expiresAt * 1000).toISOString().slice(0, 7)}`;
}
