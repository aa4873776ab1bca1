import { Counter, Gauge, type Registry } from 'prom-client';
import type { KeepingCounts } from './keeping.ts';

const STATUSES = ['valid', 'tampered', 'empty', 'incomplete'] as const;

const RETENTION_HELP = {
  records: 'Records in the database.',
  due: 'Records that have expired.',
  held: 'Records on hold.',
  archived: 'Records in an archive that was read back.',
  overdue: 'Records that expired more than two runs ago, and are not on hold.',
};

/** What the keeper in this process does, read when it is asked for. */
export function addKeeping(registry: Registry, counts: KeepingCounts): void {
  const registers = [registry];
  const count = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `spanledger_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  count('keeper_rounds', 'Rounds made.', () => counts.rounds);
  count('keeper_failures', 'Rounds that could not be made.', () => counts.failures);
  count('keeper_webhook_failures', 'Times the webhook could not be told.', () => counts.webhookFailures);
  new Gauge({
    name: 'spanledger_keeper_last_round_age_seconds',
    help: 'How long ago the last round was made.',
    registers,
    collect() {
      this.remove();
      if (counts.lastRound !== undefined) this.set((Date.now() - counts.lastRound) / 1_000);
    },
  });
  new Gauge({
    name: 'spanledger_keeper_refused',
    help: '1 while this process may not keep the ledger, by why.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset();
      if (counts.refused !== undefined) this.set({ code: counts.refused }, 1);
    },
  });
  new Gauge({
    name: 'spanledger_keeper_verification',
    help: '1 for the status of the keeper’s last verification, else 0.',
    labelNames: ['status'],
    registers,
    collect() {
      for (const status of STATUSES) this.set({ status }, counts.verified?.status === status ? 1 : 0);
    },
  });
  new Gauge({
    name: 'spanledger_keeper_verification_timestamp_seconds',
    help: 'When the keeper verified last.',
    registers,
    collect() {
      this.remove();
      if (counts.verified !== undefined) this.set(counts.verified.at / 1_000);
    },
  });
  new Gauge({
    name: 'spanledger_keeper_findings',
    help: 'Findings of the keeper’s last verification.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset();
      for (const [code, found] of counts.verified?.findings ?? []) this.set({ code }, found);
    },
  });
  count('retention_runs', 'Runs of retention.', () => counts.retentions);
  count(
    'retention_failures',
    'Runs of retention that did not come to their end.',
    () => counts.retentionFailures,
  );
  for (const what of ['records', 'due', 'held', 'archived', 'overdue'] as const)
    new Gauge({
      name: `spanledger_retention_${what}`,
      help: `${RETENTION_HELP[what]} By class and month of expiry, as of the last run.`,
      labelNames: ['class', 'month'],
      registers,
      collect() {
        this.reset();
        for (const each of counts.retention?.partitions ?? [])
          this.set({ class: each.retention_class, month: String(each.month) }, each[what]);
      },
    });
  new Gauge({
    name: 'spanledger_retention_holds',
    help: 'Legal holds in force.',
    registers,
    collect() {
      this.remove();
      if (counts.retention !== undefined) this.set(counts.retention.holds);
    },
  });
  new Gauge({
    name: 'spanledger_retention_next_run_timestamp_seconds',
    help: 'When retention runs next.',
    registers,
    collect() {
      this.remove();
      const next = counts.retention?.next_run ?? undefined;
      if (next !== undefined) this.set(Date.parse(next) / 1_000);
    },
  });
  new Counter({
    name: 'spanledger_keeper_anchorings_total',
    help: 'Checkpoints brought to an anchor, by whether it took them.',
    labelNames: ['anchor', 'state'],
    registers,
    collect() {
      this.reset();
      for (const [key, times] of counts.anchored) {
        const [anchor = '', state = ''] = key.split('\n');
        this.inc({ anchor, state }, times);
      }
    },
  });
}
