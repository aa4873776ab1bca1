import type { ContentPlace, FoundContent } from './contents.ts';

/**
 * What a scanner yields, chain by chain in order of chain_id, within a chain in order of seq, the rows of one
 * seq live first, then by record_hash, payload_digest and expires_at.
 */
export type Scanned = Stretch | Row;

/**
 * Consecutive live records, one a place, each of which hashes to its record_hash over the one before it and
 * agrees with its queried columns.
 */
export interface Stretch {
  what: 'stretch';
  chainId: string;
  from: bigint;
  to: bigint;
  /** record_hash before `from`, as the store has it; zeros at 0. Hex. */
  prev: string;
  /** record_hash of `to`. Hex. */
  last: string;
}

/** Anything else, as the store has it. */
export interface Row {
  what: 'row';
  chainId: string;
  seq: bigint;
  /** A record with its payload, or the tombstone of one. */
  live: boolean;
  /** Of a tombstone. */
  reason: 'expired' | 'erased' | '';
  /** Unix seconds. */
  expiresAt: number;
  recordHash: string;
  /** Of a tombstone as stored, of a record as the engine hashes it. */
  payloadDigest: string;
  payload: Uint8Array | string;
  /** Queried columns as stored, and as the payload gives them. */
  columns: { name: string; stored: string; expected: string }[];
}

/** A payload of a stretch, for the check of its canonical form. */
export interface Payload {
  chainId: string;
  seq: bigint;
  payload: Uint8Array | string;
}

/** Reads a ledger for the judge. It has no opinion. */
export interface Scanner {
  /** Places to be scanned, for progress. */
  total(): Promise<number>;
  scan(): AsyncGenerator<Scanned>;
  /** The payloads of some stretches, for which one query is enough. */
  payloads(stretches: readonly Stretch[]): AsyncGenerator<Payload>;
  /** What the vault has at some places, for which one query is enough. */
  contents(places: readonly ContentPlace[]): Promise<FoundContent[]>;
}
