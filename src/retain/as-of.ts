import type { Store } from '../store/client.ts';
import type { OwnLine } from './own-line.ts';

export interface AsOf {
  /** Unix seconds. */
  seconds: number;
  by: 'host' | 'attested';
}

const ATTESTED = `
SELECT JSONExtractString(payload, 'control', 'anchor') AS anchor, max(JSONExtractString(payload, 'control', 'attested_at')) AS at
FROM spanledger.audit_records
WHERE retention_class = 'ledger' AND chain_id IN {chains:Array(String)} AND action = 'checkpoint_anchored' AND JSONExtractString(payload, 'control', 'attested_at') != ''
GROUP BY anchor`;

/**
 * What time it is taken to be: the host's clock, but never later than what each anchor attests that attests any. A clock
 * that was set forward makes nothing expire; an anchor that does not answer for long holds up what expires meanwhile.
 *
 * @param anchors their names
 * @param now microseconds since the epoch
 */
export async function asOf(
  store: Store,
  line: OwnLine,
  anchors: readonly string[],
  now: number,
): Promise<AsOf> {
  const host = Math.floor(now / 1e6);
  const rows = await store.query<{ anchor: string; at: string }>(ATTESTED, { chains: [...line.chains] });
  const attested = rows
    .filter(({ anchor }) => anchors.includes(anchor))
    .map(({ at }) => Math.floor(Date.parse(at) / 1_000))
    .filter((seconds) => Number.isFinite(seconds));
  if (attested.length === 0) return { seconds: host, by: 'host' };
  return { seconds: Math.min(host, ...attested), by: 'attested' };
}
