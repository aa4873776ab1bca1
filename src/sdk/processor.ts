import { SpanledgerError } from '../errors.ts';
import { readSpan } from '../genai/dialects.ts';
import type { Span } from '../span.ts';
import { type Understood, understand } from '../understand.ts';
import type { Audit, AuditOptions } from './audit.ts';
import { isClaimed } from './claim.ts';
import { activeContext, readingOf } from './context.ts';
import { type Hold, holdAudit } from './process-audit.ts';
import { fromReadableSpan, type ReadableSpanLike } from './readable-span.ts';
import { identityOf, type Running, runningKey } from './running.ts';
import { coveringCall, isToldCall } from './tool-calls.ts';

/**
 * Records what an app's agents do, as an OpenTelemetry span processor.
 *
 * `onStart` writes the intent of a tool call and `onEnd` its outcome, each committed before it returns: a
 * process killed on the next line loses nothing. Nothing is batched, sampled or dropped; what cannot be
 * recorded is counted, warned of, and stands in the chain as a `gap`. Neither ever throws into the app.
 *
 * @example
 * const provider = new NodeTracerProvider({ spanProcessors: [new AuditSpanProcessor({ dir: './.spanledger' })] });
 */
export class AuditSpanProcessor {
  readonly audit: Audit;
  readonly #hold: Hold;
  #closed: Promise<void> | undefined;
  #missed = 0;

  constructor(options: AuditOptions = {}) {
    this.#hold = holdAudit(options);
    this.audit = this.#hold.audit;
  }

  /** Spans of agents heard of after `shutdown`: too late for any record, so that only this counts them. */
  get missed(): number {
    return this.#missed;
  }

  onStart(span: ReadableSpanLike, _parentContext?: unknown): void {
    this.#guard(span, () => {
      const running = this.#remember(span);
      const begun = fromReadableSpan(span);
      // Of anything but a tool call the end alone is recorded.
      if (readSpan(begun, 'who').kind !== 'tool') return [];
      const understood = this.#understand(begun, 'intent', running);
      if (understood.what !== 'activity') return [];
      const tool = identityOf(understood.facts);
      if (tool === undefined) return [];
      if (running !== undefined) {
        running.tool = tool;
        if (coveringCall(tool)) running.isTold = true;
        else if (isClaimed(begun.scope.name, tool.name)) running.isClaimed = true;
        if (running.isTold || running.isClaimed) return [];
      }
      return [understood];
    });
  }

  onEnd(span: ReadableSpanLike): void {
    this.#guard(span, () => {
      const running = this.#known(span);
      if (running?.isTold) return [];
      const ended = fromReadableSpan(span);
      const understood = this.#understand(ended, 'end', running);
      if (understood.what === 'not_agent') return [];
      if (understood.what === 'activity' && running?.tool === undefined) {
        const tool = identityOf(understood.facts);
        if (tool !== undefined && isToldCall(understood.facts.trace.trace_id, tool)) return [];
      }
      // The framework went no further than its span: no tool was called, and nobody told of one.
      return running?.isClaimed ? [this.#understand(ended, 'intent', running), understood] : [understood];
    });
    const key = keyOf(span);
    if (key !== undefined) this.audit.running.forget(key);
  }

  /**
   * Resolves when everything heard so far is durable, and what was lost of it is told in the chain.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`; after `shutdown`, when spans came later.
   */
  async forceFlush(): Promise<void> {
    if (this.#closed === undefined) return await this.audit.recorder.flush();
    await this.#closed;
    if (this.#missed > 0)
      throw new SpanledgerError(
        'journal_broken',
        `${this.#missed} spans came after shutdown and stand in no record`,
        { hint: 'shut the processor down last' },
      );
  }

  /**
   * Ends the chain, flushes, and lets go of the journal, unless others in this process record in it too. Spans that
   * come later are counted in `missed`.
   */
  async shutdown(): Promise<void> {
    this.#closed ??= this.#hold.release();
    await this.#closed;
  }

  #understand(span: Span, phase: 'intent' | 'end', running: Running | undefined): Understood {
    const context = running === undefined ? activeContext() : running.beside;
    return understand(span, this.audit.policy, phase, undefined, context && readingOf(context));
  }

  #guard(span: ReadableSpanLike, work: () => readonly Understood[]): void {
    try {
      const understood = work();
      if (understood.length === 0) return;
      if (this.#closed !== undefined) this.#miss(span);
      else this.audit.recorder.commit(understood, this.audit.running);
    } catch (error) {
      if (this.#closed !== undefined) this.#miss(span);
      else this.#lose(span, error);
    }
  }

  #lose(span: ReadableSpanLike, error: unknown): void {
    const running = this.#known(span);
    const gap = this.audit.recorder.noteGap(1, error, running?.lostIn);
    if (running !== undefined) running.lostIn = gap;
  }

  #miss(span: ReadableSpanLike): void {
    const running = this.#known(span);
    if (running?.missed === true) return;
    if (running !== undefined) running.missed = true;
    if (this.#missed === 0)
      process.emitWarning('spans come after shutdown: they are counted, and stand in no record', {
        type: 'SpanledgerWarning',
        code: 'SPANLEDGER_CLOSED',
      });
    this.#missed += 1;
  }

  #known(span: ReadableSpanLike): Running | undefined {
    return this.audit.running.known(keyOf(span));
  }

  #remember(span: ReadableSpanLike): Running | undefined {
    const key = keyOf(span);
    if (key === undefined) return undefined;
    return this.audit.running.remember(key, {
      read: () => fromReadableSpan(span),
      live: span,
      beside: activeContext(),
    });
  }
}

/** Undefined for a span that cannot be asked. */
function keyOf(span: ReadableSpanLike): string | undefined {
  try {
    const { traceId, spanId } = span.spanContext();
    return runningKey(traceId, spanId);
  } catch {
    return undefined;
  }
}
