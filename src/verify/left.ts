import { LEDGER_CLASS } from '../policy/retention.ts';
import type { Store } from '../store/client.ts';
import type { LineRecord } from './line-records.ts';
import { bytesOfName, CHAIN_NAME } from './rows.ts';

/** What should have left, and is still there. */
export interface Left {
  /** Places of records that are said to be erased, of which the vault has a content: `chain_id:seq`. */
  contents: ReadonlySet<string>;
  overdue: readonly Overdue[];
}

/** Records of one chain that expired long ago, and that nothing holds. */
export interface Overdue {
  chainId: string;
  records: number;
  /** Seqs of the first and the last of them: others may stand between. */
  first: bigint;
  last: bigint;
}

export const NOTHING_LEFT: Left = { contents: new Set(), overdue: [] };

/**
 * A partition goes as a whole, when the last of its month has expired, and retention has its time to archive it: so many
 * seconds after its own expiry a record is overdue.
 */
const OVERDUE_SECONDS = 45 * 86_400;
const PLACES_AT_ONCE = 500;

const CONTENTS = `
SELECT DISTINCT ${CHAIN_NAME} AS name, seq FROM spanledger.audit_content
WHERE (chain_id, seq) IN (SELECT unhex(place.1), place.2 FROM (SELECT arrayJoin(arrayZip({chains:Array(String)}, {seqs:Array(UInt64)})) AS place))`;
const overdue = (where: string) => `
SELECT ${CHAIN_NAME} AS name, uniqExact(seq) AS records, min(seq) AS first, max(seq) AS last FROM spanledger.audit_records
WHERE retention_class != '${LEDGER_CLASS}' AND expires_at < {limit:UInt32} AND ${where} GROUP BY chain_id ORDER BY chain_id`;
const UNHELD = `chain_id = unhex({chain:String}) AND NOT arrayExists((first, last) -> seq >= first AND seq <= last, {from:Array(UInt64)}, {to:Array(UInt64)})`;

/**
 * Asks for what should be gone by what control chains say, before it is known what of that counts.
 *
 * @param asOf Unix seconds
 */
export async function readLeft(store: Store, records: readonly LineRecord[], asOf: number): Promise<Left> {
  return { contents: await contentsLeft(store, records), overdue: await overdueIn(store, records, asOf) };
}

async function contentsLeft(store: Store, records: readonly LineRecord[]): Promise<Set<string>> {
  const erased = records.flatMap((record) => (record.kind === 'erased' ? record.erased : []));
  const left = new Set<string>();
  for (let i = 0; i < erased.length; i += PLACES_AT_ONCE) {
    const page = erased.slice(i, i + PLACES_AT_ONCE);
    const chains = page.map(({ chainId }) => bytesOfName(chainId));
    const seqs = page.map(({ seq }) => seq);
    for (const { name, seq } of await store.query<{ name: string; seq: string }>(CONTENTS, { chains, seqs }))
      left.add(`${name}:${seq}`);
  }
  return left;
}

interface OverdueRow {
  name: string;
  records: string;
  first: string;
  last: string;
}

async function overdueIn(store: Store, records: readonly LineRecord[], asOf: number): Promise<Overdue[]> {
  const limit = Math.max(0, Math.floor(asOf) - OVERDUE_SECONDS);
  const released = new Set(records.map((record) => (record.kind === 'released' ? record.holdId : undefined)));
  const held = new Map<string, (readonly [number, number])[]>();
  for (const record of records)
    if (record.kind === 'held' && !released.has(record.hold.hold_id))
      for (const [chainId, ranges] of record.hold.covers)
        held.set(chainId, [...(held.get(chainId) ?? []), ...ranges]);
  const found: Overdue[] = [];
  for (const row of await store.query<OverdueRow>(overdue('1'), { limit })) {
    const ranges = held.get(row.name);
    const rows =
      ranges === undefined
        ? [row]
        : await store.query<OverdueRow>(overdue(UNHELD), {
            limit,
            chain: bytesOfName(row.name),
            from: ranges.map(([first]) => first),
            to: ranges.map(([, last]) => last),
          });
    for (const each of rows)
      found.push({
        chainId: each.name,
        records: Number(each.records),
        first: BigInt(each.first),
        last: BigInt(each.last),
      });
  }
  return found;
}
