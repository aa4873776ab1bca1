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

/** An attempt that is told already, and how often it came since. */
interface Known {
  denied: Denied;
  until: number;
  attempts: number;
}

/** Attempts to read the log that were refused, each a record: looking is recorded, and so is trying to. */
export class DeniedReads {
  readonly #writer: Writer;
  readonly #told: () => void;
  readonly #known = new Map<string, Known>();
  readonly #sweeping: NodeJS.Timeout;

  /** @param told is called where a record is committed. */
  constructor(writer: Writer, told: () => void = () => {}) {
    this.#writer = writer;
    this.#told = told;
    this.#sweeping = setInterval(() => this.#sweep(Date.now()), QUIET_MS).unref();
  }

  /** Committed when it returns, or counted. A journal that takes nothing now hears of it by the next one, or a sweep. */
  note(denied: Denied): void {
    const { subject, asked, status, clientIp } = denied;
    const now = Date.now();
    const isApart = this.#known.size < MAX_KNOWN;
    const name = JSON.stringify(isApart ? [subject, asked, status, clientIp] : []);
    const known = this.#known.get(name);
    if (known !== undefined && now < known.until) {
      known.attempts += 1;
      return;
    }
    const attempts = known?.attempts ?? 0;
    const isTold = this.#tell(denied, attempts);
    this.#known.set(name, {
      // What is counted together is nobody's in particular.
      denied: isApart ? denied : { ...denied, subject: undefined, clientIp: undefined },
      ...(isTold ? { until: now + QUIET_MS, attempts: 0 } : { until: 0, attempts: attempts + 1 }),
    });
  }

  /** Tells what is counted and not told yet. */
  close(): void {
    clearInterval(this.#sweeping);
    this.#sweep(Infinity);
  }

  /** Forgets those whose time is over, once they are told. */
  #sweep(now: number): void {
    for (const [name, { denied, until, attempts }] of this.#known)
      if (until <= now && (attempts === 0 || this.#tell(denied, attempts))) this.#known.delete(name);
  }

  #tell({ subject, asked, status, clientIp }: Denied, attempts: number): boolean {
    const before = attempts === 0 ? {} : { attempts_before: attempts };
    try {
      this.#writer.tell({
        ...control('audit_log_accessed', { asked, ...before }, systemClock()),
        actor: { type: 'user', id: subject ?? 'unknown' },
        ...(clientIp === undefined ? {} : { user: { client_ip: clientIp } }),
        outcome: { status: 'denied', error_type: status === 401 ? 'unauthenticated' : 'forbidden' },
      });
    } catch (error) {
      if (!isSpanledgerError(error)) throw error;
      return false;
    }
    this.#told();
    return true;
  }
}
