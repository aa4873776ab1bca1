import type { Baseline } from './baseline.ts';
import type { ContentPlace, FoundContent } from './contents.ts';
import type { OpenIntent } from './interruptions.ts';

/**
 * What a scanner yields, chain by chain in order of chain_id, within a chain in order of seq, the rows of one
 * seq live first, then by record_hash, payload_digest and expires_at.
 */
export type Scanned = Stretch | Row;

/**
 * Consecutive live records, one a place, each of which hashes to its record_hash over the one before it,
 * agrees with its queried columns and is not to be purged.
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
  /** The tree over its places, in order and without a gap. */
  nodes: Nodes[];
  /** Those of its records that say something of chains, in order. */
  marks: Payload[];
  /**
   * When its records were recorded, in order: where these times ascend within a day only the first, the last and those
   * next to what was asked for.
   */
  times: Time[];
  /** Intents of tool calls without an outcome in the stretch. */
  intents: OpenIntent[];
  /** Newest `recorded_at` of its tool calls; empty where it has none. */
  lastCall: string;
  /** Some of its records may refer to contents. */
  refers: boolean;
}

/** Perfect subtrees of one height next to each other: their roots, 32 bytes each. Those of height 0 are record hashes. */
export interface Nodes {
  from: bigint;
  height: number;
  hashes: Buffer;
}

export interface Time {
  seq: bigint;
  /** `recorded_at`, which may be anything. */
  at: string;
}

/** Consecutive places of a chain. */
export interface Span {
  chainId: string;
  from: bigint;
  to: bigint;
}

/** What is to be scanned: all of it, unless said. */
export interface Scope {
  /** Only these chains. */
  chains?: readonly string[];
  /** What is known: only what follows it, and what it does not know. Chains that are closed are passed over. */
  baseline?: Baseline;
  /** Places of a chain whose record hashes and times are asked for, whatever else is told of them in short. */
  asked?: (chainId: string) => readonly bigint[];
}

/** A place, and what stands there. */
export interface Head {
  chainId: string;
  seq: bigint;
  /** Hex; of several rows the last. */
  hash: string;
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
  /** Unix seconds, of a record: when the engine may delete it. */
  purgeAfter: number;
  recordHash: string;
  /** Of a tombstone as stored, of a record as the engine hashes it. */
  payloadDigest: string;
  payload: Uint8Array | string;
  /** Queried columns as stored, and as the payload gives them. */
  columns: { name: string; stored: string; expected: string }[];
}

/** A payload of a stretch. */
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
  /** The payloads at places of stretches, a span a chain, for which one query is enough. */
  payloads(spans: readonly Span[]): AsyncGenerator<Payload>;
  /** Likewise, what records that may refer to contents say of them: JSON of `content`. */
  references(spans: readonly Span[]): AsyncGenerator<Payload>;
  /** What stands at some places now: those that are gone are not in the answer. */
  heads(places: readonly { chainId: string; seq: bigint }[]): Promise<Head[]>;
  /** What the vault has at some places, for which one query is enough; undefined where there is no vault to ask. */
  contents(places: readonly ContentPlace[]): Promise<FoundContent[] | undefined>;
}
