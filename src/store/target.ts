import type { SealedRecord, StoppedChain } from '../chain/seal.ts';
import { SpanledgerError } from '../errors.ts';
import type { Batch } from '../target/batch.ts';
import type { Delivered, Delivery, Target } from '../target/target.ts';
import type { Store } from './client.ts';
import { contentsOf, deliverContents } from './contents.ts';
import { confirm, insertRecords, isSame, type Standing, standingAt } from './records.ts';

/** A ClickHouse as the target of journals, and of relayed entries. */
export class StoreTarget implements Target {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async standing(chainId: string, seq: number): Promise<string[]> {
    const rows = (await standingAt(this.#store, chainId, seq, seq)).get(seq) ?? [];
    return rows.map(({ recordHash }) => recordHash);
  }

  async deliver(batch: Batch, how: Delivery): Promise<Delivered> {
    const { missing, forked, live } =
      how === 'new' ? { missing: [...batch], forked: undefined, live: batch } : await this.#compare(batch);
    if (forked !== undefined && how !== 'restored') return { added: 0, stopped: forked };
    // First what records refer to: whatever dies between the two, no ref is there without its content.
    await deliverContents(this.#store, contentsOf(live));
    // What is missing may still be on its way, by an insert whose line was cut: the token, which the engine keeps
    // by partition, lets only one of the two in. That of a batch that was there once would swallow it.
    await insertRecords(this.#store, batch, missing, how === 'restored' ? 'again' : 'once');
    const added = missing.length;
    if (forked !== undefined) return { added, stopped: forked };
    const stopped = (await confirm(this.#store, batch)) ? undefined : await this.#sendAgain(batch);
    return stopped === undefined ? { added } : { added, stopped };
  }

  /** The engine remembers the token of an insert whose rows are gone, and swallows it without a word. */
  async #sendAgain(batch: Batch): Promise<StoppedChain | undefined> {
    const { missing, forked } = await this.#compare(batch);
    if (forked !== undefined) return forked;
    await insertRecords(this.#store, batch, missing, 'again');
    return this.#landed(batch);
  }

  /** Some places may hold ours twice: the verifier warns of it, and there is nothing to send again. */
  async #landed(batch: Batch): Promise<StoppedChain | undefined> {
    const { missing, forked } = await this.#compare(batch);
    const [lost] = missing;
    if (lost !== undefined)
      throw new SpanledgerError(
        'store_failed',
        `ClickHouse took record ${lost.chainId}:${lost.seq} and does not have it`,
        { hint: 'is its disk full, or does a TTL or a row policy of somebody hide what is inserted?' },
      );
    return forked;
  }

  /** What of the batch has not arrived, and whether another record stands at one of its places. */
  async #compare(batch: Batch): Promise<Compared> {
    const there = await standingAt(this.#store, batch[0].chainId, batch[0].seq, batch.at(-1)!.seq);
    const isLive = ({ seq }: SealedRecord) =>
      (there.get(seq) ?? []).every((row) => row.retentionClass !== undefined);
    return {
      missing: batch.filter((record) => !there.has(record.seq)),
      forked: otherAt(batch, there),
      live: batch.filter(isLive),
    };
  }
}

interface Compared {
  missing: SealedRecord[];
  forked: StoppedChain | undefined;
  /** Those that no tombstone stands for: what has lawfully gone comes back with no content either. */
  live: readonly SealedRecord[];
}

/** A hash that is ours over a payload that is not is told with the payload's digest. */
function otherAt(batch: Batch, there: ReadonlyMap<number, Standing[]>): StoppedChain | undefined {
  for (const record of batch) {
    const { chainId, seq, recordHash: expected } = record;
    const rows = there.get(seq) ?? [];
    if (rows.every((row) => isSame(record, row))) continue;
    const found = rows.map((row) =>
      row.recordHash === expected && !isSame(record, row)
        ? `${expected}/${row.payloadDigest}`
        : row.recordHash,
    );
    return { chainId, kind: 'fork', seq, expected, found };
  }
  return undefined;
}
