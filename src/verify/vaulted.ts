import type { AuditRecord } from '../record/record.ts';
import { vaultedIn } from '../vault/sealed.ts';
import type { ContentPlace, FoundContent } from './contents.ts';
import type { Report } from './findings.ts';

/** The contents that a sound record refers to. */
export function contentsOf(chainId: string, seq: bigint, record: unknown): ContentPlace[] {
  if (typeof record !== 'object' || record === null || !('content' in record)) return [];
  return vaultedIn(record as AuditRecord).map(({ field, digest, expiresAt }) => ({
    chainId,
    seq,
    field,
    digest,
    expiresAt,
  }));
}

/**
 * Compares what the vault has at some places with what records refer to. A row beside the right one, of another ref, is
 * nobody's content.
 *
 * @param asOf Unix seconds.
 */
export function judgeVaulted(
  places: readonly ContentPlace[],
  found: readonly FoundContent[],
  asOf: number,
  report: Report,
): void {
  const rows = new Map<ContentPlace, FoundContent[]>();
  for (const each of found) rows.set(each.place, [...(rows.get(each.place) ?? []), each]);
  for (const place of places) {
    const why = amiss(place, rows.get(place) ?? [], asOf);
    if (why === undefined) continue;
    const { chainId, seq, field } = place;
    report('content_mismatch', chainId, seq, `${field}: ${why}`);
  }
}

function amiss(
  { digest, expiresAt }: ContentPlace,
  rows: readonly FoundContent[],
  asOf: number,
): string | undefined {
  if (rows.length === 0) return expiresAt <= asOf ? undefined : 'its sealed content is missing';
  if (rows.some((row) => row.digest !== digest)) return 'the sealed content does not hash to the ref';
  return rows.every(({ hasKey }) => hasKey) ? undefined : 'the key of its sealed content is missing';
}
