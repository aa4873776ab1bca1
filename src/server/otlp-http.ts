import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { decodeLogsJson } from '../otlp/json-logs.ts';
import { decodeTracesJson } from '../otlp/json-traces.ts';
import { decodeLogsProtobuf } from '../otlp/protobuf-logs.ts';
import { decodeTracesProtobuf } from '../otlp/protobuf-traces.ts';
import { quarantine, type Understood, understand, understandLogs, type Writer } from '../pipeline.ts';
import type { Policy } from '../policy/policy.ts';
import {
  CONTENT_TYPES,
  type Encoding,
  exportAnswer,
  Refusal,
  refusalOf,
  type Signal,
  statusAnswer,
} from './answers.ts';
import { MAX_BODY_BYTES, readBody } from './body.ts';

/** Bodies held at once, before anybody is asked to wait. */
const MAX_HELD_BYTES = 8 * MAX_BODY_BYTES;

export interface ReceiverOptions {
  writer: Writer;
  policy: Policy;
}

/** What the receiver has done since it began. */
export interface ReceiverCounts {
  requests: number;
  refused: number;
  spans: number;
  quarantined: number;
  unknown: number;
}

/**
 * OTLP/HTTP: traces and logs, protobuf and JSON. A request is answered with success when what it holds is durable:
 * `fdatasync` has returned. Requests that come while one sync runs share the next.
 */
export class OtlpReceiver {
  readonly counts: ReceiverCounts = { requests: 0, refused: 0, spans: 0, quarantined: 0, unknown: 0 };
  readonly #options: ReceiverOptions;
  readonly #server: Server;
  #held = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.keepAliveTimeout = 65_000;
  }

  /** Resolves with the port once it listens. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Takes no new requests and resolves when those under way are answered. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.counts.requests += 1;
    let encoding: Encoding = 'json';
    try {
      const signal = signalOf(request);
      encoding = encodingOf(request);
      const { rejected, message } = await this.#take(signal, encoding, request);
      send(response, 200, encoding, exportAnswer(signal, encoding, rejected, message));
    } catch (error) {
      this.counts.refused += 1;
      const { status, code, message, headers } = refusalOf(error);
      // What is left of the body is not worth reading.
      if (!request.complete) response.setHeader('connection', 'close');
      send(response, status, encoding, statusAnswer(encoding, code, message), headers);
    }
  }

  async #take(
    signal: Signal,
    encoding: Encoding,
    request: IncomingMessage,
  ): Promise<{ rejected: number; message: string }> {
    const expected = Math.min(Number(request.headers['content-length'] ?? 0), MAX_BODY_BYTES);
    if (this.#held + expected > MAX_HELD_BYTES)
      throw new Refusal(429, 'too much is under way', { 'retry-after': '1' });
    this.#held += expected;
    try {
      const body = await readBody(request);
      if (signal === 'metrics') return { rejected: 0, message: '' };
      return await this.#record(this.#understand(signal, encoding, body));
    } finally {
      this.#held -= expected;
    }
  }

  #understand(signal: 'traces' | 'logs', encoding: Encoding, body: Buffer): Understood[] {
    const { policy } = this.#options;
    if (signal === 'logs') {
      const { logs, unreadable } =
        encoding === 'json' ? decodeLogsJson(body.toString()) : decodeLogsProtobuf(body);
      return [...understandLogs(logs, policy), ...unreadable.map((each) => quarantine(each, policy))];
    }
    const { spans, unreadable } =
      encoding === 'json' ? decodeTracesJson(body.toString()) : decodeTracesProtobuf(body);
    this.counts.spans += spans.length + unreadable.length;
    return [
      ...spans.map((span) => understand(span, policy)),
      ...unreadable.map((each) => quarantine(each, policy)),
    ];
  }

  /** What is quarantined is kept, and the sender is told, so that nobody sends it again or thinks it recorded. */
  async #record(batch: readonly Understood[]): Promise<{ rejected: number; message: string }> {
    if (batch.length === 0) return { rejected: 0, message: '' };
    const { quarantined, unknown } = await this.#options.writer.append(batch);
    this.counts.quarantined += quarantined;
    this.counts.unknown += unknown;
    const message = quarantined === 0 ? '' : `${quarantined} could not be understood and are in quarantine`;
    return { rejected: quarantined, message };
  }
}

const SIGNALS: { [path: string]: Signal } = {
  '/v1/traces': 'traces',
  '/v1/logs': 'logs',
  '/v1/metrics': 'metrics',
};

function signalOf(request: IncomingMessage): Signal {
  const path = (request.url ?? '').split('?', 1)[0]!;
  const signal = Object.hasOwn(SIGNALS, path) ? SIGNALS[path] : undefined;
  if (signal === undefined) throw new Refusal(404, 'OTLP is taken at /v1/traces, /v1/logs and /v1/metrics');
  if (request.method !== 'POST') throw new Refusal(405, 'OTLP is sent by POST', { allow: 'POST' });
  return signal;
}

function encodingOf(request: IncomingMessage): Encoding {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === CONTENT_TYPES.protobuf) return 'protobuf';
  if (type === CONTENT_TYPES.json) return 'json';
  throw new Refusal(415, 'the content type is neither application/x-protobuf nor application/json');
}

function send(
  response: ServerResponse,
  status: number,
  encoding: Encoding,
  body: Buffer,
  headers: { [name: string]: string } = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': CONTENT_TYPES[encoding],
    'content-length': body.length,
    ...headers,
  });
  response.end(body);
}
