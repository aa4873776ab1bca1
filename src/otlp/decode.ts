import { SpanledgerError } from '../errors.ts';
import type { Span, UnreadableSpan } from '../span.ts';
import { logsIn } from './json-logs.ts';
import { spansIn } from './json-traces.ts';
import { parseRequest } from './json-values.ts';
import type { LogRecord } from './logs.ts';
import { decodeLogsProtobuf } from './protobuf-logs.ts';
import { decodeTracesProtobuf } from './protobuf-traces.ts';

/** One request of a file: of traces, of logs, or both. */
export interface Decoded {
  spans: Span[];
  logs: LogRecord[];
  unreadable: UnreadableSpan[];
}

/**
 * Reads a file of OTLP traces or logs, telling its form from its bytes: one JSON document, JSON by line, or
 * protobuf.
 *
 * @throws SpanledgerError `otlp_undecodable`, naming the line where there are lines.
 */
export function* decodeFile(bytes: Uint8Array): Generator<Decoded> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length === 0) throw new SpanledgerError('otlp_undecodable', 'the file is empty');
  const start = firstVisible(buffer);
  if (start < 0) throw new SpanledgerError('otlp_undecodable', 'the file holds only white space');
  const looksLikeJson = buffer[start] === OPEN_BRACE || buffer[start] === OPEN_BRACKET;
  // The first byte of a protobuf request, the tag of its resources, is also a line feed, and its length may
  // be an open brace: text that begins with a line feed is JSON only if it isn't protobuf.
  if (looksLikeJson && !(buffer[0] === LINE_FEED && isProtobuf(buffer)))
    yield* decodeText(buffer.toString('utf8', start), linesBefore(buffer, start));
  else yield requireContent(decodeProtobuf(buffer));
}

function isProtobuf(buffer: Buffer): boolean {
  try {
    return sizeOf(decodeProtobuf(buffer)) > 0;
  } catch {
    return false;
  }
}

/** Nothing in the bytes says which request they are, but no request of either kind is also one of the other. */
function decodeProtobuf(buffer: Buffer): Decoded {
  try {
    return { logs: [], ...decodeTracesProtobuf(buffer) };
  } catch (error) {
    try {
      return { spans: [], ...decodeLogsProtobuf(buffer) };
    } catch {
      throw error;
    }
  }
}

function decodeJson(text: string): Decoded {
  const request = parseRequest(text);
  if (request.body.resourceLogs === undefined) return { logs: [], ...spansIn(request) };
  const logs = logsIn(request);
  if (request.body.resourceSpans === undefined) return { spans: [], ...logs };
  const traces = spansIn(request);
  return { ...traces, ...logs, unreadable: [...traces.unreadable, ...logs.unreadable] };
}

const LINE_FEED = 0x0a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

function linesBefore(buffer: Buffer, end: number): number {
  let lines = 0;
  for (let i = 0; i < end; i++) if (buffer[i] === LINE_FEED) lines += 1;
  return lines;
}

function* decodeText(text: string, before: number): Generator<Decoded> {
  const lines = text.split('\n');
  const [first, ...rest] = lines;
  const more = rest.filter((line) => line.trim() !== '');
  // A document's own lines are indented or close it; by line, another object begins, or the first is whole.
  const byLine = more.length > 0 && (more.some((line) => line.startsWith('{')) || isJson(first!));
  if (!byLine) {
    yield decodeJson(text);
    return;
  }
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    try {
      yield decodeJson(line);
    } catch (error) {
      if (!(error instanceof SpanledgerError)) throw error;
      throw new SpanledgerError(error.code, `line ${before + index + 1}: ${error.message}`, { cause: error });
    }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function firstVisible(buffer: Buffer): number {
  const isWhite = (byte: number) => byte === 0x20 || byte === 0x09 || byte === LINE_FEED || byte === 0x0d;
  // A UTF-8 byte order mark is passed over with the white space.
  const from = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf ? 3 : 0;
  for (let i = from; i < buffer.length; i++) if (!isWhite(buffer[i]!)) return i;
  return -1;
}

/** Bytes that happen to parse as unknown fields only are not a request anybody sent. */
function requireContent(decoded: Decoded): Decoded {
  if (sizeOf(decoded) > 0) return decoded;
  throw new SpanledgerError('otlp_undecodable', 'it holds no spans and no log records', {
    hint: 'give a file of OTLP traces or logs: JSON, JSON by line, or protobuf',
  });
}

function sizeOf({ spans, logs, unreadable }: Decoded): number {
  return spans.length + logs.length + unreadable.length;
}
