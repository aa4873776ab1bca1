import protobuf from 'protobufjs';
import { type AnyModel, hex, type PairModel, type RequestModel, type SpanModel } from './otlp-model.ts';
import { TraceRequest } from './otlp-proto.ts';

/** The request in OTLP/protobuf, fields in ascending order as every exporter writes them. */
export function encodeProtobuf(request: RequestModel): Buffer {
  return Buffer.from(TraceRequest.encode(protobufRequest(request)).finish());
}

function protobufRequest({ resources }: RequestModel): object {
  return {
    resourceSpans: resources.map(({ attributes, scopes }) => ({
      resource: { attributes: attributes.map(protobufPair) },
      scopeSpans: scopes.map(({ name, version, spans }) => ({
        scope: { name, version },
        spans: spans.map(protobufSpan),
      })),
    })),
  };
}

export function protobufSpan(span: SpanModel): object {
  const [droppedAttributesCount, droppedEventsCount, droppedLinksCount] = span.dropped;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    traceState: span.traceState,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: halves(span.start),
    endTimeUnixNano: halves(span.end),
    attributes: span.attributes.map(protobufPair),
    droppedAttributesCount,
    events: span.events.map(({ time, name, attributes }) => ({
      timeUnixNano: halves(time),
      name,
      attributes: attributes.map(protobufPair),
      droppedAttributesCount: 1,
    })),
    droppedEventsCount,
    links: span.links.map((link) => ({ ...link, attributes: link.attributes.map(protobufPair) })),
    droppedLinksCount,
    status: span.status,
    flags: 0x101,
  };
}

function protobufPair([key, value]: PairModel): object {
  return { key, value: protobufAny(value) };
}

function protobufAny(any: AnyModel): object {
  switch (any.is) {
    case 'empty':
      return {};
    case 'int':
      return { intValue: halves(any.value) };
    case 'array':
      return { arrayValue: { values: any.value.map(protobufAny) } };
    case 'kvlist':
      return { kvlistValue: { values: any.value.map(protobufPair) } };
    default:
      return { [`${any.is}Value`]: any.value };
  }
}

/** What protobufjs takes for a 64-bit integer. */
function halves(value: bigint): { low: number; high: number } {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
}

/**
 * The same message as another sender might write it: fields of different numbers in any order (those of one
 * number keep theirs), and fields nobody knows in between, in every message at every depth.
 */
export function scramble(bytes: Uint8Array, seed: number, type: protobuf.Type = TraceRequest): Buffer {
  const random = randomFrom(seed);
  const fields = new Map<number, Uint8Array[]>();
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const inner = type.fieldsById[tag >>> 3]?.resolvedType;
    let field: Uint8Array;
    if (inner instanceof protobuf.Type) {
      const message = scramble(reader.bytes(), random(), inner);
      field = protobuf.Writer.create().uint32(tag).bytes(message).finish();
    } else {
      reader.skipType(tag & 7);
      field = bytes.subarray(start, reader.pos);
    }
    fields.set(tag >>> 3, [...(fields.get(tag >>> 3) ?? []), field]);
  }
  if (random() % 2 === 0) fields.set(1_000, [unknownField(random())]);
  const order = [...fields.entries()].flatMap(([number, { length }]) => Array<number>(length).fill(number));
  for (let i = order.length - 1; i > 0; i--) {
    const j = random() % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return Buffer.concat(order.map((number) => fields.get(number)!.shift()!));
}

/** One of each wire type. */
function unknownField(random: number): Uint8Array {
  const writer = protobuf.Writer.create();
  switch (random % 4) {
    case 0:
      return writer
        .uint32((1_000 << 3) | 0)
        .uint32(random)
        .finish();
    case 1:
      return writer
        .uint32((1_000 << 3) | 1)
        .double(random)
        .finish();
    case 2:
      return writer
        .uint32((1_000 << 3) | 2)
        .string('{"resourceSpans":[]}')
        .finish();
    default:
      return writer
        .uint32((1_000 << 3) | 5)
        .fixed32(random)
        .finish();
  }
}

/** mulberry32: a property test needs its own randomness, so that a seed repeats a failure. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Liberties OTLP/JSON senders take. */
export interface JsonHabits {
  /** 64-bit integers as JSON numbers where JSON can hold them, as OTel JS does. */
  numbers?: boolean;
  /** Enums by name. */
  names?: boolean;
  /** Ids in capitals. */
  capitals?: boolean;
  /** Fields nobody knows, and known fields by their protobuf names, which mean nothing in OTLP/JSON. */
  extras?: boolean;
}

/** The request as OTLP/JSON has it: lowerCamelCase, ids in hex, 64-bit integers in decimal text, bytes in base64. */
export function jsonRequest({ resources }: RequestModel, habits: JsonHabits = {}): object {
  return {
    resourceSpans: resources.map(({ attributes, scopes }) => ({
      resource: { attributes: attributes.map((pair) => jsonPair(pair, habits)) },
      scopeSpans: scopes.map(({ name, version, spans }) => ({
        scope: { name, version },
        spans: spans.map((span) => jsonSpan(span, habits)),
      })),
    })),
  };
}

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const CODES = ['UNSET', 'OK', 'ERROR'];

function jsonSpan(span: SpanModel, habits: JsonHabits): object {
  const [droppedAttributesCount, droppedEventsCount, droppedLinksCount] = span.dropped;
  const id = (bytes: Uint8Array) => (habits.capitals ? hex(bytes).toUpperCase() : hex(bytes));
  const { code, message } = span.status;
  return {
    ...(habits.extras
      ? { trace_id: 'no', span_id: 'no', start_time_unix_nano: 'no', flags: 257, who: {} }
      : {}),
    traceId: id(span.traceId),
    spanId: id(span.spanId),
    traceState: span.traceState,
    parentSpanId: id(span.parentSpanId),
    name: span.name,
    kind: habits.names ? `SPAN_KIND_${KINDS[span.kind]}` : span.kind,
    startTimeUnixNano: jsonInteger(span.start, habits),
    endTimeUnixNano: jsonInteger(span.end, habits),
    attributes: span.attributes.map((pair) => jsonPair(pair, habits)),
    droppedAttributesCount,
    events: span.events.map((event) => ({
      name: event.name,
      timeUnixNano: jsonInteger(event.time, habits),
      attributes: event.attributes.map((pair) => jsonPair(pair, habits)),
    })),
    droppedEventsCount,
    links: span.links.map((link) => ({ traceId: id(link.traceId), spanId: id(link.spanId) })),
    droppedLinksCount,
    status: { code: habits.names ? `STATUS_CODE_${CODES[code]}` : code, message },
  };
}

function jsonPair([key, value]: PairModel, habits: JsonHabits): object {
  return { key, value: jsonAny(value, habits) };
}

function jsonAny(any: AnyModel, habits: JsonHabits): object {
  switch (any.is) {
    case 'empty':
      return {};
    case 'int':
      return { intValue: jsonInteger(any.value, habits) };
    case 'double':
      return { doubleValue: jsonDouble(any.value) };
    case 'bytes':
      return { bytesValue: Buffer.from(any.value).toString('base64') };
    case 'array':
      return { arrayValue: { values: any.value.map((each) => jsonAny(each, habits)) } };
    case 'kvlist':
      return { kvlistValue: { values: any.value.map((pair) => jsonPair(pair, habits)) } };
    default:
      return { [`${any.is}Value`]: any.value };
  }
}

function jsonInteger(value: bigint, habits: JsonHabits): string | number {
  return habits.numbers && Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** proto3 JSON says NaN and the infinities in text; so must be -0, which JSON.stringify forgets. */
function jsonDouble(value: number): string | number {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}
