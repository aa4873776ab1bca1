import type { PolicyDocument } from '../../policy/document.ts';
import { type Places, union, without } from '../ranges.ts';
import {
  type ArchivingOptions,
  archivePartition,
  type Confirmation,
  closedPartitions,
  placesOf,
  unconfirmed,
} from './partition.ts';

/** What the ledger's own line says of archives, and where it is said. */
export interface ArchiveLine {
  /** Places by the digest of the manifest that has them. */
  confirmed(): Promise<ReadonlyMap<string, Places>>;
  /** Appends `archive_confirmed`. Durable, and in the store, when it resolves. */
  confirm(confirmation: Confirmation): Promise<void>;
}

/**
 * Copies what no archive has yet of every partition that is closed, and confirms each copy once it was read back. It goes on
 * from what the line and the folder hold, wherever it ended before; what comes late is copied by itself.
 *
 * @returns what was confirmed, in this order.
 * @throws SpanledgerError `archive_failed`: what was confirmed is, and nothing else
 */
export async function archiveClosed(
  options: ArchivingOptions & { document: PolicyDocument; line: ArchiveLine },
): Promise<Confirmation[]> {
  const { store, document, line, now } = options;
  const before = await line.confirmed();
  const done: Confirmation[] = [];
  for (const found of await unconfirmed(options, new Set(before.keys()))) {
    await line.confirm(found);
    done.push(found);
  }
  const archived = union(...before.values(), ...done.map(({ ranges }) => new Map(Object.entries(ranges))));
  for (const partition of await closedPartitions(store, document, now)) {
    const left = without(await placesOf(store, partition), archived);
    const confirmation = await archivePartition(options, partition, left);
    if (confirmation === undefined) continue;
    await line.confirm(confirmation);
    done.push(confirmation);
  }
  return done;
}
