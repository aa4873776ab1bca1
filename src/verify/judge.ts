import { payloadDigest, recordHash, ZERO_HASH } from '../chain/entry.ts';
import { readCanonical } from '../record/reader.ts';
import type { AuditRecord } from '../record/record.ts';
import { vaultedIn } from '../vault/sealed.ts';
import type { ContentPlace, FoundContent } from './contents.ts';
import {
  type ChainResult,
  FINDINGS,
  type Finding,
  type FindingCode,
  place,
  sortFindings,
} from './findings.ts';
import { Interruptions, type OpenIntent } from './interruptions.ts';
import { Rollbacks } from './rollbacks.ts';
import type { Payload, Row, Stretch } from './scan.ts';
import { Successors } from './successors.ts';

/** A chain while it is read. */
interface Chain {
  id: string;
  lastSeq: bigint;
  lastHash: string;
  lastRow: Row | undefined;
}

/**
 * The one judge: it alone assigns codes, and recomputes everything it reports. It keeps nothing but the last
 * place of the chain it is reading, and the findings.
 */
export class Judge {
  readonly chains: ChainResult[] = [];
  readonly findings: Finding[] = [];
  records = 0;
  expired = 0;
  erased = 0;
  /** What sound records refer to and has not been judged: whoever asks for it empties it. */
  readonly contents: ContentPlace[] = [];
  readonly #ledgerId: string;
  readonly #asOf: number;
  readonly #tampered = new Set<string>();
  readonly #rollbacks = new Rollbacks();
  readonly #successors = new Successors();
  readonly #interruptions = new Interruptions();
  #chain: Chain | undefined;

  /** @param asOf Unix seconds: what has expired before may be gone. */
  constructor(ledgerId: string, asOf: number) {
    this.#ledgerId = ledgerId;
    this.#asOf = asOf;
  }

  stretch({ chainId, from, to, prev, last }: Stretch): void {
    const chain = this.#enter(chainId);
    const linked = this.#follows(chain, from);
    if (linked && prev !== chain.lastHash)
      this.#find('record_mismatch', chain, from, 'it does not follow the record before it');
    this.records += Number(to - from) + 1;
    chain.lastSeq = to;
    chain.lastHash = last;
    chain.lastRow = undefined;
  }

  row(row: Row): void {
    if (row.live) this.#rollbacks.hear(row.payload);
    const chain = this.#enter(row.chainId);
    const again = chain.lastRow !== undefined && chain.lastSeq === row.seq;
    if (again) this.#duplicate(chain, chain.lastRow!, row);
    else {
      this.#count(row);
      const prevHash = chain.lastHash;
      if (!this.#follows(chain, row.seq) || this.#hashes(row, prevHash)) this.#sound(chain, row);
      else
        this.#find(
          'record_mismatch',
          chain,
          row.seq,
          'it does not hash to its record_hash over the record before it',
        );
    }
    for (const { name, stored, expected } of row.columns) {
      if (stored !== expected)
        this.#find('derived_mismatch', chain, row.seq, `${name} is not what the payload says`);
    }
    chain.lastSeq = row.seq;
    chain.lastHash = row.recordHash;
    chain.lastRow = row;
  }

  /** A payload of a stretch already judged: its chain is looked up, not entered. */
  payload({ chainId, seq, payload }: Payload): void {
    this.#rollbacks.hear(payload);
    this.#successors.hear(chainId, seq, payload);
    this.#interruptions.hear(chainId, seq, payload);
    const read = readCanonical(payload);
    if ('problem' in read) this.#report('payload_not_canonical', chainId, seq, read.problem);
    else this.#refers(chainId, seq, read.value);
  }

  /** What the vault has at some places. A row beside the right one, of another ref, is nobody's content. */
  vault(places: readonly ContentPlace[], found: readonly FoundContent[]): void {
    const rows = new Map<ContentPlace, FoundContent[]>();
    for (const each of found) rows.set(each.place, [...(rows.get(each.place) ?? []), each]);
    for (const place of places) {
      const why = this.#amiss(place, rows.get(place) ?? []);
      if (why === undefined) continue;
      const { chainId, seq, field } = place;
      this.#report('content_mismatch', chainId, seq, `${field}: ${why}`);
    }
  }

  #amiss({ digest, expiresAt }: ContentPlace, rows: readonly FoundContent[]): string | undefined {
    if (rows.length === 0) return expiresAt <= this.#asOf ? undefined : 'its sealed content is missing';
    if (rows.some((row) => row.digest !== digest)) return 'the sealed content does not hash to the ref';
    return rows.every(({ hasKey }) => hasKey) ? undefined : 'the key of its sealed content is missing';
  }

  #refers(chainId: string, seq: bigint, record: unknown): void {
    if (typeof record !== 'object' || record === null || !('content' in record)) return;
    for (const { field, digest, expiresAt } of vaultedIn(record as AuditRecord))
      this.contents.push({ chainId, seq, field, digest, expiresAt });
  }

  /** Tool calls of whose end nothing was heard: it may stand in a chain that came before theirs. */
  get openIntents(): OpenIntent[] {
    return this.#interruptions.found((chainId) => this.#successors.has(chainId));
  }

  interrupted({ chainId, seq }: OpenIntent): void {
    this.#report(
      'interrupted',
      chainId,
      seq,
      'the tool was about to be called, and nothing tells how that ended',
    );
  }

  /**
   * Ends the last chain, and puts everything in order.
   *
   * @param chains what was scanned; undefined is all.
   */
  finish(chains?: readonly string[]): void {
    this.#leave();
    for (const [id, last] of this.#rollbacks.confirmed)
      if (chains === undefined || chains.includes(id)) this.#rolledBack(id, last);
    // Of a chain that is amiss itself nobody can say where it should have ended.
    const sound = this.chains.filter(({ chain_id }) => !this.#tampered.has(chain_id));
    const sizes = new Map(sound.map(({ chain_id, size }) => [chain_id, BigInt(size)]));
    for (const [id, seq, why] of this.#successors.forks((chain) => sizes.get(chain)))
      this.#report('fork', id, seq, why);
    sortFindings(this.findings);
    for (const chain of this.chains) if (this.#tampered.has(chain.chain_id)) chain.status = 'tampered';
  }

  /** Of a hole before a later record `#follows` has told: here it is the end that is missing. */
  #rolledBack(id: string, last: bigint): void {
    const from = BigInt(this.chains.find(({ chain_id }) => chain_id === id)?.size ?? 0);
    if (from <= last) this.#missing(id, from, last, ': their writer found them gone');
  }

  #missing(chainId: string, from: bigint, to: bigint, why = ''): void {
    const code = from === 0n ? 'genesis_missing' : 'seq_gap';
    const many = from === to ? `record ${from} is missing` : `records ${from} to ${to} are missing`;
    this.#report(code, chainId, from, many + why, to);
  }

  #enter(id: string): Chain {
    if (this.#chain?.id !== id) {
      this.#leave();
      this.#chain = { id, lastSeq: -1n, lastHash: ZERO_HASH, lastRow: undefined };
    }
    return this.#chain!;
  }

  #leave(): void {
    if (this.#chain === undefined) return;
    const { id, lastSeq, lastHash } = this.#chain;
    this.chains.push({ chain_id: id, size: place(lastSeq + 1n), head: lastHash, status: 'valid' });
    this.#chain = undefined;
  }

  /** Whether the place before `seq` is known: a record after a hole is not hash-checked. */
  #follows(chain: Chain, seq: bigint): boolean {
    const missing = chain.lastSeq + 1n;
    if (seq === missing) return true;
    this.#missing(chain.id, missing, seq - 1n);
    return false;
  }

  #hashes(row: Row, prevHash: string): boolean {
    const digest = row.live ? payloadDigest(row.payload) : row.payloadDigest;
    const { chainId, seq, expiresAt } = row;
    return (
      recordHash({ ledgerId: this.#ledgerId, chainId, seq, expiresAt, prevHash, payloadDigest: digest }) ===
      row.recordHash
    );
  }

  /** Only what hashes is believed of other chains. */
  #sound(chain: Chain, row: Row): void {
    if (!row.live) return;
    this.#successors.hear(row.chainId, row.seq, row.payload);
    this.#interruptions.hear(row.chainId, row.seq, row.payload);
    const read = readCanonical(row.payload);
    if ('problem' in read) this.#find('payload_not_canonical', chain, row.seq, read.problem);
    else this.#refers(row.chainId, row.seq, read.value);
  }

  /** Between its tombstone and its purge a record stands twice, with equal hashes: that is no duplicate. */
  #duplicate(chain: Chain, before: Row, row: Row): void {
    const same =
      row.recordHash === before.recordHash &&
      row.payloadDigest === before.payloadDigest &&
      row.expiresAt === before.expiresAt;
    if (!same) {
      const code = row.live ? 'duplicate_conflict' : 'tombstone_mismatch';
      this.#find(code, chain, row.seq, `another ${row.live ? 'record' : 'tombstone'} stands at this place`);
    } else if (row.live === before.live)
      this.#find('duplicate_identical', chain, row.seq, 'the same record stands here more than once');
  }

  #count(row: Row): void {
    this.records += 1;
    if (row.reason === 'expired') this.expired += 1;
    if (row.reason === 'erased') this.erased += 1;
  }

  #find(code: FindingCode, chain: Chain, seq: bigint, detail: string): void {
    this.#report(code, chain.id, seq, detail);
  }

  #report(code: FindingCode, chainId: string, seq: bigint, detail: string, to?: bigint): void {
    const finding: Finding = { code, severity: FINDINGS[code], chain_id: chainId, seq: place(seq), detail };
    if (to !== undefined) finding.to = place(to);
    this.findings.push(finding);
    if (finding.severity === 'critical') this.#tampered.add(chainId);
  }
}
