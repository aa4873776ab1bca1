import type { PolicyDocument } from '../policy/document.ts';
import { classOf } from '../policy/retention.ts';
import { confirmedBy } from './confirmed.ts';
import { dueIn, partitionsDue } from './due.ts';
import { type Holder, heldNow } from './holding.ts';
import { placesOf } from './holds.ts';
import type { LawfulRecord, OwnLine } from './own-line.ts';
import type { Partition } from './places.ts';
import { count, inParts, type Places, union, within, without, written } from './ranges.ts';
import { bury } from './tombstones.ts';

/**
 * How records leave that have expired. Each step is durable before the next begins, and is found again in the ledger:
 *
 *   due, not held, confirmed in an archive ─▶ TOMBSTONES ─▶ records_expired ─▶ ledger CHECKPOINT, anchored ─▶ purge_after
 *
 * and with that the engine's own TTL removes them (purge.ts). Whoever comes after a crash sees which of these a record
 * has, and goes on from there.
 */

/** How many records are told of in one record of the line, and asked of holds, while the line is lent once. */
const PART = { places: 10_000, stretches: 2_000 };

export interface Expiring extends Holder {
  ledgerId: string;
  document: PolicyDocument;
  /** Unix seconds: what time it is taken to be. */
  asOf: number;
  /** Lends the line: nobody else appends while it is lent. */
  lend: <T>(work: (line: OwnLine) => Promise<T>) => Promise<T>;
  /** Hears of so many records more. */
  progress?: ((records: number) => void) | undefined;
}

/** What became of a partition: how many records. */
export interface PartitionRun extends Partition {
  /** They have expired, and would go. */
  due: number;
  /** Of those: on hold. */
  held: number;
  /** Of those: not yet in an archive, as their class must be. */
  unarchived: number;
  /** Of those: they do not hash. They stay, as the evidence. */
  unsound: number;
  /** The line says now that they expired. */
  expired: number;
  /** They have gone now. */
  purged: number;
}

/** Tells in the line what has expired, partition by partition. Nothing has gone yet. */
export async function expire(expiring: Expiring): Promise<PartitionRun[]> {
  const { store, asOf, document, lend } = expiring;
  const runs: PartitionRun[] = [];
  for (const partition of await partitionsDue(store, asOf, 'audit_records')) {
    const due = await dueIn(store, partition, asOf, document);
    const run = { ...partition, due: count(due), held: 0, unarchived: 0, unsound: 0, expired: 0, purged: 0 };
    runs.push(run);
    for (const part of inParts(due, PART)) {
      await lend((line) => expirePart(expiring, line, run, part));
      expiring.progress?.(count(part));
    }
  }
  return runs;
}

async function expirePart(expiring: Expiring, line: OwnLine, run: PartitionRun, part: Places): Promise<void> {
  const { store, ledgerId, records, asOf } = expiring;
  const { retention_class, month } = run;
  const chains = [...part.keys()];
  const { held } = await heldNow(expiring, line, { chains, partition: { retention_class, month } });
  const free = without(part, held);
  run.held += count(part) - count(free);
  const unsaid = without(free, union(...expiriesOf(records.all, chains).map(({ ranges }) => ranges)));
  for (const [archive, places] of byArchive(expiring, retention_class, unsaid)) {
    if (archive === undefined) {
      run.unarchived += count(places);
      continue;
    }
    if (expiring.isDry === true) {
      run.expired += count(places);
      continue;
    }
    const buried = await bury(store, { ledgerId, reason: 'expired', places });
    run.unsound += buried.unsound.length;
    if (buried.places.size === 0) continue;
    const ranges = written(buried.places);
    line.tell('records_expired', { ranges, class: retention_class, archive, as_of: asOf });
    run.expired += count(buried.places);
  }
}

/** With each the digest of the manifest that has them; `none` where the class needs none, undefined where it is missing. */
function byArchive(
  { records, document }: Pick<Expiring, 'records' | 'document'>,
  retention_class: string,
  places: Places,
): [archive: string | undefined, places: Places][] {
  const by: [string | undefined, Places][] = [];
  let left = places;
  for (const [manifest, confirmed] of confirmedBy(records.all, retention_class)) {
    const there = within(left, confirmed);
    if (there.size > 0) by.push([manifest, there]);
    left = without(left, there);
  }
  const isRequired = classOf(document, retention_class).archive === 'required';
  if (left.size > 0) by.push([isRequired ? undefined : 'none', left]);
  return by;
}

/** What `records_expired` of the line say of some chains. */
export function expiriesOf(
  records: readonly LawfulRecord[],
  chains: readonly string[],
): { id: string; ranges: Places }[] {
  const wanted = new Set(chains);
  return records
    .filter(({ action }) => action === 'records_expired')
    .map(({ id, control }) => ({
      id,
      ranges: new Map([...placesOf(control.ranges)].filter(([chain]) => wanted.has(chain))),
    }));
}
