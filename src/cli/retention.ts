import { answered, type RetainAsk } from '../retain/ask.ts';
import type { Retained } from '../retain/retention.ts';
import type { RetentionStatus } from '../retain/status.ts';
import { byKeeper } from './by-keeper.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output, table } from './output.ts';
import { Progress } from './progress.ts';

export interface RetentionRunOptions extends LedgerOptions {
  dryRun?: boolean;
}

/**
 * What has expired, is archived where it must be, and is not held, leaves: by a `serve` that keeps this ledger, else by this
 * process. 0; 3 where an anchor has not taken yet what lets it go; 1 where records do not hash, and stay.
 */
export async function retentionRunCommand(options: RetentionRunOptions, out: Output): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const run = await retained<Retained>(ledger, { what: 'run', isDry: options.dryRun === true });
    out.document(run);
    const { dry_run, as_of, archived, due, held, unarchived, unsound, expired, purged, contents_purged } =
      run;
    if (archived > 0) out.line(inked`${archived} records were copied to archives, and read back`);
    out.line(inked`As of ${as_of}, ${due} records have expired`);
    if (held > 0) out.line(inked`${held} of them are on hold, and stay`);
    if (unarchived > 0)
      out.line(
        inked`${unarchived} wait for their archive: ${ledger.settings.retention.archive === undefined ? 'retention.archive in the settings says where to' : dry_run ? 'a run makes it' : 'a run makes it when their month is over'}`,
      );
    out.line(dry_run ? inked`${expired} would go` : inked`${purged} have gone; the ledger says why`);
    if (contents_purged > 0) out.line(inked`${contents_purged} records have lost what was said in them`);
    if (unsound > 0) out.log(`Warning: ${unsound} records do not hash, and stay as the evidence`);
    if (run.waiting_for_anchor)
      out.log('An anchor has not taken the checkpoint that lets records go: the next run goes on');
    return ledger.exitCode(unsound > 0 ? 1 : run.waiting_for_anchor ? 3 : 0);
  } finally {
    await ledger.close();
  }
}

/** What stands in the ledger, by class and month of expiry: how much of it is due, held, archived, overdue. */
export async function retentionStatusCommand(options: LedgerOptions, out: Output): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const status = await retained<RetentionStatus>(ledger, { what: 'status' });
    out.document(status);
    const rows = status.partitions.map((each) => [
      each.retention_class,
      `${Math.floor(each.month / 100)}-${String(each.month % 100).padStart(2, '0')}`,
      each.records,
      each.oldest.slice(0, 10),
      each.newest.slice(0, 10),
      each.due,
      each.held,
      each.archived,
      each.overdue,
    ]);
    const head = ['class', 'expires', 'records', 'oldest', 'newest', 'due', 'held', 'archived', 'overdue'];
    for (const line of table(head, rows)) out.line(line);
    out.line(
      inked`${status.holds} holds in force; last run: ${status.last_run ?? 'never'}; next: ${status.next_run ?? 'none is planned'}`,
    );
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

/** Done by whoever keeps the ledger. */
export async function retained<T>(ledger: Ledger, ask: RetainAsk): Promise<T> {
  const progress = new Progress('records');
  let done = 0;
  const hear = (records: number) => {
    done += records;
    progress.update(done);
  };
  try {
    return await byKeeper(
      ledger,
      'retain',
      ask,
      ({ keeper, retention }) =>
        answered(retention, ask, { keep: () => keeper.keep(), progress: hear }) as Promise<T>,
    );
  } finally {
    progress.done();
  }
}
