import { messageOf, SpanledgerError } from '../errors.ts';
import { type Understood, understand } from '../understand.ts';
import type { Audit, AuditOptions } from './audit.ts';
import { type Hold, holdAudit } from './process-audit.ts';
import { fromReadableSpan, type ReadableSpanLike } from './readable-span.ts';

/** OpenTelemetry's `ExportResult`. */
interface ExportResult {
  code: 0 | 1;
  error?: Error;
}

/**
 * Records spans where only a span exporter can be given. It hears of a span when its processor exports it: a
 * tool call has no intent, what a batch processor drops or a sampler leaves out is never seen, and a process
 * that dies loses what was queued. `AuditSpanProcessor` promises all of that; this says once that it can't.
 */
export class AuditSpanExporter {
  readonly audit: Audit;
  readonly #hold: Hold;
  #closed: Promise<void> | undefined;

  constructor(options: AuditOptions = {}) {
    this.#hold = holdAudit(options);
    this.audit = this.#hold.audit;
    warnOnce();
  }

  /**
   * Answers `code: 0` when the spans are durable. A span that cannot be read costs only itself, and stands in
   * the chain as a `gap`; so do all of them once they can be told, when they cannot be recorded.
   */
  export(spans: readonly ReadableSpanLike[], resultCallback: (result: ExportResult) => void): void {
    this.#record(spans).then(
      () => resultCallback({ code: 0 }),
      (error: unknown) =>
        resultCallback({ code: 1, error: error instanceof Error ? error : new Error(messageOf(error)) }),
    );
  }

  async forceFlush(): Promise<void> {
    await this.audit.writer.flush();
  }

  async shutdown(): Promise<void> {
    this.#closed ??= this.#hold.release();
    await this.#closed;
  }

  async #record(spans: readonly ReadableSpanLike[]): Promise<void> {
    if (this.#closed !== undefined)
      throw new SpanledgerError(
        'journal_broken',
        `the exporter is shut down: ${spans.length} spans are lost`,
      );
    const { writer, policy } = this.audit;
    const batch: Understood[] = [];
    for (const span of spans) {
      try {
        batch.push(understand(fromReadableSpan(span), policy));
      } catch (error) {
        writer.noteGap(1, error);
      }
    }
    try {
      await writer.append(batch);
    } catch (error) {
      const lost = batch.filter(({ what }) => what !== 'not_agent').length;
      if (lost > 0) writer.noteGap(lost, error);
      throw error;
    }
  }
}

let warned = false;

function warnOnce(): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    'AuditSpanExporter hears only of ended, sampled spans that its processor did not drop, and records no intents; use AuditSpanProcessor where you can',
    { type: 'SpanledgerWarning', code: 'SPANLEDGER_EXPORTER' },
  );
}
