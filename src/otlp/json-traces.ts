import type { Span, SpanEvent, SpanLink } from '../span.ts';
import {
  count,
  enumeration,
  id,
  isObject,
  itemsIn,
  type JsonObject,
  type JsonRequest,
  nanoseconds,
  parseRequest,
  readAttributes,
  some,
  text as textOf,
} from './json-values.ts';
import { type DecodedTraces, takeSpans } from './traces.ts';

/**
 * Reads an `ExportTraceServiceRequest` in OTLP/JSON: lowerCamelCase names, ids in hex (not base64), enums as
 * integers, 64-bit integers as decimal strings. Numbers are taken for 64-bit integers too, and enum names for
 * enums, since exporters send them. Unknown names are ignored, as the specification asks.
 *
 * @throws SpanledgerError `otlp_undecodable` when the text is no such request.
 */
export function decodeTracesJson(text: string): DecodedTraces {
  return spansIn(parseRequest(text));
}

/** The same of a request that is parsed already. */
export function spansIn(request: JsonRequest): DecodedTraces {
  return takeSpans(itemsIn(request, LAYOUT), readSpan);
}

const LAYOUT = {
  resources: 'resourceSpans',
  // instrumentationLibrarySpans is what scopeSpans was called before OTLP 0.19.
  scopes: ['scopeSpans', 'instrumentationLibrarySpans'],
  items: 'spans',
};

function readSpan(json: JsonObject, span: Span): void {
  span.traceId = id(json.traceId);
  span.spanId = id(json.spanId);
  span.parentSpanId = id(json.parentSpanId) || undefined;
  span.name = textOf(json.name);
  span.kind = enumeration(json.kind, SPAN_KINDS);
  span.startTimeUnixNano = nanoseconds(json.startTimeUnixNano);
  span.endTimeUnixNano = nanoseconds(json.endTimeUnixNano);
  span.status = readStatus(json.status);
  span.attributes = readAttributes(json.attributes);
  span.events = some(json, 'events').map(readEvent);
  span.links = some(json, 'links').map(readLink);
  span.droppedCount =
    count(json.droppedAttributesCount) + count(json.droppedEventsCount) + count(json.droppedLinksCount);
}

function readEvent(json: JsonObject): SpanEvent {
  return {
    name: textOf(json.name),
    timeUnixNano: nanoseconds(json.timeUnixNano),
    attributes: readAttributes(json.attributes),
  };
}

function readLink(json: JsonObject): SpanLink {
  return { traceId: id(json.traceId), spanId: id(json.spanId) };
}

function readStatus(json: unknown): Span['status'] {
  if (!isObject(json)) return { code: 0, message: '' };
  return { code: enumeration(json.code, STATUS_CODES), message: textOf(json.message) };
}

const SPAN_KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map(
  (n) => `SPAN_KIND_${n}`,
);
const STATUS_CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'];
