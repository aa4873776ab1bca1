import type { Attributes, AttributeValue, Span } from '../span.ts';

/**
 * What of the OpenTelemetry SDK's `ReadableSpan` is read. Structural, so that SDK 1.30, 2.x and 3.x fit alike
 * and none of them is a dependency: 1.x has `parentSpanId` and `instrumentationLibrary`, later ones
 * `parentSpanContext` and `instrumentationScope`.
 */
export interface ReadableSpanLike {
  readonly name: string;
  readonly kind: number;
  spanContext(): { traceId: string; spanId: string };
  readonly parentSpanContext?: { spanId: string } | undefined;
  readonly parentSpanId?: string | undefined;
  readonly startTime: readonly [number, number];
  readonly endTime: readonly [number, number];
  readonly status: { code: number; message?: string | undefined };
  readonly attributes: { readonly [key: string]: unknown };
  readonly links: readonly { context: { traceId: string; spanId: string } }[];
  readonly events: readonly {
    name: string;
    time: readonly [number, number];
    attributes?: { readonly [key: string]: unknown } | undefined;
  }[];
  readonly resource: { readonly attributes: { readonly [key: string]: unknown } };
  readonly instrumentationScope?: { name: string; version?: string | undefined } | undefined;
  readonly instrumentationLibrary?: { name: string; version?: string | undefined } | undefined;
  readonly droppedAttributesCount?: number;
  readonly droppedEventsCount?: number;
  readonly droppedLinksCount?: number;
}

/** The SDK's span in the one shape. Of a running span, as it stands now. */
export function fromReadableSpan(span: ReadableSpanLike): Span {
  const { traceId, spanId } = span.spanContext();
  const scope = span.instrumentationScope ?? span.instrumentationLibrary;
  return {
    traceId,
    spanId,
    parentSpanId: parentOf(span),
    name: span.name,
    // The API counts kinds from INTERNAL = 0, OTLP from UNSPECIFIED = 0.
    kind: span.kind + 1,
    startTimeUnixNano: nanoseconds(span.startTime),
    endTimeUnixNano: nanoseconds(span.endTime),
    attributes: attributesOf(span.attributes),
    events: span.events.map((event) => ({
      name: event.name,
      timeUnixNano: nanoseconds(event.time),
      attributes: attributesOf(event.attributes ?? {}),
    })),
    links: span.links.map(({ context }) => ({ traceId: context.traceId, spanId: context.spanId })),
    status: { code: span.status.code, message: span.status.message ?? '' },
    droppedCount:
      (span.droppedAttributesCount ?? 0) + (span.droppedEventsCount ?? 0) + (span.droppedLinksCount ?? 0),
    scope: { name: scope?.name ?? '', version: scope?.version ?? '' },
    resource: attributesOf(span.resource.attributes),
  };
}

export function parentOf(span: ReadableSpanLike): string | undefined {
  return (span.parentSpanContext?.spanId ?? span.parentSpanId) || undefined;
}

/** Instrumentations that compute times give fractions; what is no number is no time. */
function nanoseconds([seconds, nanos]: readonly [number, number]): bigint {
  const whole = Math.floor(seconds);
  const rest = Math.round((seconds - whole) * 1e9 + nanos);
  return Number.isFinite(rest) ? BigInt(whole) * 1_000_000_000n + BigInt(rest) : 0n;
}

function attributesOf(attributes: { readonly [key: string]: unknown }): Attributes {
  const map = new Map<string, AttributeValue>();
  for (const key of Object.keys(attributes)) {
    const value = attributeValue(attributes[key], 0);
    if (value !== undefined) map.set(key, value);
  }
  return map;
}

const MAX_DEPTH = 32;

/** The SDK checks attributes loosely: what is no attribute value is left out, as OTLP exporters do. */
function attributeValue(value: unknown, depth: number): AttributeValue | undefined {
  switch (typeof value) {
    case 'number':
      // As exporters send it: a whole number is an int64, and beyond 2^53 those are bigint.
      return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 2 ** 63
        ? BigInt(value)
        : value;
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'object': {
      if (value === null || depth >= MAX_DEPTH) return null;
      if (value instanceof Uint8Array) return value;
      if (Array.isArray(value)) return value.map((each) => attributeValue(each, depth + 1) ?? null);
      const object = Object.create(null) as { [key: string]: AttributeValue };
      for (const [key, each] of Object.entries(value)) object[key] = attributeValue(each, depth + 1) ?? null;
      return object;
    }
    default:
      return undefined;
  }
}
