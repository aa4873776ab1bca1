/**
 * The one span shape every step shares: what OTLP protobuf, OTLP JSON, the SDK's ReadableSpan and our own
 * adapters all become.
 */

/**
 * An OTLP AnyValue. 64-bit integers are `number` when safe and `bigint` beyond 2^53; an empty AnyValue is
 * `null`; a kvlist is an object without a prototype, so that a key named `__proto__` is only a key.
 */
export type AttributeValue =
  | string
  | number
  | boolean
  | bigint
  | Uint8Array
  | null
  | AttributeValue[]
  | { [key: string]: AttributeValue };

export type Attributes = ReadonlyMap<string, AttributeValue>;

/** OTLP `SpanKind`. */
export const SpanKind = {
  unspecified: 0,
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
} as const;

/** OTLP `Status.StatusCode`. */
export const StatusCode = { unset: 0, ok: 1, error: 2 } as const;

export interface SpanEvent {
  name: string;
  timeUnixNano: bigint;
  attributes: Attributes;
}

export interface SpanLink {
  traceId: string;
  spanId: string;
}

export interface Scope {
  name: string;
  version: string;
}

export interface Span {
  /** 32 lower-case hex digits. */
  traceId: string;
  /** 16 lower-case hex digits. */
  spanId: string;
  /** 16 lower-case hex digits, or absent for a root. */
  parentSpanId: string | undefined;
  name: string;
  kind: number;
  startTimeUnixNano: bigint;
  /** 0n while the span is still running. */
  endTimeUnixNano: bigint;
  attributes: Attributes;
  events: SpanEvent[];
  links: SpanLink[];
  status: { code: number; message: string };
  /** Attributes, events and links the sender dropped at its own limits: the record of such a span is incomplete. */
  droppedCount: number;
  scope: Scope;
  resource: Attributes;
}

/** A span that cannot be taken as it is: it goes to quarantine and is counted. */
export interface UnreadableSpan {
  /** Which rule it broke, e.g. `trace_id_invalid`. */
  reason: string;
  detail: string;
  /** The span's own bytes as they came (protobuf, or its JSON text). Unredacted: they reach no disk. */
  raw: Uint8Array;
  /** As far as it was read. */
  partial: Span;
}

export function blankSpan(scope: Scope, resource: Attributes): Span {
  return {
    traceId: '',
    spanId: '',
    parentSpanId: undefined,
    name: '',
    kind: SpanKind.unspecified,
    startTimeUnixNano: 0n,
    endTimeUnixNano: 0n,
    attributes: new Map(),
    events: [],
    links: [],
    status: { code: StatusCode.unset, message: '' },
    droppedCount: 0,
    scope,
    resource,
  };
}

export function stringAttribute(attributes: Attributes, key: string): string | undefined {
  const value = attributes.get(key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function plainObject(values: ReadonlyMap<string, AttributeValue>): { [key: string]: AttributeValue } {
  const object = Object.create(null) as { [key: string]: AttributeValue };
  for (const [key, value] of values) object[key] = value;
  return object;
}
