import { NEVER_EXPIRES } from '../policy/retention.ts';
import { COLUMNS, RECORDED_AT, SAID } from './columns.ts';
import { REFERS } from './rows.ts';

/** Rows are judged clean or not by blocks of so many seqs. */
export const BLOCK_SEQS = 4_096;
/** Places under one node, unless their own hashes are asked for. */
export const GROUP_SEQS = 64;
export const GROUP_HEIGHT = 6;

/** Rows of one block: what the engine says of them. */
export interface Block {
  bytes: string;
  first: string;
  last: string;
  rows: string;
  clean_rows: string;
  prev: string;
  head: string;
  /** Of a clean block by groups, in order: its root, or the record hashes of its places; hex. */
  nodes: [group: string, is_root: number, hashes: string][];
  first_at: string;
  last_at: string;
  /** Of the rows: those recorded at a time that is one, and not before the row before. */
  timely: string;
  /** Of the groups asked for. */
  times: [seq: string, at: string][];
  intents: string;
  last_call: string;
  refers: string;
}

const AGREES = COLUMNS.map(({ stored, expected }) => `${stored} = ${expected}`).join(' AND ');
const STAYS = `toUnixTimestamp(purge_after) = ${NEVER_EXPIRES}`;
const ENTRY = `concat('\\0spanledger/entry/v1\\n', {ledger:String}, '\\n', chain_id, '\\n', toString(seq), '\\n', toString(toUnixTimestamp(expires_at)), '\\n', lower(hex(previous)), '\\n', lower(hex(payload_digest)), '\\n')`;
const IS_TIME = `translate(at, '123456789', '000000000') = '0000-00-00T00:00:00.000000Z'`;

/**
 * Each row: whether it hashes to its record_hash over the row before it, agrees with its columns and stays.
 *
 * @param where of the rows, the place before the first included, from which the first is linked.
 */
const rowsOf = (where: string) => `
SELECT chain_id, seq, record_hash, at, is_call, is_intent, refers, if(rn = 1, toFixedString('', 32), prev_hash) AS previous,
       live AND as_is AND isValidUTF8(chain_id) AND seq = if(rn = 1, 0, prev_seq + 1) AND record_hash = SHA256(${ENTRY}) AS clean,
       ${IS_TIME} AND at >= prev_at AS is_timely
FROM
(
    SELECT *, row_number() OVER w AS rn, lagInFrame(seq) OVER w AS prev_seq, lagInFrame(record_hash) OVER w AS prev_hash, lagInFrame(at) OVER w AS prev_at
    FROM
    (
        WITH ${SAID} AS said
        SELECT chain_id, seq, expires_at, record_hash, SHA256(payload) AS payload_digest, true AS live, ${AGREES} AND ${STAYS} AS as_is,
               ${RECORDED_AT} AS at, tupleElement(said, 'action') = 'tool_invoked' AS is_call, is_call AND tupleElement(said, 'phase') = 'intent' AS is_intent, ${REFERS} AS refers
        FROM spanledger.audit_records WHERE ${where}
        UNION ALL
        SELECT chain_id, seq, expires_at, record_hash, payload_digest, false, true, '', 0, 0, 0 FROM spanledger.audit_tombstones WHERE ${where}
    )
    WINDOW w AS (PARTITION BY chain_id ORDER BY seq, live DESC, record_hash, payload_digest, expires_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)`;

const ASKED = `({all:UInt8} = 1 OR intDiv(seq, ${GROUP_SEQS}) IN (SELECT arrayJoin({asked:Array(UInt64)})))`;
const SUMS =
  'g_rows, g_clean, g_prev, g_head, g_at, g_last_at, g_timely, g_times, g_intents, g_last_call, g_refers';
const GROUP = `chain_id, g, g_first, g_last, ${SUMS}`;

/** A group of one clean row a place, not asked for, goes up the tree; of any other the record hashes stay. */
const groupsOf = (rows: string, included: string) => `
SELECT ${GROUP}, g_rows = ${GROUP_SEQS} AND g_clean = ${GROUP_SEQS} AND NOT is_asked AS is_node, if(is_node, leaves, []) AS nodes, if(is_node OR g_clean != g_rows, [], leaves) AS hashes
FROM
(
    SELECT chain_id, intDiv(seq, ${GROUP_SEQS}) AS g, min(seq) AS g_first, max(seq) AS g_last, count() AS g_rows, countIf(clean) AS g_clean, argMin(previous, seq) AS g_prev, argMax(record_hash, seq) AS g_head,
           argMin(at, seq) AS g_at, argMax(at, seq) AS g_last_at, countIf(is_timely) AS g_timely, groupArrayIf((seq, at), is_in) AS g_times,
           countIf(is_intent) AS g_intents, maxIf(at, is_call) AS g_last_call, countIf(refers) AS g_refers,
           any(is_in) AS is_asked, arraySort((hash, place) -> place, groupArray(record_hash), groupArray(seq)) AS leaves
    FROM (SELECT *, ${ASKED} AS is_in FROM (${rows}) WHERE ${included})
    GROUP BY chain_id, g
)`;

/** RFC 6962: SHA-256(0x01 ‖ left ‖ right) of each pair. In a query of its own, or the engine writes out each level's text in the next. */
const levelOf = (groups: string) => `
SELECT ${GROUP}, hashes, arrayMap((l, r) -> SHA256(concat('\\x01', l, r)), arrayFilter((h, i) -> i % 2 = 1, below, arrayEnumerate(below)), arrayFilter((h, i) -> i % 2 = 0, below, arrayEnumerate(below))) AS nodes
FROM (SELECT ${GROUP}, hashes, nodes AS below FROM (${groups}))`;

/**
 * @param included of what was read: not the place before the first.
 * @param tree whether groups go up the tree, where not all of them are asked for: a longer query to prepare.
 */
export function blocks(where: string, included: string, tree: 'tree' | 'leaves'): string {
  let groups = groupsOf(rowsOf(where), included);
  for (let height = 0; tree === 'tree' && height < GROUP_HEIGHT; height++) groups = levelOf(groups);
  return `
SELECT lower(hex(chain_id)) AS bytes, intDiv(g, ${BLOCK_SEQS / GROUP_SEQS}) AS block, min(g_first) AS first, max(g_last) AS last, sum(g_rows) AS rows, sum(g_clean) AS clean_rows,
       lower(hex(argMin(g_prev, g_first))) AS prev, lower(hex(argMax(g_head, g_first))) AS head,
       if(clean_rows = rows, arraySort(groupArray((g, length(nodes) > 0, arrayStringConcat(arrayMap(h -> hex(h), arrayConcat(nodes, hashes)))))), []) AS nodes,
       argMin(g_at, g_first) AS first_at, argMax(g_last_at, g_first) AS last_at, sum(g_timely) AS timely, arraySort(groupArrayArray(g_times)) AS times,
       sum(g_intents) AS intents, max(g_last_call) AS last_call, sum(g_refers) AS refers
FROM (${groups})
GROUP BY chain_id, block ORDER BY chain_id, block SETTINGS query_plan_execute_functions_after_sorting = 0`;
}
