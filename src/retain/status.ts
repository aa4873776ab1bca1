import { LEDGER_CLASS } from '../policy/retention.ts';
import type { Store } from '../store/client.ts';
import { confirmedBy } from './confirmed.ts';
import { heldBy, holdsIn, inForce } from './holds.ts';
import type { LawfulRecord } from './own-line.ts';
import { conditionOf, type Partition, STATEMENT } from './places.ts';
import { inParts, type Places, union } from './ranges.ts';

/** Of a partition: how many of its records. */
export interface PartitionStatus extends Partition {
  records: number;
  /** When the first and the last of them happened, RFC 3339. */
  oldest: string;
  newest: string;
  /** They have expired. */
  due: number;
  held: number;
  /** They are in an archive that was read back. */
  archived: number;
  /** They expired more than two runs ago, and are not on hold. */
  overdue: number;
  /** When the first of them expires, or has. */
  expires: string;
}

export interface RetentionStatus {
  as_of: string;
  /** RFC 3339; null before the first, and where none is planned. */
  last_run: string | null;
  next_run: string | null;
  holds: number;
  partitions: PartitionStatus[];
}

const DAY_SECONDS = 86_400;

const COUNTS = `toString(retention_class) AS class, toString(toYYYYMM(expires_at)) AS month, toString(count()) AS records,
  toString(countIf(expires_at <= toDateTime({now:UInt32}, 'UTC'))) AS due, toString(countIf(expires_at <= toDateTime({late:UInt32}, 'UTC'))) AS late`;
const TIMES = `toString(toUnixTimestamp64Milli(toDateTime64(min(occurred_at), 3, 'UTC'))) AS oldest, toString(toUnixTimestamp64Milli(toDateTime64(max(occurred_at), 3, 'UTC'))) AS newest, toString(toUnixTimestamp(min(expires_at))) AS expires`;

interface Counted {
  class: string;
  month: string;
  records: string;
  due: string;
  late: string;
}

/** @param now Unix seconds, as `lastRun`, which is 0 where there was none; `every` is undefined where none is planned. */
export async function statusOf(
  store: Store,
  records: readonly LawfulRecord[],
  { now, lastRun, every }: { now: number; lastRun: number; every: number | undefined },
): Promise<RetentionStatus> {
  const parameters = { now, late: now - 2 * (every ?? DAY_SECONDS) };
  const all = await store.query<Counted & { oldest: string; newest: string; expires: string }>(
    `SELECT ${COUNTS}, ${TIMES} FROM spanledger.audit_records WHERE retention_class != '${LEDGER_CLASS}' GROUP BY class, month ORDER BY class, month`,
    parameters,
  );
  const holds = inForce(holdsIn(records));
  const held = await countsAt(store, heldBy(holds), parameters);
  const archived = await countsAt(store, union(...confirmedBy(records).values()), parameters);
  const timeOf = (seconds: number) => new Date(seconds * 1_000).toISOString();
  return {
    as_of: timeOf(now),
    last_run: lastRun === 0 ? null : timeOf(lastRun),
    next_run: every === undefined ? null : timeOf(Math.max(now, lastRun + every)),
    holds: holds.length,
    partitions: all.map((row) => {
      const name = `${row.class}/${row.month}`;
      return {
        retention_class: row.class,
        month: Number(row.month),
        records: Number(row.records),
        oldest: timeOf(Number(row.oldest) / 1_000),
        newest: timeOf(Number(row.newest) / 1_000),
        due: Number(row.due),
        held: held.get(name)?.records ?? 0,
        archived: archived.get(name)?.records ?? 0,
        overdue: Number(row.late) - (held.get(name)?.late ?? 0),
        expires: timeOf(Number(row.expires)),
      };
    }),
  };
}

/** By partition, how many records stand at some places, and how many of those expired long ago. */
async function countsAt(
  store: Store,
  places: Places,
  parameters: { now: number; late: number },
): Promise<Map<string, { records: number; late: number }>> {
  const counts = new Map<string, { records: number; late: number }>();
  for (const part of inParts(places, STATEMENT)) {
    const rows = await store.query<Counted>(
      `SELECT ${COUNTS} FROM spanledger.audit_records WHERE retention_class != '${LEDGER_CLASS}' AND (${conditionOf(part)}) GROUP BY class, month`,
      parameters,
    );
    for (const row of rows) {
      const name = `${row.class}/${row.month}`;
      const before = counts.get(name) ?? { records: 0, late: 0 };
      counts.set(name, {
        records: before.records + Number(row.records),
        late: before.late + Number(row.late),
      });
    }
  }
  return counts;
}

/** How many records stand at some places, those of the ledger about itself aside. */
export async function recordsAt(store: Store, places: Places): Promise<number> {
  const counts = await countsAt(store, places, { now: 0, late: 0 });
  return [...counts.values()].reduce((sum, { records }) => sum + records, 0);
}
