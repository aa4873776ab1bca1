import { placesOf } from './holds.ts';
import type { LawfulRecord } from './own-line.ts';
import { type Places, union } from './ranges.ts';

/**
 * Which records, of a class or of all, are in an archive that was read back: by the digest of its manifest, the newest first, since that
 * may have replaced an older one. Of places that several confirm the first counts.
 */
export function confirmedBy(records: readonly LawfulRecord[], retentionClass?: string): Map<string, Places> {
  const confirmed = new Map<string, Places>();
  for (const { action, control } of records.toReversed()) {
    const { manifest, retention_class, ranges } = control;
    if (action !== 'archive_confirmed') continue;
    if (retentionClass !== undefined && retention_class !== retentionClass) continue;
    const digest = String(manifest);
    confirmed.set(digest, union(confirmed.get(digest) ?? new Map(), rangesOf(ranges)));
  }
  return confirmed;
}

/** As a manifest lists them, or as other records of the line do. */
function rangesOf(ranges: unknown): Places {
  if (!Array.isArray(ranges)) return placesOf(ranges);
  return new Map(
    (ranges as { chain_id: string; ranges: [number, number][] }[]).map((each) => [
      each.chain_id,
      each.ranges,
    ]),
  );
}
