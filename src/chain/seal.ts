import type { PolicyDocument } from '../policy/document.ts';
import { expiresAt } from '../policy/retention.ts';
import { canonicalJson, NotCanonical } from '../record/canonical.ts';
import type { AuditRecord, RecordDraft } from '../record/record.ts';
import { fromMicroseconds } from '../record/time.ts';
import type { SealedContent } from '../vault/sealed.ts';
import { payloadDigest, recordHash, ZERO_HASH } from './entry.ts';
import { appendLeaf, emptyFrontier, type Frontier } from './merkle.ts';

/** A record with its place: what the journal keeps and the store receives. */
export interface SealedRecord {
  chainId: string;
  seq: number;
  /** Unix seconds. */
  expiresAt: number;
  retentionClass: string;
  prevHash: string;
  recordHash: string;
  /** Canonical JSON. */
  payload: string;
  /** What its refs refer to, where any of it is vaulted. */
  contents?: readonly SealedContent[];
}

/** Where a chain stands: its next seq, its last hash, and the last `recorded_at` in microseconds. */
export interface ChainHead {
  chainId: string;
  size: number;
  head: string;
  recordedAt: number;
  /** Of its record hashes: what a checkpoint signs the root of. */
  tree: Frontier;
}

/** The store holds another record, or none, where the chain's next would follow. */
export interface StoppedChain {
  chainId: string;
  kind: 'fork' | 'rollback';
  seq: number;
  expected: string;
  found: string[];
}

export function newChain(chainId: string): ChainHead {
  return { chainId, size: 0, head: ZERO_HASH, recordedAt: 0, tree: emptyFrontier() };
}

/** What sealing takes from outside: time and randomness come in as arguments. */
export interface SealContext {
  ledgerId: string;
  policy: PolicyDocument;
  /** Microseconds since the epoch. */
  now: number;
  /** 22 characters of base64url, never used before. */
  salt: string;
}

/** Gives a draft its place at the end of the chain. `head` moves on. */
export function seal(draft: RecordDraft, head: ChainHead, context: SealContext): SealedRecord {
  const recordedAt = Math.max(context.now, head.recordedAt);
  const payload = canonicalPayload({
    ...draft,
    salt: context.salt,
    recorded_at: fromMicroseconds(recordedAt),
  });
  const expires = expiresAt(context.policy, draft.retention_class, recordedAt);
  const hash = recordHash({
    ledgerId: context.ledgerId,
    chainId: head.chainId,
    seq: head.size,
    expiresAt: expires,
    prevHash: head.head,
    payloadDigest: payloadDigest(payload),
  });
  const sealed: SealedRecord = {
    chainId: head.chainId,
    seq: head.size,
    expiresAt: expires,
    retentionClass: draft.retention_class,
    prevHash: head.head,
    recordHash: hash,
    payload,
  };
  head.size += 1;
  head.head = hash;
  head.recordedAt = recordedAt;
  head.tree = appendLeaf(head.tree, hash);
  return sealed;
}

/** Lone surrogates have no bytes in UTF-8: they are replaced by U+FFFD, and the record says so. */
function canonicalPayload(record: AuditRecord): string {
  try {
    return canonicalJson(record);
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    const repaired = wellFormed(record) as AuditRecord;
    return canonicalJson({ ...repaired, details: { ...repaired.details, replaced_surrogates: true } });
  }
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  const repaired = Object.create(null) as Record<string, unknown>;
  for (const [key, each] of Object.entries(value)) repaired[key.toWellFormed()] = wellFormed(each);
  return repaired;
}
