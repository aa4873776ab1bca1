import { messageOf } from './errors.ts';
import type { Reading } from './genai/activity.ts';
import { isActivity, looksLikeGenAi, readSpan } from './genai/dialects.ts';
import { contentSpans } from './genai/events.ts';
import type { LogRecord } from './otlp/logs.ts';
import type { Policy } from './policy/policy.ts';
import { attributionOf } from './record/attribution.ts';
import { Cleaner } from './record/cleaner.ts';
import type { Facts } from './record/facts.ts';
import { DEFAULT_TENANT, factsOf, tenantOf } from './record/facts-of.ts';
import { type Lineage, lineageMemory, spanMemory } from './record/lineage.ts';
import { keys, type SpanMemory } from './record/memory.ts';
import { preview } from './record/preview.ts';
import type { Span, UnreadableSpan } from './span.ts';

/** What a span turned out to be. Nothing in it is unredacted. */
export type Understood =
  | { what: 'activity'; facts: Facts; why: string }
  | { what: 'not_agent'; parent: Parent; looksLikeGenAi: boolean }
  | Quarantined;

/** What could not be understood, or not be recorded: why, and what of it may be kept. */
export interface Quarantined {
  what: 'quarantine';
  reason: string;
  detail: string;
  digest: string;
  /** Of the bytes it came in; 0 where they are not known any more. */
  size: number;
  span: unknown;
  /** Its digest under older live keys, where there are any. */
  older?: readonly string[];
}

/** What a span that leaves no record still tells its descendants. */
export interface Parent {
  tenant: string;
  traceId: string;
  spanId: string;
  memory: SpanMemory;
}

/**
 * Reads, classifies and redacts one span. *Below this line no secret exists.*
 *
 * @param sender the tenant whose token the span came under: it counts, whatever the span says of itself.
 * @param beside what is known of it and not on it: it counts where the span says nothing.
 */
export function understand(
  span: Span,
  policy: Policy,
  phase: Facts['phase'] = 'end',
  sender?: string,
  beside?: Partial<Reading>,
): Understood {
  try {
    const said = beside === undefined ? readSpan(span) : { ...beside, ...readSpan(span) };
    const reading = sender === undefined ? said : { ...said, tenant: sender };
    if (isActivity(reading))
      return { what: 'activity', facts: factsOf(span, reading, policy, phase), why: reading.why };
    const tenant = tenantOf(reading, policy);
    const memory = lineageMemory(span.parentSpanId, attributionOf(reading, new Cleaner(policy, tenant)));
    const parent = { tenant, traceId: span.traceId, spanId: span.spanId, memory };
    return { what: 'not_agent', parent, looksLikeGenAi: looksLikeGenAi(span) };
  } catch (error) {
    return quarantine(
      { reason: 'not_understood', detail: textOf(error), raw: new Uint8Array(0), partial: span },
      policy,
    );
  }
}

/** Reads the content that log records hold of model calls; log records of anything else are none of ours. */
export function understandLogs(logs: readonly LogRecord[], policy: Policy, sender?: string): Understood[] {
  return contentSpans(logs).map((carrier) => understand(carrier, policy, 'content', sender));
}

/** What cannot be understood is kept, redacted, and counted. Never throws, whatever the span is. */
export function quarantine({ reason, detail, raw, partial }: UnreadableSpan, policy: Policy): Quarantined {
  const span = preview(partial, policy);
  // What stands for a span without its bytes holds digests itself.
  const digestUnder = (one: Policy, bytes: () => unknown) =>
    one.keyring.digest(DEFAULT_TENANT, 'quarantine', raw.length > 0 ? raw : JSON.stringify(bytes()));
  const older = policy.older.map((one) => digestUnder(one, () => preview(partial, one)));
  return {
    what: 'quarantine',
    reason,
    detail: detailOf(detail, policy),
    digest: digestUnder(policy, () => span),
    size: raw.length,
    span,
    ...(older.length === 0 ? {} : { older }),
  };
}

/** What quarantine keeps of facts that became no record. */
export function refused(
  { digest, trace, older }: Facts,
  reason: string,
  error: unknown,
  policy: Policy,
): Quarantined {
  const detail = detailOf(textOf(error), policy);
  return {
    what: 'quarantine',
    reason,
    detail,
    digest,
    size: 0,
    span: trace,
    ...(older?.[digest] === undefined ? {} : { older: older[digest] }),
  };
}

const MAX_DETAIL = 500;

/** Cut after it is redacted: half a secret is not recognised. */
function detailOf(text: string, policy: Policy): string {
  return policy.redactor.scan(text).slice(0, MAX_DETAIL);
}

/** The message of anything thrown, even of what cannot be asked for one. */
export function textOf(error: unknown): string {
  try {
    return String(messageOf(error));
  } catch {
    return '';
  }
}

/** The spans of one batch, so that an ancestor is known in whatever order they came. Of two the last stands. */
export function lineageOf(batch: readonly Understood[]): Lineage {
  const spans = new Map<string, Facts | SpanMemory>();
  for (const each of batch) {
    if (each.what === 'activity') {
      const { tenant, trace } = each.facts;
      spans.set(keys.span(tenant, trace.trace_id, trace.span_id), each.facts);
    } else if (each.what === 'not_agent') {
      const { tenant, traceId, spanId, memory } = each.parent;
      spans.set(keys.span(tenant, traceId, spanId), memory);
    }
  }
  return {
    get: (key) => {
      const found = spans.get(key);
      return found !== undefined && 'digest' in found ? spanMemory(undefined, found, undefined) : found;
    },
  };
}
