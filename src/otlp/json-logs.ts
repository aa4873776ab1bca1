import {
  count,
  id,
  isObject,
  itemsIn,
  type JsonObject,
  type JsonRequest,
  nanoseconds,
  parseRequest,
  readAnyValue,
  readAttributes,
  text as textOf,
} from './json-values.ts';
import { type DecodedLogs, type LogRecord, takeLogs } from './logs.ts';

/**
 * Reads an `ExportLogsServiceRequest` in OTLP/JSON.
 *
 * @throws SpanledgerError `otlp_undecodable` when the text is no such request.
 */
export function decodeLogsJson(text: string): DecodedLogs {
  return logsIn(parseRequest(text));
}

/** The same of a request that is parsed already. */
export function logsIn(request: JsonRequest): DecodedLogs {
  return takeLogs(itemsIn(request, LAYOUT), readLog);
}

const LAYOUT = { resources: 'resourceLogs', scopes: ['scopeLogs'], items: 'logRecords' };

function readLog(json: JsonObject, log: LogRecord): void {
  log.traceId = id(json.traceId);
  log.spanId = id(json.spanId);
  log.eventName = textOf(json.eventName);
  log.timeUnixNano = nanoseconds(json.timeUnixNano) || nanoseconds(json.observedTimeUnixNano);
  log.body = isObject(json.body) ? readAnyValue(json.body, 0) : null;
  log.attributes = readAttributes(json.attributes);
  log.droppedCount = count(json.droppedAttributesCount);
}
