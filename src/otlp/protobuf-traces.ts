import type { AttributeValue, Span, SpanEvent, SpanLink } from '../span.ts';
import { Limits, within } from './limits.ts';
import { itemsIn, readKeyValue } from './protobuf-values.ts';
import { type DecodedTraces, takeSpans } from './traces.ts';
import { field, malformed, type WireReader } from './wire.ts';

/**
 * Reads an `ExportTraceServiceRequest` (or `TracesData`, the same bytes), opentelemetry-proto 1.x.
 *
 * @throws SpanledgerError `otlp_undecodable` when the bytes are no such message.
 */
export function decodeTracesProtobuf(body: Uint8Array): DecodedTraces {
  return takeSpans(itemsIn(body), readSpan);
}

/**
 *    1  trace_id                  bytes
 *    2  span_id                   bytes
 *    4  parent_span_id            bytes
 *    5  name                      string
 *    6  kind                      enum
 *    7  start_time_unix_nano      fixed64
 *    8  end_time_unix_nano        fixed64
 *    9  attributes                KeyValue  repeated
 *   10  dropped_attributes_count  uint32
 *   11  events                    Event  repeated
 *   12  dropped_events_count      uint32
 *   13  links                     Link  repeated
 *   14  dropped_links_count       uint32
 *   15  status                    Status
 */
function readSpan(reader: WireReader, span: Span): void {
  within('span_too_large', reader.end - reader.pos, Limits.spanBytes);
  const attributes = new Map<string, AttributeValue>();
  span.attributes = attributes;
  while (!reader.done) {
    const tag = reader.tag();
    switch (tag) {
      case field(1, 'bytes'):
        span.traceId = reader.hex();
        break;
      case field(2, 'bytes'):
        span.spanId = reader.hex();
        break;
      case field(4, 'bytes'):
        span.parentSpanId = reader.hex() || undefined;
        break;
      case field(5, 'bytes'):
        span.name = reader.string();
        break;
      case field(6, 'varint'):
        span.kind = Number(reader.int64());
        break;
      case field(7, 'fixed64'):
        span.startTimeUnixNano = reader.fixed64();
        break;
      case field(8, 'fixed64'):
        span.endTimeUnixNano = reader.fixed64();
        break;
      case field(9, 'bytes'):
        readKeyValue(reader.message(), attributes, 0);
        break;
      case field(11, 'bytes'):
        within('events_too_many', span.events.length + 1, Limits.events);
        span.events.push(readEvent(reader.message()));
        break;
      case field(13, 'bytes'):
        within('links_too_many', span.links.length + 1, Limits.events);
        span.links.push(readLink(reader.message()));
        break;
      case field(10, 'varint'):
      case field(12, 'varint'):
      case field(14, 'varint'):
        span.droppedCount += Number(reader.int64());
        break;
      case field(15, 'bytes'):
        span.status = readStatus(reader.message());
        break;
      default:
        // A LogRecord's fields 1 and 11 are fixed64: this tells a logs request from a malformed trace.
        if (tag >>> 3 <= 2 || tag === field(11, 'fixed64'))
          throw malformed('a span whose id is no bytes (a logs or metrics request?)', reader.pos);
        reader.skip(tag);
    }
  }
}

/**
 *   1  time_unix_nano            fixed64
 *   2  name                      string
 *   3  attributes                KeyValue  repeated
 */
function readEvent(reader: WireReader): SpanEvent {
  const attributes = new Map<string, AttributeValue>();
  const event = { name: '', timeUnixNano: 0n, attributes };
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'fixed64')) event.timeUnixNano = reader.fixed64();
    else if (tag === field(2, 'bytes')) event.name = reader.string();
    else if (tag === field(3, 'bytes')) readKeyValue(reader.message(), attributes, 0);
    else reader.skip(tag);
  }
  return event;
}

/**
 *   1  trace_id  bytes
 *   2  span_id   bytes
 */
function readLink(reader: WireReader): SpanLink {
  const link = { traceId: '', spanId: '' };
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) link.traceId = reader.hex();
    else if (tag === field(2, 'bytes')) link.spanId = reader.hex();
    else reader.skip(tag);
  }
  return link;
}

/**
 *   2  message  string
 *   3  code     enum
 */
function readStatus(reader: WireReader): Span['status'] {
  const status = { code: 0, message: '' };
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(2, 'bytes')) status.message = reader.string();
    else if (tag === field(3, 'varint')) status.code = Number(reader.int64());
    else reader.skip(tag);
  }
  return status;
}
