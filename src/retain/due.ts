import type { PolicyDocument } from '../policy/document.ts';
import { classOf, LEDGER_CLASS } from '../policy/retention.ts';
import type { Store } from '../store/client.ts';
import { IN_PARTITION, type Partition, placesWhere, type Table } from './places.ts';
import type { Places } from './ranges.ts';

/** Partitions in which something has expired by `asOf`, Unix seconds; never of class `ledger`. */
export async function partitionsDue(store: Store, asOf: number, table: Table): Promise<Partition[]> {
  const rows = await store.query<{ class: string; month: string }>(
    `SELECT toString(retention_class) AS class, toString(toYYYYMM(expires_at)) AS month FROM spanledger.${table}
     WHERE expires_at <= toDateTime({asOf:UInt32}, 'UTC') AND retention_class != '${LEDGER_CLASS}'
     GROUP BY class, month ORDER BY class, month`,
    { asOf },
  );
  return rows.map((row) => ({ retention_class: row.class, month: Number(row.month) }));
}

/**
 * Records of a partition that may go: they have expired, and of the days that the policy gives their class now, without its
 * grace, whole years have passed by the calendar, be they leap years or not.
 */
export function dueIn(
  store: Store,
  { retention_class, month }: Partition,
  asOf: number,
  document: PolicyDocument,
): Promise<Places> {
  const { days } = classOf(document, retention_class);
  return placesWhere(
    store,
    `${IN_PARTITION} AND expires_at <= toDateTime({asOf:UInt32}, 'UTC') AND ${anniversary(RECORDED)} <= toDateTime({asOf:UInt32}, 'UTC')`,
    { class: retention_class, month, asOf, ...anniversaryOf(days) },
  );
}

const RECORDED = `parseDateTimeBestEffortOrZero(JSONExtractString(payload, 'recorded_at'), 'UTC')`;

/** A 29th of February has its anniversary on the 1st of March. */
function anniversary(recorded: string): string {
  return `addDays(addYears(${recorded}, {years:Int64}), {days:Int64} + (toMonth(${recorded}) = 2 AND toDayOfMonth(${recorded}) = 29))`;
}

function anniversaryOf(days: number): { years: number; days: number } {
  return { years: Math.floor(days / 365), days: days % 365 };
}

/** All rows of a partition. */
export function placesIn(store: Store, { retention_class, month }: Partition, table: Table): Promise<Places> {
  return placesWhere(store, IN_PARTITION, { class: retention_class, month }, table);
}

/**
 * Contents of a partition that may go, by the places of their records. They do not say when they were recorded: so long
 * before they expire as the policy keeps them.
 */
export function contentsDueIn(
  store: Store,
  { retention_class, month }: Partition,
  asOf: number,
  document: PolicyDocument,
): Promise<Places> {
  const { days } = classOf(document, retention_class);
  const kept = days + document.retention.grace_days;
  return placesWhere(
    store,
    `${IN_PARTITION} AND expires_at <= toDateTime({asOf:UInt32}, 'UTC') AND ${anniversary('subtractDays(expires_at, {kept:Int64})')} <= toDateTime({asOf:UInt32}, 'UTC')`,
    { class: retention_class, month, asOf, kept, ...anniversaryOf(days) },
    'audit_content',
  );
}
