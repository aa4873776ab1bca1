import { randomBytes } from 'node:crypto';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { encodeProtobuf, jsonRequest } from '../../support/otlp-encode.ts';
import type { PairModel, RequestModel, SpanModel } from '../../support/otlp-model.ts';
import type { Listening } from '../../support/sidecar.ts';

/** Their records are of three retention classes, so that one batch falls into several partitions. */
const TOOLS = ['get_patient', 'charge_payment', 'list_files'];
const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
/** A sender that was refused, or found nobody, tries again so soon: exporters wait longer, and find less. */
const PAUSE_MS = 20;
/** One request in so many is sent a second time though it was acknowledged: its answer might have been lost. */
const AGAIN = 8;

type How = 'protobuf' | 'json' | 'grpc';
const SENDERS: readonly How[] = ['protobuf', 'json', 'grpc', 'protobuf', 'json', 'protobuf'];

interface Request {
  model: RequestModel;
  spans: string[];
}

/** How a request was refused: an HTTP status, or a gRPC code. */
export interface Refused {
  status: number;
  retryAfter: string | null;
  /** What gRPC says beside its code. */
  details?: string;
}

/** OTLP senders under way: each sends a request, again and again until it is acknowledged, and then the next. */
export class Load {
  /** Ids of spans that were acknowledged. */
  readonly acknowledged = new Set<string>();
  readonly refused: Refused[] = [];
  /** Somebody who is told of each attempt that ended: acknowledged, refused or cut. */
  #listeners: (() => void)[] = [];
  #to: (Listening | undefined)[] = [];
  #running: Promise<void>[] = [];
  #stopped = false;
  #failed: unknown;

  /** Where to send from now on; of several, any at each attempt. */
  aim(...to: readonly (Listening | undefined)[]): void {
    this.#to = [...to];
  }

  start(senders = SENDERS.length): void {
    this.#stopped = false;
    this.#running = SENDERS.slice(0, senders).map((how) =>
      this.#send(how).catch((error: unknown) => {
        this.#failed ??= error;
        this.#tell();
      }),
    );
  }

  /** Resolves when so many more spans are acknowledged. */
  async acknowledges(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    await this.until(() => this.acknowledged.size >= goal);
  }

  /** Resolves when it is so; asked after each attempt of a sender. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failed !== undefined) throw this.#failed;
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  /** Begins no new request, and resolves when every one begun is acknowledged. */
  async finish(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    if (this.#failed !== undefined) throw this.#failed;
  }

  async #send(how: How): Promise<void> {
    let before = newRequest();
    for (let i = 1; !this.#stopped; i++) {
      const request = i % AGAIN === 0 ? before : newRequest();
      await this.#deliver(how, request);
      for (const span of request.spans) this.acknowledged.add(span);
      before = request;
      this.#tell();
    }
  }

  /** As every exporter: again until it is acknowledged. */
  async #deliver(how: How, { model }: Request): Promise<void> {
    for (;;) {
      const to = this.#to[Math.floor(Math.random() * this.#to.length)];
      const refused = to === undefined ? undefined : await attemptTo(to, how, model);
      if (refused === 'acknowledged') return;
      if (typeof refused === 'object') this.refused.push(refused);
      this.#tell();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #tell(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/** @throws Error for an answer after which no exporter would try again: then its spans were lost. */
async function attemptTo(
  to: Listening,
  how: How,
  model: RequestModel,
): Promise<'acknowledged' | 'cut' | Refused> {
  const refused: 'acknowledged' | 'cut' | Refused =
    how === 'grpc' ? await byGrpc(to.grpc, model) : await byHttp(to.otlp, how, model);
  if (typeof refused === 'object' && ![429, 502, 503, 504, GRPC_UNAVAILABLE].includes(refused.status))
    throw new Error(`a sender was refused for good, by ${refused.status} ${refused.details ?? ''}`);
  return refused;
}

async function byHttp(otlp: string, how: 'protobuf' | 'json', model: RequestModel) {
  const body = how === 'json' ? JSON.stringify(jsonRequest(model)) : new Uint8Array(encodeProtobuf(model));
  const headers = { 'content-type': how === 'json' ? 'application/json' : 'application/x-protobuf' };
  try {
    const answer = await fetch(`${otlp}/v1/traces`, { method: 'POST', headers, body });
    await answer.arrayBuffer();
    if (answer.status === 200) return 'acknowledged';
    return { status: answer.status, retryAfter: answer.headers.get('retry-after') };
  } catch {
    return 'cut';
  }
}

const GRPC_UNAVAILABLE = 14;
/** What the client itself says of a line that is cut; by which code depends on where the line was. */
const CUT = /RST_STREAM|without gRPC status|Connection dropped|No connection established|ECONN/;
const clients = new Map<string, Client>();

async function byGrpc(address: string, model: RequestModel) {
  let client = clients.get(address);
  if (client === undefined) {
    client = new Client(address, credentials.createInsecure());
    clients.set(address, client);
  }
  const error = await new Promise<ServiceError | null>((resolve) => {
    const asIs = (bytes: Buffer) => bytes;
    client.makeUnaryRequest(EXPORT, asIs, asIs, encodeProtobuf(model), resolve);
  });
  if (error === null) return 'acknowledged';
  // It would wait longer and longer for an address that nobody will listen at again.
  client.close();
  clients.delete(address);
  const told = error.metadata.get('grpc-status-details-bin').length > 0;
  if (!told && CUT.test(error.details)) return 'cut';
  return { status: error.code, retryAfter: told ? 'in its details' : null, details: error.details };
}

/** One to six tool calls of one trace. */
function newRequest(): Request {
  const traceId = randomBytes(16);
  const spans = Array.from({ length: 1 + (traceId[0]! % 6) }, (_, i) => newSpan(traceId, i));
  return {
    model: {
      resources: [
        {
          attributes: [text('service.name', 'matrix')],
          scopes: [{ name: 'matrix', version: '1', spans }],
        },
      ],
    },
    spans: spans.map(({ spanId }) => Buffer.from(spanId).toString('hex')),
  };
}

function newSpan(traceId: Buffer, place: number): SpanModel {
  const tool = TOOLS[(traceId[1]! + place) % TOOLS.length]!;
  const spanId = randomBytes(8);
  const start = BigInt(Date.now()) * 1_000_000n;
  return {
    traceId,
    spanId,
    parentSpanId: new Uint8Array(),
    traceState: '',
    name: `execute_tool ${tool}`,
    kind: 1,
    start,
    end: start + 1_000_000n,
    attributes: [
      text('gen_ai.operation.name', 'execute_tool'),
      text('gen_ai.tool.name', tool),
      text('gen_ai.tool.call.id', spanId.toString('hex')),
      text('gen_ai.tool.call.arguments', JSON.stringify({ path: `/tmp/${'x'.repeat(traceId[2]!)}` })),
    ],
    dropped: [0, 0, 0],
    events: [],
    links: [],
    status: { code: 1, message: '' },
  };
}

function text(key: string, value: string): PairModel {
  return [key, { is: 'string', value }];
}
