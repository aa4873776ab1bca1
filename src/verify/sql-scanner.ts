import type { Store } from '../store/client.ts';
import { COLUMNS } from './columns.ts';
import { readContents } from './contents.ts';
import { packed, planScan, type Range, readPayloads, readRows } from './rows.ts';
import type { Scanned, Scanner, Stretch } from './scan.ts';

/** One query scans so many seqs of one chain, or so many rows of small ones: it bounds the engine's memory. */
const PART_SEQS = 250_000;
const PACKED_CHAINS = 500;
/** Rows are judged clean or not by blocks of so many seqs. */
const BLOCK_SEQS = 4_096;

/**
 * Hashes in the engine: rows in parallel, one window pass for the links. Blocks in which nothing is amiss are
 * stretches; of the others the judge gets every row. Being clean here is never less than being clean to the
 * judge.
 */
export function sqlScanner(store: Store, ledgerId: string, chains: readonly string[] | undefined): Scanner {
  const plan = planScan(store, PART_SEQS, chains);
  return {
    async total() {
      return (await plan).reduce((sum, part) => sum + part.rows, 0);
    },
    async *scan(): AsyncGenerator<Scanned> {
      const packs = packed(await plan, { rows: PART_SEQS, chains: PACKED_CHAINS });
      for (const parts of packs) yield* scanParts(store, ledgerId, parts);
    },
    payloads: (stretches: readonly Stretch[]) => readPayloads(store, stretches),
    contents: (places) => readContents(store, places, 'engine'),
  };
}

const DERIVED = COLUMNS.map(({ stored, expected }) => `${stored} = ${expected}`).join(' AND ');
const ENTRY = `concat('\\0spanledger/entry/v1\\n', {ledger:String}, '\\n', chain_id, '\\n', toString(seq), '\\n', toString(toUnixTimestamp(expires_at)), '\\n', lower(hex(previous)), '\\n', lower(hex(payload_digest)), '\\n')`;

/** @param where of the rows, the place before the first included, from which the first is linked. */
const blocks = (where: string) => `
SELECT lower(hex(chain_id)) AS bytes, intDiv(seq, ${BLOCK_SEQS}) AS block, min(seq) AS first, max(seq) AS last, count() AS rows, countIf(clean) AS clean_rows,
       lower(hex(argMin(previous, seq))) AS prev, lower(hex(argMax(record_hash, seq))) AS head
FROM
(
    SELECT chain_id, seq, record_hash, if(rn = 1, toFixedString('', 32), prev_hash) AS previous,
           live AND derived AND isValidUTF8(chain_id) AND seq = if(rn = 1, 0, prev_seq + 1) AND record_hash = SHA256(${ENTRY}) AS clean
    FROM
    (
        SELECT *, row_number() OVER w AS rn, lagInFrame(seq) OVER w AS prev_seq, lagInFrame(record_hash) OVER w AS prev_hash
        FROM
        (
            SELECT chain_id, seq, expires_at, record_hash, SHA256(payload) AS payload_digest, true AS live, ${DERIVED} AS derived
            FROM spanledger.audit_records WHERE ${where}
            UNION ALL
            SELECT chain_id, seq, expires_at, record_hash, payload_digest, false, true FROM spanledger.audit_tombstones WHERE ${where}
        )
        WINDOW w AS (PARTITION BY chain_id ORDER BY seq, live DESC, record_hash, payload_digest, expires_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
)
WHERE seq >= {from:UInt64}
GROUP BY chain_id, block ORDER BY chain_id, block SETTINGS query_plan_execute_functions_after_sorting = 0`;

const ONE_PART = blocks('chain_id = unhex({chain:String}) AND seq BETWEEN {before:UInt64} AND {to:UInt64}');
const MANY_CHAINS = blocks('chain_id IN (SELECT unhex(arrayJoin({chains:Array(String)})))');

interface Block {
  bytes: string;
  first: string;
  last: string;
  rows: string;
  clean_rows: string;
  prev: string;
  head: string;
}

async function* scanParts(store: Store, ledger: string, parts: readonly Range[]): AsyncGenerator<Scanned> {
  const [part] = parts;
  const found =
    parts.length === 1
      ? await store.query<Block>(ONE_PART, {
          ledger,
          chain: part!.chainBytes,
          before: (part!.from === 0n ? 0n : part!.from - 1n).toString(),
          from: part!.from.toString(),
          to: part!.to.toString(),
        })
      : await store.query<Block>(MANY_CHAINS, {
          ledger,
          chains: parts.map(({ chainBytes }) => chainBytes),
          from: 0,
        });
  const names = new Map(parts.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  for (const { bytes, first, last, rows, clean_rows, prev, head } of found) {
    const range = { chainId: names.get(bytes)!, chainBytes: bytes, from: BigInt(first), to: BigInt(last) };
    const { chainId, from, to } = range;
    const clean = clean_rows === rows && to - from + 1n === BigInt(rows);
    if (clean) yield { what: 'stretch', chainId, from, to, prev, last: head };
    else yield* readRows(store, [range]);
  }
}
