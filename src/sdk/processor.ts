import { SpanledgerError } from '../errors.ts';
import { readSpan } from '../genai/dialects.ts';
import type { Gap } from '../pipeline.ts';
import { attributionOf } from '../record/attribution.ts';
import { Cleaner } from '../record/cleaner.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import { type Lineage, lineageMemory } from '../record/lineage.ts';
import type { SpanMemory } from '../record/memory.ts';
import { type Understood, understand } from '../understand.ts';
import { type Audit, type AuditOptions, openAudit } from './audit.ts';
import { fromReadableSpan, parentOf, type ReadableSpanLike } from './readable-span.ts';

/** Spans that never end must not fill the memory: past so many, the oldest is no longer known as an ancestor. */
const MAX_RUNNING = 10_000;

/** A span that has not ended. */
interface Running {
  span: ReadableSpanLike;
  /** Its start is counted here already, or among the missed: its end is no other span. */
  lostIn?: Gap;
  missed?: true;
}

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
  readonly #running = new Map<string, Running>();
  readonly #lineage: Lineage;
  #closed: Promise<void> | undefined;
  #missed = 0;

  constructor(options: AuditOptions = {}) {
    this.audit = openAudit(options);
    this.#lineage = { get: (key) => this.#ancestor(key) };
  }

  /** Spans of agents heard of after `shutdown`: too late for any record, so that only this counts them. */
  get missed(): number {
    return this.#missed;
  }

  onStart(span: ReadableSpanLike, _parentContext?: unknown): void {
    this.#guard(span, () => {
      this.#remember(span);
      const understood = understand(fromReadableSpan(span), this.audit.policy, 'intent');
      if (understood.what === 'activity' && understood.facts.kind === 'tool') return understood;
      return undefined;
    });
  }

  onEnd(span: ReadableSpanLike): void {
    this.#guard(span, () => {
      const understood = understand(fromReadableSpan(span), this.audit.policy);
      return understood.what === 'not_agent' ? undefined : understood;
    });
    const key = keyOf(span);
    if (key !== undefined) this.#running.delete(key);
  }

  /**
   * Resolves when everything heard so far is durable, and what was lost of it is told in the chain.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`; after `shutdown`, when spans came later.
   */
  async forceFlush(): Promise<void> {
    if (this.#closed === undefined) return await this.audit.writer.flush();
    await this.#closed;
    if (this.#missed > 0)
      throw new SpanledgerError(
        'journal_broken',
        `${this.#missed} spans came after shutdown and stand in no record`,
        { hint: 'shut the processor down last' },
      );
  }

  /** Ends the chain, flushes, and lets go of the journal. Spans that come later are counted in `missed`. */
  async shutdown(): Promise<void> {
    this.#closed ??= this.audit.close();
    await this.#closed;
  }

  #guard(span: ReadableSpanLike, work: () => Understood | undefined): void {
    try {
      const understood = work();
      if (understood === undefined) return;
      if (this.#closed !== undefined) this.#miss(span);
      else this.audit.writer.commit([understood], this.#lineage);
    } catch (error) {
      if (this.#closed !== undefined) this.#miss(span);
      else this.#lose(span, error);
    }
  }

  #lose(span: ReadableSpanLike, error: unknown): void {
    const running = this.#known(span);
    const gap = this.audit.writer.noteGap(1, error, running?.lostIn);
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
    const key = keyOf(span);
    return key === undefined ? undefined : this.#running.get(key);
  }

  #remember(span: ReadableSpanLike): void {
    const key = keyOf(span);
    if (key === undefined) return;
    if (this.#running.size >= MAX_RUNNING) this.#running.delete(this.#running.keys().next().value!);
    this.#running.set(key, { span });
  }

  /** An ancestor that is still running, with the attributes it has by now. One that cannot be read is not known. */
  #ancestor(key: string): SpanMemory | undefined {
    const span = this.#running.get(key.slice(key.lastIndexOf('|', key.lastIndexOf('|') - 1) + 1))?.span;
    if (span === undefined) return undefined;
    try {
      return lineageMemory(
        parentOf(span),
        attributionOf(readSpan(fromReadableSpan(span)), new Cleaner(this.audit.policy, DEFAULT_TENANT)),
      );
    } catch {
      return undefined;
    }
  }
}

/** Undefined for a span that cannot be asked. */
function keyOf(span: ReadableSpanLike): string | undefined {
  try {
    const { traceId, spanId } = span.spanContext();
    return `${traceId}|${spanId}`;
  } catch {
    return undefined;
  }
}
