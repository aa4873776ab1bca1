import type { AttributeValue } from '../span.ts';
import { Limits, within } from './limits.ts';
import { type DecodedLogs, type LogRecord, takeLogs } from './logs.ts';
import { itemsIn, readAnyValue, readKeyValue } from './protobuf-values.ts';
import { field, malformed, type WireReader } from './wire.ts';

/**
 * Reads an `ExportLogsServiceRequest` (or `LogsData`, the same bytes), opentelemetry-proto 1.x.
 *
 * @throws SpanledgerError `otlp_undecodable` when the bytes are no such message.
 */
export function decodeLogsProtobuf(body: Uint8Array): DecodedLogs {
  return takeLogs(itemsIn(body), readLog);
}

/**
 *    1  time_unix_nano            fixed64
 *    5  body                      AnyValue
 *    6  attributes                KeyValue  repeated
 *    7  dropped_attributes_count  uint32
 *    9  trace_id                  bytes
 *   10  span_id                   bytes
 *   11  observed_time_unix_nano   fixed64
 *   12  event_name                string
 */
function readLog(reader: WireReader, log: LogRecord): void {
  within('log_record_too_large', reader.end - reader.pos, Limits.spanBytes);
  const attributes = new Map<string, AttributeValue>();
  log.attributes = attributes;
  let observed = 0n;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'fixed64')) log.timeUnixNano = reader.fixed64();
    else if (tag === field(5, 'bytes')) log.body = readAnyValue(reader.message(), 0);
    else if (tag === field(6, 'bytes')) readKeyValue(reader.message(), attributes, 0);
    else if (tag === field(7, 'varint')) log.droppedCount = Number(reader.int64());
    else if (tag === field(9, 'bytes')) log.traceId = reader.hex();
    else if (tag === field(10, 'bytes')) log.spanId = reader.hex();
    else if (tag === field(11, 'fixed64')) observed = reader.fixed64();
    else if (tag === field(12, 'bytes')) log.eventName = reader.string();
    else if (tag >>> 3 === 1) throw malformed('a log record whose time is no time', reader.pos);
    else reader.skip(tag);
  }
  log.timeUnixNano ||= observed;
}
