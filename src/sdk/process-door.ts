import { randomBytes } from 'node:crypto';
import { VERSION } from '../config/package.ts';
import { AuditUnavailableError, messageOf } from '../errors.ts';
import { FAIL_MODES, type FailMode } from '../policy/demands.ts';
import type { Attributes } from '../span.ts';
import { understand } from '../understand.ts';
import type { Audit } from './audit.ts';
import { claiming } from './claim.ts';
import { activeContext, readingOf, withAuditContext } from './context.ts';
import type { AuditDoor, AuditEvent, ToolCall, ToolSpans, ToolStart } from './door.ts';
import { observed } from './observed.ts';
import { currentAudit, type Hold, holdProcessAudit } from './process-audit.ts';
import { processWide } from './process-wide.ts';
import { type Conduct, here, RunningCall } from './tool-calls.ts';
import { eventSpan } from './tool-span.ts';

/** How long a fail-closed call waits for its intent to be durable, where nobody says. */
const DEFAULT_WAIT_MS = 2_000;
/** A journal that could not be opened is tried again so often. In milliseconds. */
const OPEN_AGAIN_AFTER = 5_000;

/** The process's door: one, whatever copies of this package are loaded. */
export function processDoor(): AuditDoor {
  return processWide<AuditDoor>('audit', () => new ProcessDoor());
}

/** @throws RangeError for a word that is no mode: to guess would let tools run, or stop them. */
export function conductIn(env: NodeJS.ProcessEnv): Conduct {
  const { SPANLEDGER_FAIL_MODE: mode = 'open', SPANLEDGER_FAIL_WAIT_MS: wait } = env;
  if (!isFailMode(mode)) throw new RangeError(`SPANLEDGER_FAIL_MODE is ${mode}, and must be open or closed`);
  const waitMs = wait === undefined || wait === '' ? DEFAULT_WAIT_MS : Number(wait);
  if (!(waitMs > 0)) throw new RangeError(`SPANLEDGER_FAIL_WAIT_MS is ${wait}, and must be a number above 0`);
  return { mode, waitMs };
}

function isFailMode(word: string): word is FailMode {
  return (FAIL_MODES as readonly string[]).includes(word);
}

/** Nothing at all is recorded: the one switch. */
export function isDisabled(env: NodeJS.ProcessEnv): boolean {
  const { SPANLEDGER_DISABLED: said = '' } = env;
  return !['', '0', 'false', 'no', 'off'].includes(said.toLowerCase());
}

/** Opens its audit at the first call, where nobody has opened one before. */
export class ProcessDoor implements AuditDoor {
  readonly withContext = withAuditContext;
  #hold: Hold | undefined;
  #failedAt = -Infinity;
  #failure: unknown;
  /** What came while nothing could be recorded. */
  #lost = 0;

  startTool(start: ToolStart): ToolCall {
    if (isDisabled(process.env)) return new UnrecordedCall(false, undefined);
    let conduct: Conduct;
    try {
      conduct = this.#conductNow();
    } catch (error) {
      return new UnrecordedCall(true, error);
    }
    const audit = this.#audit();
    if (audit !== undefined) {
      try {
        return new RunningCall(start, audit, conduct, this.#service);
      } catch (error) {
        audit.recorder.noteGap(1, error);
        this.#failure = error;
      }
    } else this.#lost += 1;
    return new UnrecordedCall(conduct.mode === 'closed' || start.failClosed === true, this.#failure);
  }

  tool<T>(start: ToolStart, run: () => T, { isSync = false } = {}): T {
    const call = this.startTool(start);
    if (!call.failClosed) return observed(call, run);
    if (!isSync) return call.admit().then(() => observed(call, run)) as T;
    call.admitSync();
    return observed(call, run);
  }

  claim<T>(spans: ToolSpans, work: () => T): T {
    return claiming(spans, work);
  }

  event(event: AuditEvent): void {
    if (isDisabled(process.env)) return;
    const audit = this.#audit();
    if (audit === undefined) {
      this.#lost += 1;
      return;
    }
    try {
      const context = activeContext();
      const { traceId, parentSpanId } = here();
      const span = eventSpan(
        event,
        {
          traceId,
          spanId: randomBytes(8).toString('hex'),
          parentSpanId,
          startTimeUnixNano: BigInt(Date.now()) * 1_000_000n,
          resource: this.#service,
        },
        VERSION,
      );
      const beside = context && readingOf(context);
      audit.recorder.commit([understand(span, audit.policy, 'end', undefined, beside)], audit.running);
    } catch (error) {
      audit.recorder.noteGap(1, error);
    }
  }

  async flush(): Promise<void> {
    await currentAudit()?.recorder.flush();
  }

  #conductNow(): Conduct {
    // Each time: who registers may come after the first call.
    return conductIn(process.env);
  }

  get #service(): Attributes {
    return new Map([['service.name', process.env.OTEL_SERVICE_NAME ?? 'app']]);
  }

  #audit(): Audit | undefined {
    const open = currentAudit();
    if (open !== undefined) return this.#tellLost(open);
    if (performance.now() - this.#failedAt < OPEN_AGAIN_AFTER) return undefined;
    try {
      this.#hold = holdProcessAudit();
      return this.#tellLost(this.#hold.audit);
    } catch (error) {
      this.#failedAt = performance.now();
      this.#failure = error;
      process.emitWarning(`audit records are being lost: ${messageOf(error)}`, {
        type: 'SpanledgerWarning',
        code: 'SPANLEDGER_GAP',
      });
      return undefined;
    }
  }

  #tellLost(audit: Audit): Audit {
    if (this.#lost > 0) audit.recorder.noteGap(this.#lost, this.#failure);
    this.#lost = 0;
    return audit;
  }
}

/** A call of a process that records nothing: by its own wish, or since it cannot. */
class UnrecordedCall implements ToolCall {
  readonly traceId = '0'.repeat(32);
  readonly spanId = '0'.repeat(16);
  readonly failClosed: boolean;
  readonly #problem: unknown;

  constructor(failClosed: boolean, problem: unknown) {
    this.failClosed = failClosed;
    this.#problem = problem;
  }

  async admit(): Promise<void> {
    this.admitSync();
  }

  admitSync(): void {
    if (!this.failClosed) return;
    throw new AuditUnavailableError(
      `the tool was not called: nothing can be recorded: ${messageOf(this.#problem)}`,
      { cause: this.#problem, hint: 'see to the cause; SPANLEDGER_FAIL_MODE=open lets tools run unrecorded' },
    );
  }

  run<T>(work: () => T): T {
    return work();
  }

  end(): void {}
  fail(): void {}
  deny(): void {}
  interrupt(): void {}
}
