import fc from 'fast-check';
import type { Attributes, AttributeValue, Span } from '../../src/span.ts';

/** A request as the sender means it, from which both encodings and the expected spans are made. */
export interface RequestModel {
  resources: ResourceModel[];
}

export interface ResourceModel {
  attributes: PairModel[];
  scopes: { name: string; version: string; spans: SpanModel[] }[];
}

export interface SpanModel {
  traceId: Uint8Array;
  spanId: Uint8Array;
  /** Empty or all zeros: a root. */
  parentSpanId: Uint8Array;
  traceState: string;
  name: string;
  kind: number;
  start: bigint;
  end: bigint;
  attributes: PairModel[];
  dropped: [attributes: number, events: number, links: number];
  events: { time: bigint; name: string; attributes: PairModel[] }[];
  links: { traceId: Uint8Array; spanId: Uint8Array; attributes: PairModel[] }[];
  status: { code: number; message: string };
}

export type PairModel = [key: string, value: AnyModel];

export type AnyModel =
  | { is: 'empty' }
  | { is: 'string'; value: string }
  | { is: 'bool'; value: boolean }
  | { is: 'int'; value: bigint }
  | { is: 'double'; value: number }
  | { is: 'bytes'; value: Uint8Array }
  | { is: 'array'; value: AnyModel[] }
  | { is: 'kvlist'; value: PairModel[] };

export function expectedSpans(request: RequestModel): Span[] {
  return request.resources.flatMap((resource) =>
    resource.scopes.flatMap(({ name, version, spans }) =>
      spans.map((span) => expectedSpan(span, { name, version }, mapOf(resource.attributes))),
    ),
  );
}

function expectedSpan(span: SpanModel, scope: Span['scope'], resource: Attributes): Span {
  const [attributes, events, links] = span.dropped;
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: span.parentSpanId.some((byte) => byte !== 0) ? hex(span.parentSpanId) : undefined,
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: span.start,
    endTimeUnixNano: span.end,
    attributes: mapOf(span.attributes),
    events: span.events.map((event) => ({
      name: event.name,
      timeUnixNano: event.time,
      attributes: mapOf(event.attributes),
    })),
    links: span.links.map((link) => ({ traceId: hex(link.traceId), spanId: hex(link.spanId) })),
    status: span.status,
    droppedCount: attributes + events + links,
    scope,
    resource,
  };
}

function mapOf(pairs: PairModel[]): Attributes {
  return new Map(pairs.map(([key, value]) => [key, attributeValue(value)]));
}

function attributeValue(any: AnyModel): AttributeValue {
  switch (any.is) {
    case 'empty':
      return null;
    case 'int':
      return any.value >= -(2n ** 53n) + 1n && any.value <= 2n ** 53n - 1n ? Number(any.value) : any.value;
    case 'array':
      return any.value.map(attributeValue);
    case 'kvlist': {
      const object = Object.create(null) as { [key: string]: AttributeValue };
      for (const [key, value] of any.value) object[key] = attributeValue(value);
      return object;
    }
    default:
      return any.value;
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

// Code points of every plane, but no lone surrogates: protobuf's strings cannot hold them.
const text = fc.string({ unit: 'binary', maxLength: 12 });
const key = fc.oneof(text, fc.constantFrom('', '__proto__', 'constructor', 'toString', 'gen_ai.system'));
const uint32 = fc.oneof(fc.nat(3), fc.constantFrom(0xffff_ffff, 0x8000_0000));
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 2n ** 63n, 2n ** 64n - 1n),
);
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -300n, max: 300n }),
  fc.constantFrom(
    ...[31n, 32n, 53n].flatMap((bits) => [2n ** bits, 2n ** bits - 1n, -(2n ** bits), 1n - 2n ** bits]),
    2n ** 63n - 1n,
    -(2n ** 63n),
  ),
);
const double = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 0, 5e-324, 1e300));

const { pair } = fc.letrec<{ any: AnyModel; pair: PairModel }>((tie) => ({
  pair: fc.tuple(key, tie('any')),
  any: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constant<AnyModel>({ is: 'empty' }),
    text.map((value): AnyModel => ({ is: 'string', value })),
    fc.boolean().map((value): AnyModel => ({ is: 'bool', value })),
    int64.map((value): AnyModel => ({ is: 'int', value })),
    double.map((value): AnyModel => ({ is: 'double', value })),
    fc.uint8Array({ maxLength: 9 }).map((value): AnyModel => ({ is: 'bytes', value })),
    fc.array(tie('any'), { maxLength: 4 }).map((value): AnyModel => ({ is: 'array', value })),
    fc.array(tie('pair'), { maxLength: 4 }).map((value): AnyModel => ({ is: 'kvlist', value })),
  ),
}));

const pairs = fc.array(pair, { maxLength: 5 });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

export const anySpan: fc.Arbitrary<SpanModel> = fc.record({
  traceId: bytes(16),
  spanId: bytes(8),
  parentSpanId: fc.oneof(bytes(8), fc.constantFrom(new Uint8Array(0), new Uint8Array(8))),
  traceState: text,
  name: text,
  kind: fc.nat(5),
  start: uint64,
  end: uint64,
  attributes: pairs,
  dropped: fc.tuple(uint32, uint32, uint32),
  events: fc.array(fc.record({ time: uint64, name: text, attributes: pairs }), { maxLength: 3 }),
  links: fc.array(fc.record({ traceId: bytes(16), spanId: bytes(8), attributes: pairs }), { maxLength: 2 }),
  status: fc.record({ code: fc.nat(2), message: text }),
});

export const anyRequest: fc.Arbitrary<RequestModel> = fc.record({
  resources: fc.array(
    fc.record({
      attributes: pairs,
      scopes: fc.array(fc.record({ name: text, version: text, spans: fc.array(anySpan, { maxLength: 3 }) }), {
        minLength: 1,
        maxLength: 2,
      }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

/** A request of one valid span each, for tests that break one of them. */
export function plainSpan(name: string, changes: Partial<SpanModel> = {}): SpanModel {
  return {
    traceId: new Uint8Array(16).fill(0xab),
    spanId: new Uint8Array(8).fill(0xcd),
    parentSpanId: new Uint8Array(0),
    traceState: '',
    name,
    kind: 1,
    start: 1_700_000_000_000_000_000n,
    end: 1_700_000_000_000_000_001n,
    attributes: [],
    dropped: [0, 0, 0],
    events: [],
    links: [],
    status: { code: 0, message: '' },
    ...changes,
  };
}

export function requestOf(spans: SpanModel[], attributes: PairModel[] = []): RequestModel {
  return { resources: [{ attributes, scopes: [{ name: 'scope', version: '1', spans }] }] };
}

/** `levels` arrays, one in the other, around an empty value: that many levels below the attribute. */
export function nested(levels: number): AnyModel {
  let value: AnyModel = { is: 'empty' };
  for (let i = 0; i < levels; i++) value = { is: 'array', value: [value] };
  return value;
}
