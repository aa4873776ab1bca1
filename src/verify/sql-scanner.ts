import { NEVER_EXPIRES } from '../policy/retention.ts';
import type { Store } from '../store/client.ts';
import { COLUMNS } from './columns.ts';
import { readContents } from './contents.ts';
import {
  anyOf,
  type Part,
  packed,
  planScan,
  type Range,
  readHeads,
  readMarks,
  readPayloads,
  readRows,
} from './rows.ts';
import type { Scanned, Scanner, Scope, Stretch } from './scan.ts';

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
export function sqlScanner(store: Store, ledgerId: string, scope: Scope = {}): Scanner {
  const plan = planScan(store, PART_SEQS, scope);
  return {
    async total() {
      return (await plan).reduce((sum, part) => sum + part.rows, 0);
    },
    async *scan(): AsyncGenerator<Scanned> {
      const packs = packed(await plan, { rows: PART_SEQS, chains: PACKED_CHAINS });
      for (const parts of packs) yield* scanParts(store, ledgerId, parts);
    },
    payloads: (stretches: readonly Stretch[]) => readPayloads(store, stretches),
    heads: (places) => readHeads(store, places),
    contents: (places) => readContents(store, places, 'engine'),
  };
}

const AGREES = COLUMNS.map(({ stored, expected }) => `${stored} = ${expected}`).join(' AND ');
const STAYS = `toUnixTimestamp(purge_after) = ${NEVER_EXPIRES}`;
const ENTRY = `concat('\\0spanledger/entry/v1\\n', {ledger:String}, '\\n', chain_id, '\\n', toString(seq), '\\n', toString(toUnixTimestamp(expires_at)), '\\n', lower(hex(previous)), '\\n', lower(hex(payload_digest)), '\\n')`;

/**
 * @param where of the rows, the place before the first included, from which the first is linked.
 * @param included of what was read: not that place before.
 */
const blocks = (where: string, included: string) => `
SELECT lower(hex(chain_id)) AS bytes, intDiv(seq, ${BLOCK_SEQS}) AS block, min(seq) AS first, max(seq) AS last, count() AS rows, countIf(clean) AS clean_rows,
       lower(hex(argMin(previous, seq))) AS prev, lower(hex(argMax(record_hash, seq))) AS head,
       if(clean_rows = rows, arrayStringConcat(arrayMap(each -> hex(each.2), arraySort(groupArray((seq, record_hash))))), '') AS hashes
FROM
(
    SELECT chain_id, seq, record_hash, if(rn = 1, toFixedString('', 32), prev_hash) AS previous,
           live AND as_is AND isValidUTF8(chain_id) AND seq = if(rn = 1, 0, prev_seq + 1) AND record_hash = SHA256(${ENTRY}) AS clean
    FROM
    (
        SELECT *, row_number() OVER w AS rn, lagInFrame(seq) OVER w AS prev_seq, lagInFrame(record_hash) OVER w AS prev_hash
        FROM
        (
            SELECT chain_id, seq, expires_at, record_hash, SHA256(payload) AS payload_digest, true AS live, ${AGREES} AND ${STAYS} AS as_is
            FROM spanledger.audit_records WHERE ${where}
            UNION ALL
            SELECT chain_id, seq, expires_at, record_hash, payload_digest, false, true FROM spanledger.audit_tombstones WHERE ${where}
        )
        WINDOW w AS (PARTITION BY chain_id ORDER BY seq, live DESC, record_hash, payload_digest, expires_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
)
WHERE ${included}
GROUP BY chain_id, block ORDER BY chain_id, block SETTINGS query_plan_execute_functions_after_sorting = 0`;

const ONE_PART = blocks(
  'chain_id = unhex({chain:String}) AND seq BETWEEN {before:UInt64} AND {to:UInt64}',
  'seq >= {from:UInt64}',
);
const MANY_CHAINS = blocks('chain_id IN (SELECT unhex(arrayJoin({chains:Array(String)})))', '1');
const manyEnds = (parts: readonly Part[]) =>
  blocks(
    anyOf(parts.map((part) => ({ ...part, from: beforeOf(part) }))),
    'seq >= transform(lower(hex(chain_id)), {chains:Array(String)}, {from:Array(UInt64)}, toUInt64(0))',
  );

function beforeOf({ from }: Range): bigint {
  return from === 0n ? 0n : from - 1n;
}

interface Block {
  bytes: string;
  first: string;
  last: string;
  rows: string;
  clean_rows: string;
  prev: string;
  head: string;
  /** Of a clean block. */
  hashes: string;
}

async function* scanParts(store: Store, ledger: string, parts: readonly Part[]): AsyncGenerator<Scanned> {
  const names = new Map(parts.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  const blocks = await blocksOf(store, ledger, parts);
  const marks = await readMarks(store, parts);
  let mark = 0;
  for (const { bytes, first, last, rows, clean_rows, prev, head, hashes } of blocks) {
    const range = { chainId: names.get(bytes)!, chainBytes: bytes, from: BigInt(first), to: BigInt(last) };
    const { chainId, from, to } = range;
    const begin = mark;
    while (marks[mark]?.chainId === chainId && marks[mark]!.seq <= to) mark++;
    const clean = clean_rows === rows && to - from + 1n === BigInt(rows);
    if (clean)
      yield {
        what: 'stretch',
        chainId,
        from,
        to,
        prev,
        last: head,
        hashes: Buffer.from(hashes, 'hex'),
        marks: marks.slice(begin, mark),
      };
    else yield* readRows(store, [range]);
  }
}

function blocksOf(store: Store, ledger: string, parts: readonly Part[]): Promise<Block[]> {
  const chains = parts.map(({ chainBytes }) => chainBytes);
  const from = parts.map((part) => part.from);
  const [part] = parts;
  if (parts.length === 1) {
    const { to } = part!;
    return store.query(ONE_PART, { ledger, chain: chains[0], before: beforeOf(part!), from: from[0], to });
  }
  if (from.some((each) => each > 0n)) return store.query(manyEnds(parts), { ledger, chains, from });
  return store.query(MANY_CHAINS, { ledger, chains });
}
