import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../../src/journal/journal.ts';
import type { AuditRecord } from '../../src/record/record.ts';

/** What waits in the journals of a directory, whoever left them, in order. */
export async function recordsIn(dir: string): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for (const name of readdirSync(join(dir, 'journal')).sort()) {
    const journal = Journal.open(join(dir, 'journal', name));
    if (journal === undefined) throw new Error(`${name} is locked`);
    for (const { record } of journal.unshipped()) records.push(JSON.parse(record.payload) as AuditRecord);
    await journal.close();
  }
  return records;
}
