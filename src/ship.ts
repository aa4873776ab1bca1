import type { SealedRecord, StoppedChain } from './chain/seal.ts';
import { BATCH, type Journal, type Shipped } from './journal/journal.ts';
import type { Writer } from './pipeline.ts';
import type { AuditRecord } from './record/record.ts';
import { type Batch, batchesOf, Gathering } from './target/batch.ts';
import { type Delivered, notStanding, type Place, type Target } from './target/target.ts';

export interface Shipment {
  /** Confirmed by the store. */
  records: number;
  /** Confirmed once, gone from the store since, and sent again from what the journal's log still holds. */
  again: number;
  /**
   * Chains of which the store held something else, or nothing, where a record of ours must stand. Each is in the
   * ledger as `fork_detected`.
   */
  stopped: StoppedChain[];
}

/**
 * Carries what is durable in a journal to its target, until nothing is left. Whoever holds the journal's lock
 * runs it: the writer itself, an heir that took the journal over, or a command. Recovery is this same function.
 *
 *   is what was confirmed still there? ─▶ send what is missing ─▶ read back ─▶ mark as shipped (then the log may go)
 *
 * @throws SpanledgerError `store_unreachable`, `store_failed`, `relay_refused`: nothing is lost, the next call goes on.
 */
export async function ship(
  writer: Writer,
  target: Target,
  progress: (records: number) => void = () => {},
): Promise<Shipment> {
  const { journal } = writer;
  const shipment: Shipment = { records: 0, again: 0, stopped: [] };
  /** Hash of the last record known to stand in the store: what links to it needs no look at its place. */
  let standing = await lookBack(writer, target, shipment);
  // The batch before was new to the store, so that nothing after it can be there. After a start it is not known.
  let certain = false;
  for (;;) {
    await journal.flush();
    const next = nextBatch(journal);
    if (next === undefined) return shipment;
    const { batch, end } = next;
    if (batch[0].seq === 0 && !certain) await lookAside(writer, target, batch[0], shipment);
    const linked = batch[0].seq === 0 || batch[0].prevHash === standing;
    const unlinked = linked ? undefined : await notStanding(target, placeBefore(batch[0])!);
    const { added, stopped }: Delivered =
      unlinked === undefined ? await send(journal, target, batch, certain) : { added: 0, stopped: unlinked };
    if (stopped !== undefined) {
      shipment.stopped.push(stopped);
      await writer.supersede(stopped);
      standing = undefined;
      certain = false;
      continue;
    }
    journal.markShipped(end);
    if (journal.isUntidy) await journal.tidy();
    shipment.records += batch.length;
    standing = end.head;
    // A journal put back to an older state finds all of a batch there, and may the next one too.
    certain = added === batch.length;
    progress(shipment.records);
  }
}

/** The oldest records not confirmed: of one chain, in as many partitions, rows and bytes as one insert may have. */
function nextBatch(journal: Journal): { batch: Batch; end: Shipped } | undefined {
  const begun = journal.get(BATCH) as { first: number; rows: number } | null | undefined;
  const gathering = new Gathering();
  let end: Shipped | undefined;
  for (const each of journal.unshipped()) {
    const { records } = gathering;
    if (begun?.first === records[0]?.seq && begun?.rows === records.length) break;
    if (!gathering.take(each.record)) break;
    end = each.end;
  }
  return end === undefined ? undefined : { batch: gathering.batch!, end };
}

/** What the record links to: of a chain's first, the end of the chain before it in its journal. */
function placeBefore({ chainId, seq, prevHash, payload }: SealedRecord): Place | undefined {
  if (seq > 0) return { chainId, seq: seq - 1, expected: prevHash };
  const { control } = JSON.parse(payload) as AuditRecord;
  const before = control?.predecessor as { chain_id: string; size: number; head: string } | undefined;
  return before && { chainId: before.chain_id, seq: before.size - 1, expected: before.head };
}

/** What was found gone, and whether the ledger says so yet: no crash in between leaves it untold. */
const GONE = 'state|gone';
interface Gone {
  stopped: StoppedChain;
  told: boolean;
}

/**
 * What the store has confirmed must still be there: it may have been put back to an older state, made anew, or
 * be another store. What the journal's log still holds is sent again; what only the store had is lost, and a
 * record says so, once.
 *
 * @returns the hash of the last record confirmed, if it stands.
 */
async function lookBack(writer: Writer, target: Target, shipment: Shipment): Promise<string | undefined> {
  const { journal } = writer;
  const { chainId, size, head } = journal.shipped;
  if (chainId === undefined) return undefined;
  const amiss = await notStanding(target, { chainId, seq: size! - 1, expected: head! });
  if (amiss !== undefined) await restore(journal, target, shipment, amiss);
  const wasTold = await tellGone(writer, shipment);
  return amiss === undefined && !wasTold ? head : undefined;
}

/**
 * Where a chain of ours begins, the one before it has ended. If it goes on in the store, this journal is an older
 * state of itself, put back, and what it did since, it has forgotten: a fork, told once.
 */
async function lookAside(
  writer: Writer,
  target: Target,
  first: SealedRecord,
  shipment: Shipment,
): Promise<void> {
  const last = placeBefore(first);
  if (last === undefined) return;
  const { chainId } = last;
  const seq = last.seq + 1;
  const found = await target.standing(chainId, seq);
  if (found.length === 0 || confirmedIn(writer.journal).isKnown({ chainId, seq, expected: '' })) return;
  await noteGone(writer.journal, { chainId, kind: 'fork', seq, expected: '', found });
  await tellGone(writer, shipment);
}

/** True where it had not been told. */
async function tellGone(writer: Writer, shipment: Shipment): Promise<boolean> {
  const { journal } = writer;
  const gone = journal.get(GONE) as Gone | undefined;
  if (gone?.told !== false) return false;
  await writer.supersede(gone.stopped);
  journal.transact((transaction) => transaction.set(GONE, { ...gone, told: true }));
  shipment.stopped.push(gone.stopped);
  return true;
}

async function restore(
  journal: Journal,
  target: Target,
  shipment: Shipment,
  amiss: StoppedChain,
): Promise<void> {
  const { records, before, isKnown } = confirmedIn(journal);
  // Another's record is never written over. Nor is it silent that nothing is left to send.
  if (amiss.kind === 'fork' || records.length === 0) return noteGone(journal, amiss);
  // First, since afterwards all looks well: what the oldest of them links to has gone from the log.
  const lost = before === undefined || isKnown(before) ? undefined : await notStanding(target, before);
  if (lost !== undefined) await noteGone(journal, lost);
  for (const batch of batchesOf(records)) {
    const { added, stopped } = await target.deliver(batch, 'restored');
    if (stopped !== undefined) await noteGone(journal, stopped);
    shipment.again += added;
  }
}

/** Durable before anything is sent again. Of two at once the first is told; of the other the verifier knows. */
async function noteGone(journal: Journal, stopped: StoppedChain): Promise<void> {
  const known = journal.get(GONE) as Gone | undefined;
  const isSamePlace = known?.stopped.chainId === stopped.chainId && known.stopped.seq === stopped.seq;
  if (isSamePlace || known?.told === false) return;
  journal.transact((transaction) => transaction.set(GONE, { stopped, told: false }));
  await journal.flush();
}

/**
 * Records in the log that the store has confirmed, and what stood before them. What a stopped chain could not
 * ship stands in the log as well, and is recorded again in a successor.
 */
function confirmedIn(journal: Journal): {
  records: SealedRecord[];
  before: Place | undefined;
  /** The place was never confirmed, or what is amiss with it has been told. */
  isKnown: (place: Place) => boolean;
} {
  const retained = [...journal.retained()];
  const told = new Set<string>();
  const moved = new Map<string, number>();
  const hear = ({ payload }: SealedRecord) => {
    if (!payload.startsWith('{"action":"fork_detected"') && !payload.includes('"recorded_before":"')) return;
    const { control, details } = JSON.parse(payload) as AuditRecord;
    if (control !== undefined) told.add(`${control.chain_id}:${control.seq}`);
    const place = /^(.*):(\d+)$/.exec(String(details?.recorded_before));
    if (place !== null) moved.set(place[1]!, Math.min(moved.get(place[1]!) ?? Infinity, Number(place[2])));
  };
  for (const record of retained) hear(record);
  for (const { record } of journal.unshipped()) hear(record);
  const isMoved = ({ chainId, seq }: { chainId: string; seq: number }) =>
    seq >= (moved.get(chainId) ?? Infinity);
  const records = retained.filter((record) => !isMoved(record));
  return {
    records,
    before: records[0] && placeBefore(records[0]),
    isKnown: (place) => isMoved(place) || told.has(`${place.chainId}:${place.seq}`),
  };
}

/** Its boundaries are durable first: whoever sends again sends the same. */
async function send(journal: Journal, target: Target, batch: Batch, certain: boolean): Promise<Delivered> {
  journal.transact((transaction) => transaction.set(BATCH, { first: batch[0].seq, rows: batch.length }));
  await journal.flush();
  return target.deliver(batch, certain ? 'new' : 'unsure');
}
