import type { ChainFacts } from './chain-facts.ts';
import { FINDINGS, type Finding, type FindingCode, place, sortFindings } from './findings.ts';

const TAINTING: ReadonlySet<FindingCode> = new Set([
  'record_mismatch',
  'duplicate_conflict',
  'tombstone_mismatch',
]);
const UNSOUND: ReadonlySet<FindingCode> = new Set([
  'record_mismatch',
  'payload_not_canonical',
  'duplicate_conflict',
]);

/** What was found so far, and what follows from it for chains and places. */
export class Found {
  readonly findings: Finding[] = [];
  /** Those that were met, in that order. */
  readonly chains = new Map<string, ChainFacts>();
  readonly #tampered = new Set<string>();
  /** Places of which nothing is believed. */
  readonly #unsound = new Set<string>();

  report(code: FindingCode, chainId: string, seq: bigint, detail: string, to?: bigint): void {
    const finding: Finding = { code, severity: FINDINGS[code], chain_id: chainId, seq: place(seq), detail };
    if (to !== undefined) finding.to = place(to);
    this.findings.push(finding);
    if (finding.severity === 'critical') this.#tampered.add(chainId);
    const chain = this.chains.get(chainId);
    if (chain !== undefined && TAINTING.has(code)) chain.isTainted = true;
    if (UNSOUND.has(code)) this.#unsound.add(`${chainId}:${seq}`);
  }

  /** Of a hole before a later record, or at the end of its chain. */
  missing(chainId: string, from: bigint, to: bigint, why = ''): void {
    const code = from === 0n ? 'genesis_missing' : 'seq_gap';
    const many = from === to ? `record ${from} is missing` : `records ${from} to ${to} are missing`;
    this.report(code, chainId, from, many + why, to);
  }

  statusOf(chainId: string): 'valid' | 'tampered' {
    return this.#tampered.has(chainId) ? 'tampered' : 'valid';
  }

  isSound({ chainId, seq }: { chainId: string; seq: bigint }): boolean {
    return !this.#unsound.has(`${chainId}:${seq}`);
  }

  sort(): void {
    sortFindings(this.findings);
  }
}
