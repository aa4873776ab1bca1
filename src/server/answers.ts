import { type ErrorCode, isSpanledgerError } from '../errors.ts';

/** The two encodings of OTLP/HTTP. An answer comes in the request's own. */
export type Encoding = 'protobuf' | 'json';

export const CONTENT_TYPES: { [E in Encoding]: string } = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

export type Signal = 'traces' | 'logs' | 'metrics';

/** What the answer calls the items that were not taken as they are. */
const REJECTED: { [S in Signal]: string } = {
  traces: 'rejectedSpans',
  logs: 'rejectedLogRecords',
  metrics: 'rejectedDataPoints',
};

/**
 * An `ExportTraceServiceResponse`, or that of logs or metrics, which differ in one name: empty, or with
 *
 *   1  partial_success
 *        1  rejected_spans  int64
 *        2  error_message   string
 */
export function exportAnswer(signal: Signal, encoding: Encoding, rejected: number, message: string): Buffer {
  if (encoding === 'json') {
    const partial =
      rejected === 0
        ? {}
        : { partialSuccess: { [REJECTED[signal]]: String(rejected), errorMessage: message } };
    return Buffer.from(JSON.stringify(partial));
  }
  if (rejected === 0) return Buffer.alloc(0);
  return bytesField(1, Buffer.concat([varintField(1, rejected), bytesField(2, Buffer.from(message))]));
}

/**
 * A `google.rpc.Status`, which the OTLP specification asks for in every answer that is no success:
 *
 *   1  code     int32
 *   2  message  string
 *   3  details  google.protobuf.Any
 *
 * @param retryAfter seconds; in protobuf they are told in a `google.rpc.RetryInfo` among the details.
 */
export function statusAnswer(encoding: Encoding, code: number, message: string, retryAfter?: number): Buffer {
  if (encoding === 'json') return Buffer.from(JSON.stringify({ code, message }));
  const status = [varintField(1, code), bytesField(2, Buffer.from(message))];
  if (retryAfter !== undefined) status.push(bytesField(3, retryInfo(retryAfter)));
  return Buffer.concat(status);
}

/** An Any (1 type_url, 2 value) of a RetryInfo, whose field 1 is a Duration, whose field 1 is seconds. */
function retryInfo(seconds: number): Buffer {
  const type = Buffer.from('type.googleapis.com/google.rpc.RetryInfo');
  return Buffer.concat([bytesField(1, type), bytesField(2, bytesField(1, varintField(1, seconds)))]);
}

function varintField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function bytesField(number: number, value: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A request that is answered with this HTTP status. */
export class Refusal extends Error {
  readonly status: number;
  /** Of google.rpc.Code. */
  readonly code: number;
  readonly headers: { [name: string]: string };

  constructor(status: keyof typeof RPC_CODES, message: string, headers: { [name: string]: string } = {}) {
    super(message);
    this.status = status;
    this.code = RPC_CODES[status];
    this.headers = headers;
  }
}

const RPC_CODES = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  405: 12,
  409: 10,
  413: 8,
  415: 3,
  429: 8,
  503: 14,
} as const;

/** What passes by itself, or with a new process: so many seconds until the next try makes sense. */
const RETRY_AFTER: { [C in ErrorCode]?: number } = {
  journal_full: 30,
  journal_broken: 30,
  understanding_unavailable: 1,
};
const RETRY_OTHER_AFTER = 5;

/** Neither a refusal nor anything that is known to go wrong: a bug of ours. */
export function isBug(error: unknown): boolean {
  return !(error instanceof Refusal) && !isSpanledgerError(error);
}

/**
 * What went wrong, as an HTTP status. What is not the sender's fault is to be retried, a bug of ours too: an
 * exporter drops for good what it was answered 500.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const code = isSpanledgerError(error) ? error.code : 'internal';
  if (isSpanledgerError(error, 'otlp_undecodable')) return new Refusal(400, error.message);
  const seconds = RETRY_AFTER[code as ErrorCode] ?? RETRY_OTHER_AFTER;
  // Its message may name paths, or quote: it is for whoever runs this.
  return new Refusal(503, `nothing can be recorded now: ${code}`, { 'retry-after': String(seconds) });
}
