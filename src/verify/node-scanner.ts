import type { Store } from '../store/client.ts';
import { readContents } from './contents.ts';
import {
  PAGE_RANGES,
  PAGE_ROWS,
  packed,
  planScan,
  readHeads,
  readPayloads,
  readReferences,
  readRows,
} from './rows.ts';
import type { Scanned, Scanner, Scope } from './scan.ts';

/** Reads every row: the judge hashes them all itself, and the engine is asked for nothing but its columns. */
export function nodeScanner(store: Store, scope: Scope = {}): Scanner {
  // In parts of a page: the engine sorts all it is asked for as often as it is asked for a page of it.
  const plan = planScan(store, PAGE_ROWS, scope);
  return {
    async total() {
      return (await plan).reduce((sum, part) => sum + part.rows, 0);
    },
    async *scan(): AsyncGenerator<Scanned> {
      const packs = packed(await plan, { rows: PAGE_ROWS, chains: PAGE_RANGES });
      for (const parts of packs) yield* readRows(store, parts);
    },
    payloads: (spans) => readPayloads(store, spans),
    references: (spans) => readReferences(store, spans),
    heads: (places) => readHeads(store, places),
    contents: (places) => readContents(store, places, 'here'),
  };
}
