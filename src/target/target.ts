import type { StoppedChain } from '../chain/seal.ts';
import type { Batch } from './batch.ts';

/**
 * Where a journal's records go: a ClickHouse, or a relay that puts them there. What `deliver` has answered for is
 * in the database and was read back from it.
 */
export interface Target {
  /** The record hashes at a place of a chain, of live rows and of tombstones; none where it is empty. */
  standing(chainId: string, seq: number): Promise<string[]>;

  /**
   * Brings a batch to its places, those of its records that are not there yet, and reads all of them back.
   *
   * @throws SpanledgerError `store_unreachable`, `store_failed`, `relay_refused`: some of it may have arrived.
   */
  deliver(batch: Batch, how: Delivery): Promise<Delivered>;
}

/**
 * `new`: the batch before arrived, so nothing of this one can be there. `unsure`: some of it may be; where another
 * record stands at one of its places, nothing is sent. `restored`: it was there once; what is gone is sent, though
 * at some place another record stands.
 */
export type Delivery = 'new' | 'unsure' | 'restored';

export interface Delivered {
  /** Records that were not there. */
  added: number;
  stopped?: StoppedChain;
}

/** A record's place, and the hash that must stand there. */
export type Place = Pick<StoppedChain, 'chainId' | 'seq' | 'expected'>;

/** Undefined when the record is there, live or as tombstone. */
export async function notStanding(
  target: Target,
  { chainId, seq, expected }: Place,
): Promise<StoppedChain | undefined> {
  const found = await target.standing(chainId, seq);
  if (found.includes(expected)) return undefined;
  return { chainId, kind: found.length === 0 ? 'rollback' : 'fork', seq, expected, found };
}
