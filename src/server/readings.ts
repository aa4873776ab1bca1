import type { Journal } from '../journal/journal.ts';
import type { Shipper } from '../shipper.ts';
import type { Budget } from './budget.ts';
import type { Forward } from './forward.ts';
import type { Intake } from './intake.ts';
import type { Reading } from './metrics.ts';

export interface Sources {
  intake: Intake;
  budget: Budget;
  shipper: Shipper;
  forward: Forward | undefined;
  journal: Journal;
}

/** The sidecar's own numbers, by the names operators see. */
export function readingsOf({ intake, budget, shipper, forward, journal }: Sources): Reading[] {
  const counter = (name: string, help: string, read: () => number): Reading => ({
    name: `spanledger_${name}_total`,
    help,
    kind: 'counter',
    read,
  });
  const gauge = (name: string, help: string, read: () => number | undefined): Reading => ({
    name: `spanledger_${name}`,
    help,
    kind: 'gauge',
    read,
  });
  const { counts } = intake;
  return [
    counter('spans', 'Spans received, of agents or not.', () => counts.spans),
    counter('agent_spans', 'Spans that are agent activity.', () => counts.mapped),
    counter('unknown_spans', 'Spans that look like an agent in no known dialect.', () => counts.unknown),
    counter('records', 'Records written to the journal from spans.', () => counts.records),
    counter('duplicates', 'Spans received again, that added nothing.', () => counts.duplicates),
    counter('conflicts', 'Spans under the id of another span, recorded as such.', () => counts.conflicts),
    counter('quarantined', 'Spans kept because they could not be understood.', () => counts.quarantined),
    counter('unattributed', 'Records of a user whom nobody told.', () => counts.unattributed),
    counter('shipped_records', 'Records the store has confirmed.', () => shipper.counts.records),
    counter('shipped_batches', 'Batches the store has confirmed.', () => shipper.counts.batches),
    counter(
      'lost_and_resent_records',
      'Confirmed records the store had lost, sent again.',
      () => shipper.counts.again,
    ),
    counter(
      'forks_and_rollbacks',
      'Chains stopped: the store held something else, or had lost what it confirmed.',
      () => shipper.counts.stopped,
    ),
    counter('ship_retries', 'Shipments that failed and were tried again.', () => shipper.counts.retries),
    gauge(
      'ship_duration_seconds',
      'How long the last shipment that carried records took.',
      () => shipper.counts.milliseconds / 1_000,
    ),
    gauge('store_reachable', '1 while the last shipment succeeded.', () =>
      shipper.counts.isFailing ? 0 : 1,
    ),
    gauge(
      'journal_bytes',
      'Bytes of the journal on disk: what the store has not confirmed, and at most 32 MiB more.',
      () => journal.bytes,
    ),
    gauge('journal_oldest_unshipped_seconds', 'Age of the oldest record the store has not confirmed.', () =>
      journal.oldestUnshippedSeconds(Date.now()),
    ),
    gauge('held_bytes', 'Bytes of requests under way.', () => budget.held),
    ...(forward === undefined
      ? []
      : [
          counter('forwarded_requests', 'Requests sent on.', () => forward.counts.sent),
          counter('forward_dropped_requests', 'Requests not sent on.', () => forward.counts.dropped),
          counter('forward_retries', 'Requests tried again.', () => forward.counts.retries),
          gauge('forward_queue_bytes', 'Bytes that wait to be sent on.', () => forward.queuedBytes),
        ]),
  ];
}
