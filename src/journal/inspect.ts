import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SpanledgerError } from '../errors.ts';
import { decodeBody } from './body.ts';
import { decodeFrame, HEADER_BYTES } from './frame.ts';
import { SHIPPED, type Shipped } from './journal.ts';
import { refuseDamaged } from './lmdb-file.ts';
import { listSegments, type Segment } from './log.ts';

/** What the files of a journal say. */
export interface Inspected {
  /** Of its log. */
  bytes: number;
  /** Records the store has not confirmed. */
  unshipped: number;
  /** When the first of them was recorded, and the last record still in the log: RFC 3339. */
  oldestUnshipped?: string;
  newest?: string;
}

interface Place {
  lsn: number;
  records: number;
  recordedAt: string | undefined;
}

/**
 * Reads the log of a journal nobody holds, and changes nothing, as opening it would. How far it is shipped stands in
 * the log: what its memory alone knows of that has been trimmed with the frames it was about.
 *
 * @throws SpanledgerError `journal_corrupt`; errors of the file system as they are
 */
export function inspectJournal(dir: string): Inspected {
  refuseDamaged(join(dir, 'memory', 'data.mdb'));
  const segments = listSegments(join(dir, 'log'));
  if (segments.length === 0) throw corrupt(dir, 'its log is gone');
  let shipped: Shipped = { lsn: 1, records: 0 };
  let waiting: Place[] = [];
  let newest: string | undefined;
  for (const [i, segment] of segments.entries()) {
    for (const { lsn, records, writes } of framesOf(segment, segments[i + 1]?.first)) {
      const last = records.at(-1);
      if (last !== undefined) {
        waiting.push({ lsn, records: records.length, recordedAt: recordedAt(records[0]!) });
        newest = recordedAt(last) ?? newest;
      }
      for (const [key, value] of writes) if (key === SHIPPED) shipped = value as Shipped;
      const done = waiting.findIndex((place) => place.lsn >= shipped.lsn);
      if (done > 0) waiting = waiting.slice(done);
      else if (done < 0) waiting = [];
    }
  }
  if (segments[0]!.first > shipped.lsn)
    throw corrupt(
      dir,
      `its log begins at frame ${segments[0]!.first}, but ${shipped.lsn} has not been shipped`,
    );
  const inFirst = waiting[0]?.lsn === shipped.lsn ? shipped.records : 0;
  const unshipped = waiting.reduce((sum, { records }) => sum + records, 0) - inFirst;
  const oldest = unshipped > 0 ? waiting[0]?.recordedAt : undefined;
  return {
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    unshipped,
    ...(oldest === undefined ? {} : { oldestUnshipped: oldest }),
    ...(newest === undefined ? {} : { newest }),
  };
}

/** Whole frames of a segment; only the last segment may have a torn end. */
function* framesOf(segment: Segment, next: number | undefined) {
  const bytes = readFileSync(segment.path);
  let lsn = segment.first;
  for (let offset = 0; ; lsn++) {
    const frame = decodeFrame(bytes, offset, lsn);
    if (frame === undefined) break;
    offset += HEADER_BYTES + frame.body.length;
    yield { lsn, ...decodeBody(frame.body) };
  }
  if (next !== undefined && next !== lsn) throw corrupt(segment.path, `frame ${lsn} is damaged`);
}

function recordedAt({ payload }: { payload: string }): string | undefined {
  return (JSON.parse(payload) as { recorded_at?: string }).recorded_at;
}

function corrupt(path: string, what: string): SpanledgerError {
  return new SpanledgerError('journal_corrupt', `${path}: ${what}`, {
    hint: 'keep the folder: records in it may never have reached the store; restore it from a backup, or move it aside',
  });
}
