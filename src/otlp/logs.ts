import {
  type Attributes,
  type AttributeValue,
  blankSpan,
  type Scope,
  type Span,
  type UnreadableSpan,
} from '../span.ts';
import { checkId, type Item, unreadable } from './items.ts';

/** An OTLP LogRecord, as far as an agent's content needs it. */
export interface LogRecord {
  /** 32 lower-case hex digits, or empty outside of any trace. */
  traceId: string;
  /** 16 lower-case hex digits, or empty. */
  spanId: string;
  /** `event_name`; empty for a plain log record. */
  eventName: string;
  /** When it happened, or else when it was observed. */
  timeUnixNano: bigint;
  body: AttributeValue;
  attributes: Attributes;
  droppedCount: number;
  scope: Scope;
  resource: Attributes;
}

/** Every log record of a request, in order; the unreadable apart. */
export interface DecodedLogs {
  logs: LogRecord[];
  unreadable: UnreadableSpan[];
}

export function takeLogs<Encoded>(
  items: Iterable<Item<Encoded>>,
  read: (encoded: Encoded, log: LogRecord) => void,
): DecodedLogs {
  const out: DecodedLogs = { logs: [], unreadable: [] };
  for (const item of items) {
    const log = blankLog(item.scope, item.resource);
    const fill = () => {
      read(item.encoded, log);
      checkIds(log);
    };
    const failure = unreadable(item, fill, () => asSpan(log));
    if (failure === undefined) out.logs.push(log);
    else out.unreadable.push(failure);
  }
  return out;
}

/** A log record may stand outside of any trace. */
function checkIds(log: LogRecord): void {
  if (/^0*$/.test(log.traceId)) log.traceId = '';
  else checkId('trace', log.traceId);
  if (/^0*$/.test(log.spanId)) log.spanId = '';
  else checkId('span', log.spanId);
}

function asSpan({ scope, resource, traceId, spanId, eventName, attributes }: LogRecord): Span {
  return { ...blankSpan(scope, resource), traceId, spanId, name: eventName, attributes };
}

function blankLog(scope: Scope, resource: Attributes): LogRecord {
  return {
    traceId: '',
    spanId: '',
    eventName: '',
    timeUnixNano: 0n,
    body: null,
    attributes: new Map(),
    droppedCount: 0,
    scope,
    resource,
  };
}
