/** What a verifier can find, in the order in which findings at one seq are listed, with their severity. */
export const FINDINGS = {
  record_mismatch: 'critical',
  payload_not_canonical: 'critical',
  derived_mismatch: 'critical',
  seq_gap: 'critical',
  genesis_missing: 'critical',
  duplicate_identical: 'warning',
  duplicate_conflict: 'critical',
  purged_before_expiry: 'critical',
  purged_under_hold: 'critical',
  tombstone_mismatch: 'critical',
  erasure_unrecorded: 'critical',
  erasure_incomplete: 'warning',
  expiry_overdue: 'info',
  interrupted: 'info',
  tail_truncated: 'critical',
  tail_unanchored: 'warning',
  chain_missing: 'critical',
  chain_undeclared: 'critical',
  chain_stale: 'warning',
  fork: 'critical',
  ledger_missing: 'critical',
  rollback: 'critical',
  checkpoint_invalid: 'critical',
  checkpoint_untrusted: 'critical',
  checkpoint_mismatch: 'critical',
  checkpoint_missing: 'critical',
  checkpoint_fork: 'critical',
  anchor_missing: 'critical',
  anchor_mismatch: 'critical',
  key_rotation_invalid: 'critical',
  archive_missing: 'critical',
  archive_mismatch: 'critical',
  archive_unlisted: 'critical',
  manifest_invalid: 'critical',
  content_mismatch: 'critical',
  schema_mismatch: 'critical',
  read_inconsistent: 'critical',
  policy_unrecorded: 'warning',
  hold_release_unauthorised: 'warning',
  trust_changed: 'warning',
  clock_regression: 'warning',
  time_unattested: 'info',
} as const satisfies { [code: string]: Severity };

export type Severity = 'critical' | 'warning' | 'info';
export type FindingCode = keyof typeof FINDINGS;

/** Tells of a finding; one about the ledger is of the chain "" and the seq 0. */
export type Report = (code: FindingCode, chainId: string, seq: bigint, detail: string, to?: bigint) => void;

export interface Finding {
  code: FindingCode;
  severity: Severity;
  /** Empty, and seq 0, where it is about the ledger and not about a chain. */
  chain_id: string;
  seq: Place;
  /** Of a range: its last seq. */
  to?: Place;
  detail: string;
}

/** A seq as JSON can say it: a number, or text beyond 2^53. */
export type Place = number | string;

export function place(seq: bigint): Place {
  return seq <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seq) : seq.toString();
}

export interface ChainResult {
  chain_id: string;
  /** The highest seq and one. */
  size: Place;
  /** The last record's hash. */
  head: string;
  status: 'valid' | 'tampered';
}

/** What `verify` answers: a contract. Counters of what a ledger does not have yet are 0. */
export interface Verification {
  status: 'valid' | 'tampered' | 'empty' | 'incomplete';
  ledger_id: string;
  /** Places present, tombstones included, duplicates once. */
  records_checked: number;
  chains: ChainResult[];
  /** The first critical finding about a chain. */
  broken_at_record: { chain_id: string; seq: Place; id: string } | null;
  findings: Finding[];
  /** What could not be checked, and why: with any, nothing is `valid`. */
  unchecked: string[];
  expired: number;
  erased: number;
  on_hold: number;
  unanchored: number;
  checkpoints_verified: number;
  rounds_verified: number;
  anchors_verified: number;
  trust: 'given' | 'local' | 'none';
  trust_sha256: string | null;
  state_sha256: string | null;
  trusted_keys: string[];
  elapsed_ms: number;
}

const ORDER = Object.keys(FINDINGS);

export function sortFindings(findings: Finding[]): Finding[] {
  return findings.sort(
    (a, b) =>
      compare(a.chain_id, b.chain_id) ||
      compare(BigInt(a.seq), BigInt(b.seq)) ||
      ORDER.indexOf(a.code) - ORDER.indexOf(b.code),
  );
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
