import { crc32 } from 'node:zlib';
import type { Store } from './client.ts';

/** First records of chains: in the one partition of the class that is kept for ever. */
const GENESES = `(SELECT DISTINCT toString(chain_id) AS name FROM spanledger.audit_records WHERE retention_class = 'ledger' AND seq = 0 AND match(chain_id, '^[a-z0-9][a-z0-9._-]{0,127}$'))`;

/** Ids are random hex: so many characters of them make 256 buckets. */
const BUCKET = 2;

/**
 * Which chains there are that somebody does not know, without reading the ids of all that he does: they are counted and
 * summed by what their ids begin with, here and by the engine, and read only where the two differ.
 */
export class KnownIds {
  readonly #ids = new Set<string>();
  readonly #buckets = new Map<string, { chains: number; sum: number }>();

  add(id: string): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    const bucket = this.#buckets.get(id.slice(0, BUCKET)) ?? { chains: 0, sum: 0 };
    bucket.chains += 1;
    bucket.sum += crc32(id);
    this.#buckets.set(id.slice(0, BUCKET), bucket);
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Ids of chains whose first record the store has, and which are not known, in order. */
  async unknownIn(store: Store): Promise<string[]> {
    const buckets = await store.query<{ bucket: string; chains: string; sum: string }>(
      `SELECT substring(name, 1, ${BUCKET}) AS bucket, toString(count()) AS chains, toString(sum(CRC32(name))) AS sum FROM ${GENESES} GROUP BY bucket`,
    );
    const other = buckets.filter(({ bucket, chains, sum }) => {
      const known = this.#buckets.get(bucket);
      return known?.chains !== Number(chains) || known.sum !== Number(sum);
    });
    if (other.length === 0) return [];
    const rows = await store.query<{ name: string }>(
      `SELECT name FROM ${GENESES} WHERE substring(name, 1, ${BUCKET}) IN {buckets:Array(String)} ORDER BY name`,
      { buckets: other.map(({ bucket }) => bucket) },
    );
    return rows.map(({ name }) => name).filter((id) => !this.#ids.has(id));
  }
}

/** A chain that says it is a keeper's own. */
export interface ControlChain {
  chain_id: string;
  /** Text; empty where it names none. */
  vkey: string;
  /** When its last record came, Unix seconds. */
  last: number;
}

/** All control chains the store has. They say so themselves: who their keeper is, is another question. */
export async function controlChains(store: Store): Promise<ControlChain[]> {
  const rows = await store.query<{ chain_id: string; vkey: string; last: string }>(
    `SELECT name AS chain_id, any(key) AS vkey, toString(max(toUnixTimestamp(occurred_at))) AS last FROM
     (
         SELECT DISTINCT chain_id AS opened, toString(chain_id) AS name, JSONExtractString(payload, 'control', 'vkey') AS key FROM spanledger.audit_records
         WHERE retention_class = 'ledger' AND seq = 0 AND JSONExtractString(payload, 'control', 'role') = 'control'
     ) AS openers
     INNER JOIN spanledger.audit_records AS records ON records.chain_id = openers.opened
     GROUP BY name ORDER BY name`,
  );
  return rows.map(({ chain_id, vkey, last }) => ({ chain_id, vkey, last: Number(last) }));
}
