import { join } from 'node:path';
import type { Journal } from '../../src/journal/journal.ts';
import type { Writer } from '../../src/pipeline.ts';
import { control } from '../../src/record/control.ts';
import type { RecordDraft } from '../../src/record/record.ts';
import type { Store } from '../../src/store/client.ts';
import { openJournal, ship, writerIn } from './ledger-kit.ts';

export const CLASSES = ['hipaa', 'financial', 'soc2', 'default'] as const;
export const DAY = 86_400;

/** A writer whose clock a test sets: what it records is as old as it says, and expires by that. */
export class AgedWriter {
  readonly journal: Journal;
  readonly #writer: Writer;
  readonly #store: Store;
  #now = 0;

  constructor(dir: string, store: Store, name = 'app-00000001') {
    this.#store = store;
    this.journal = openJournal(join(dir, 'journal', name));
    this.#writer = writerIn(this.journal, () => this.#now * 1e6);
  }

  /** @param at Unix seconds @returns the record's id */
  record(at: number, retentionClass: string, more: Partial<RecordDraft> = {}): string {
    this.#now = at;
    return this.#writer.tell({
      ...control('gap', { spans: 1, reason: 'journal_full' }, at * 1e6),
      retention_class: retentionClass,
      ...more,
    });
  }

  async ship(): Promise<void> {
    await this.journal.flush();
    await ship(this.#writer, this.#store);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await ship(this.#writer, this.#store);
    await this.journal.close();
  }
}

/** Ids of records that are in the database, but for those of the ledger about itself, in order. */
export async function present(store: Store): Promise<string[]> {
  const rows = await store.query<{ id: string }>(
    `SELECT concat(chain_id, ':', toString(seq)) AS id FROM spanledger.audit_records WHERE retention_class IN ('hipaa', 'financial', 'soc2', 'default') AND action = 'gap' ORDER BY audit_records.chain_id, audit_records.seq`,
  );
  return rows.map(({ id }) => id);
}
