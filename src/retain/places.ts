import type { QueryParameters, Store } from '../store/client.ts';
import type { Places } from './ranges.ts';

/** A partition of a table: a class, and a month of expiry as `toYYYYMM(expires_at)`. */
export interface Partition {
  retention_class: string;
  month: number;
}

export const IN_PARTITION = 'retention_class = {class:String} AND toYYYYMM(expires_at) = {month:UInt32}';

/** What has a payload that may go. */
export type Table = 'audit_records' | 'audit_content';

/** Places of records, as stretches. `condition` is ours; what is not constant in it comes in as a parameter. */
export async function placesWhere(
  store: Store,
  condition: string,
  parameters: QueryParameters,
  table: Table = 'audit_records',
): Promise<Places> {
  const rows = await store.query<{ chain: string; first: string; last: string }>(
    `SELECT toString(chain_id) AS chain, toString(min(seq)) AS first, toString(max(seq)) AS last FROM
     (
         SELECT chain_id, seq, seq - row_number() OVER (PARTITION BY chain_id ORDER BY seq) AS stretch FROM
         (SELECT DISTINCT chain_id, seq FROM spanledger.${table} WHERE ${condition})
     )
     GROUP BY chain_id, stretch ORDER BY chain_id, min(seq)`,
    parameters,
  );
  const places = new Map<string, [number, number][]>();
  for (const { chain, first, last } of rows) {
    const those = places.get(chain) ?? [];
    places.set(chain, those);
    those.push([Number(first), Number(last)]);
  }
  return places;
}

/** A statement of the engine is at most 256 KiB. */
export const STATEMENT = { places: Number.POSITIVE_INFINITY, stretches: 2_000 };

/** Rows at some places, none too many for a statement; a mutation takes no parameters. */
export function conditionOf(places: Places): string {
  const chains = [...places].map(([chain, stretches]) => {
    const seqs = stretches.map(([first, last]) => `seq BETWEEN ${first} AND ${last}`);
    return `(chain_id = ${quoted(chain)} AND (${seqs.join(' OR ')}))`;
  });
  return chains.join(' OR ');
}

/** Ids of chains have an alphabet without a quote; a class may be called anything. */
export function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
