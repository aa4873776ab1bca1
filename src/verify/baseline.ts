import type { Frontier } from '../chain/merkle.ts';
import type { Enrolled } from './ledger-records.ts';

/** What a verification before learned of a chain: another goes on from there, and reads nothing of it again. */
export interface KnownChain {
  size: number;
  /** Record hash of its last record, hex. */
  head: string;
  /** Of the tree over all its record hashes. */
  frontier: Frontier;
  /** Its last record is `chain_closed`: nothing may follow. */
  closed?: boolean;
  /** As its `chain_opened` says. */
  role?: 'records' | 'control';
  vkey?: string;
  /** `recorded_at` of its first record and of its last. */
  opened_at?: string;
  recorded_at?: string;
  /** Size of its newest checkpoint that was good; absent where it had none. */
  checkpoint?: number;
}

/** By chain id. It comes from the keeper's own memory or a verifier's state file, never from the data under test. */
export type Baseline = ReadonlyMap<string, KnownChain>;

/** A chain as a verification leaves it: what a round lists, and what the next verification goes on from. */
export interface JudgedChain extends KnownChain {
  chain_id: string;
  /** RFC 6962 root over its record hashes. */
  root: string;
  status: 'valid' | 'tampered';
  /** As its `chain_opened` says: the signature of somebody who may enrol writers. */
  enrol?: string;
  /** Chains of which records read now say that a relay took them. */
  enrolled?: Enrolled[];
}
