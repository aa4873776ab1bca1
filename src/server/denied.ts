import { systemClock } from '../clock.ts';
import { isSpanledgerError } from '../errors.ts';
import type { Writer } from '../pipeline.ts';
import { control } from '../record/control.ts';
import type { Attempt } from './http.ts';

/** The same attempt again within this time is counted, and told by the next record. In milliseconds. */
const QUIET_MS = 60_000;
/** Attempts known apart; whoever makes more of them up is counted as one. */
const MAX_KNOWN = 1_000;

export interface Denied extends Attempt {
  /** 401 or 403. */
  status: number;
}

/** Attempts to read the log that were refused, each a record: looking is recorded, and so is trying to. */
export class DeniedReads {
  readonly #writer: Writer;
  readonly #known = new Map<string, { until: number; attempts: number }>();

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** Committed when it returns. A journal that takes nothing now is not this attempt's to tell of. */
  note(denied: Denied): void {
    const { subject, asked, status, clientIp } = denied;
    const now = Date.now();
    const name = JSON.stringify(this.#known.size < MAX_KNOWN ? [subject, asked, status, clientIp] : []);
    const known = this.#known.get(name);
    if (known !== undefined && now < known.until) {
      known.attempts += 1;
      return;
    }
    if (this.#known.size >= MAX_KNOWN) this.#forget(now);
    this.#known.set(name, { until: now + QUIET_MS, attempts: 0 });
    const before = known === undefined || known.attempts === 0 ? {} : { attempts_before: known.attempts };
    try {
      this.#writer.tell({
        ...control('audit_log_accessed', { asked, ...before }, systemClock()),
        actor: { type: 'user', id: subject ?? 'unknown' },
        ...(clientIp === undefined ? {} : { user: { client_ip: clientIp } }),
        outcome: { status: 'denied', error_type: status === 401 ? 'unauthenticated' : 'forbidden' },
      });
    } catch (error) {
      if (!isSpanledgerError(error)) throw error;
    }
  }

  #forget(now: number): void {
    for (const [name, { until }] of this.#known) if (until < now) this.#known.delete(name);
  }
}
