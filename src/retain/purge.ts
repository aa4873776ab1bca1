import { classOf } from '../policy/retention.ts';
import { confirmedBy } from './confirmed.ts';
import { contentsDueIn, partitionsDue, placesIn } from './due.ts';
import { type Expiring, expiriesOf } from './expiry.ts';
import { heldNow } from './holding.ts';
import type { OwnLine } from './own-line.ts';
import { conditionOf, type Partition, quoted, STATEMENT, type Table } from './places.ts';
import { count, inParts, type Places, type Stretches, union, within, without } from './ranges.ts';
import { bury } from './tombstones.ts';

/** What goes from a partition. */
interface Leaving {
  partition: Partition;
  places: Places;
  /** All that the partition has. */
  there: Places;
}

/**
 * Starts the TTL's clock of records that the line says have expired, where a checkpoint of the ledger covers that and every
 * anchor has it. Each has its tombstone, which is compared once more, and none is held. The engine removes them before
 * the statement returns.
 *
 * @returns how many records have gone, by the partition's name
 */
export async function purge(expiring: Expiring): Promise<Map<string, number>> {
  const { store, asOf, lend } = expiring;
  const partitions = await partitionsDue(store, asOf, 'audit_records');
  return lend(async (line) => {
    const leaving: Leaving[] = [];
    for (const partition of partitions) leaving.push(await expiredIn(expiring, line, partition));
    return letGo(expiring, 'audit_records', leaving);
  });
}

export function nameOf({ retention_class, month }: Partition): string {
  return `${retention_class}/${month}`;
}

async function expiredIn(expiring: Expiring, line: OwnLine, partition: Partition): Promise<Leaving> {
  const { store, ledgerId, records } = expiring;
  await records.refresh(line);
  const there = await placesIn(store, partition, 'audit_records');
  const told = expiriesOf(records.all, [...there.keys()]).filter(({ id }) => line.isCovered(id));
  const expired = within(there, union(...told.map(({ ranges }) => ranges)));
  if (expired.size === 0) return { partition, places: expired, there };
  const { held } = await heldNow(expiring, line, { chains: [...expired.keys()], partition });
  const free = without(expired, held);
  const { places } = await bury(store, { ledgerId, reason: 'expired', places: free });
  return { partition, places, there };
}

/** Contents that have expired, with their records or before them. A hold on a record is one on what was said in it. */
export async function purgeContents(expiring: Expiring): Promise<number> {
  const { store, asOf, document, lend } = expiring;
  const partitions = await partitionsDue(store, asOf, 'audit_content');
  const gone = await lend(async (line) => {
    const leaving: Leaving[] = [];
    for (const partition of partitions) {
      const due = await contentsDueIn(store, partition, asOf, document);
      if (due.size === 0) continue;
      const { held } = await heldNow(expiring, line, { chains: [...due.keys()] });
      const places = archivedOf(expiring, partition.retention_class, without(due, held));
      leaving.push({ partition, places, there: await placesIn(store, partition, 'audit_content') });
    }
    return letGo(expiring, 'audit_content', leaving);
  });
  return [...gone.values()].reduce((sum, each) => sum + each, 0);
}

/** Those that may go without an archive, or whose records are in one. */
function archivedOf({ document, records }: Expiring, retention_class: string, places: Places): Places {
  if (classOf(document, retention_class).archive === 'none') return places;
  return within(places, union(...confirmedBy(records.all).values()));
}

/** How many stretches one statement names at most. */
const MAX_STRETCHES = STATEMENT.stretches;

/**
 * By the statement that the schema watch knows, of many partitions in one: for each mutation the engine makes every part of
 * the table anew, if only by links.
 */
async function letGo(
  { store, asOf, progress }: Expiring,
  table: Table,
  leaving: readonly Leaving[],
): Promise<Map<string, number>> {
  let commands: string[] = [];
  let stretches = 0;
  const alter = async () => {
    if (commands.length > 0)
      await store.command(
        `ALTER TABLE spanledger.${table} ${commands.join(', ')} SETTINGS mutations_sync = 2`,
      );
    commands = [];
    stretches = 0;
  };
  for (const { partition, places, there } of leaving)
    for (const part of inParts(spanning(places, without(there, places)), STATEMENT)) {
      const more = [...part.values()].reduce((sum, each) => sum + each.length, 0);
      if (stretches + more > MAX_STRETCHES) await alter();
      stretches += more;
      const { retention_class, month } = partition;
      commands.push(
        `UPDATE purge_after = expires_at IN PARTITION (${quoted(retention_class)}, ${month}) WHERE expires_at <= toDateTime(${asOf}, 'UTC') AND (${conditionOf(part)})`,
      );
    }
  await alter();
  const gone = new Map<string, number>();
  for (const { partition, places } of leaving) {
    if (places.size === 0) continue;
    const left = within(places, await placesIn(store, partition, table));
    gone.set(nameOf(partition), count(places) - count(left));
    progress?.(count(places));
  }
  return gone;
}

/** Stretches that reach over what is not there, and over nothing that stays. */
export function spanning(places: Places, staying: Places): Places {
  const by = new Map<string, Stretches>();
  for (const [chain, stretches] of places) {
    const stays = staying.get(chain) ?? [];
    const wide: [number, number][] = [];
    let at = 0;
    for (const [first, last] of stretches) {
      const before = wide.at(-1);
      while (at < stays.length && stays[at]![1] < (before?.[1] ?? 0)) at++;
      const isFree = at >= stays.length || stays[at]![0] > first;
      if (before !== undefined && isFree) before[1] = last;
      else wide.push([first, last]);
    }
    by.set(chain, wide);
  }
  return by;
}
