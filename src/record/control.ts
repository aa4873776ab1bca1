import { LEDGER_CLASS } from '../policy/retention.ts';
import type { ControlAction, RecordDraft } from './record.ts';
import { fromMicroseconds } from './time.ts';

/** Control records that are about a span or a person, and are kept as long as others of them. */
const NOT_FOR_EVER: ReadonlySet<ControlAction> = new Set<ControlAction>([
  'payload_quarantined',
  'audit_log_accessed',
  'content_read',
  'verification_completed',
]);

/**
 * A record of the ledger about itself.
 *
 * @param now microseconds since the epoch
 */
export function control(
  action: ControlAction,
  fields: { [field: string]: unknown },
  now: number,
): RecordDraft {
  const control = Object.keys(fields).length > 0 ? { control: fields } : {};
  return {
    v: 1,
    salt: '',
    recorded_at: '',
    occurred_at: `${fromMicroseconds(now).slice(0, -1)}000Z`,
    phase: 'event',
    action,
    actor: { type: 'system', id: 'spanledger' },
    data_classification: 'internal',
    retention_class: NOT_FOR_EVER.has(action) ? 'default' : LEDGER_CLASS,
    ...control,
  };
}
