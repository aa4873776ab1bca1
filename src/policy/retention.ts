import type { PolicyDocument, RetentionClass } from './document.ts';

/** Of class `ledger`, and for dates beyond it: 2100-01-01T00:00:00Z, the last day a ClickHouse DateTime rounds well. */
export const NEVER_EXPIRES = 4_102_444_800;

/** What the ledger knows about itself: kept for ever, never purged or erased. */
export const LEDGER_CLASS = 'ledger';

const DAY_SECONDS = 86_400;

/** `healthcare` and `general` are other names for `hipaa` and `default`. */
const ALIASES: { [name: string]: string } = { healthcare: 'hipaa', general: 'default' };

/**
 * When a record's payload may go, in Unix seconds: whole days of retention and grace after it was recorded. It
 * never depends on a span's own times. The grace lets no leap year bring expiry before the calendar
 * anniversary.
 *
 * @param recordedAt microseconds since the Unix epoch
 */
export function expiresAt(document: PolicyDocument, retentionClass: string, recordedAt: number): number {
  if (retentionClass === LEDGER_CLASS) return NEVER_EXPIRES;
  const days = classOf(document, retentionClass).days + document.retention.grace_days;
  return Math.min(Math.floor(recordedAt / 1e6) + days * DAY_SECONDS, NEVER_EXPIRES);
}

/** A class by its name or an alias; one that the policy does not know is kept as `default`. */
export function classOf({ retention: { classes } }: PolicyDocument, name: string): RetentionClass {
  return classes[ALIASES[name] ?? name] ?? classes.default!;
}

/** Whether a class is one of the policy's, by its name or an alias, or the ledger's own. */
export function knowsClass(document: PolicyDocument, retentionClass: string): boolean {
  const name = ALIASES[retentionClass] ?? retentionClass;
  return name === LEDGER_CLASS || Object.hasOwn(document.retention.classes, name);
}
