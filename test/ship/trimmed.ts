import type { Journal } from '../../src/journal/journal.ts';
import { SEGMENT_BYTES } from '../../src/journal/log.ts';

/**
 * Fills the log's open segment but for some bytes: what is written next is the last in it, and is gone from the
 * log once it is shipped and the journal tidied.
 */
export function fillSegment(journal: Journal): void {
  const used = journal.bytes % SEGMENT_BYTES;
  const text = 'x'.repeat(SEGMENT_BYTES - used - 300);
  journal.transact((transaction) => transaction.set('state|filler', text));
}

/** The log begins with what is written from now on. */
export async function trim(journal: Journal): Promise<void> {
  await journal.tidy();
  if ([...journal.retained()].length > 0) throw new Error('the log still holds what was shipped');
}
