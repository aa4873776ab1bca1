import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isSpanledgerError } from '../errors.ts';
import type { Gone } from '../journal/forget.ts';
import { Journal, listJournals } from '../journal/journal.ts';

/** What waits is shipped by whoever has the journal: so long until it is, in milliseconds. */
const SHIP_MS = 20_000;
const LOOK_MS = 100;

/**
 * Has each journal of a directory let go of what was erased.
 *
 * @param live the one of this process, in use
 * @returns names of those that another process has, or that do not open, or that wait for the store
 */
export async function forgetIn(journals: string, gone: Gone, live?: Journal): Promise<string[]> {
  const left: string[] = [];
  for (const name of listJournals(journals)) {
    // The keeper's own names nobody, and this process has it.
    if (name.startsWith('control-')) continue;
    const dir = join(journals, name);
    const isForgotten = live?.dir === dir ? await settled(live, gone) : await ofNobody(dir, gone);
    if (!isForgotten) left.push(name);
  }
  return left;
}

async function ofNobody(dir: string, gone: Gone): Promise<boolean> {
  try {
    const journal = Journal.open(dir);
    if (journal === undefined) return false;
    try {
      return await journal.forget(gone);
    } finally {
      await journal.close();
    }
  } catch (error) {
    if (isSpanledgerError(error) && error.code.startsWith('journal_')) return false;
    throw error;
  }
}

/** Records come all the time; between two shipments there is mostly none that waits. */
async function settled(journal: Journal, gone: Gone): Promise<boolean> {
  const end = Date.now() + SHIP_MS;
  while (!(await journal.forget(gone))) {
    if (Date.now() > end) return false;
    await wait(LOOK_MS);
  }
  return true;
}
