import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServiceDefinition,
  type StatusObject,
} from '@grpc/grpc-js';
import { messageOf, SpanledgerError } from '../errors.ts';
import { exportAnswer, isBug, type Refusal, refusalOf, type Signal, statusAnswer } from './answers.ts';
import { MAX_BODY_BYTES } from './body.ts';
import { Holding } from './budget.ts';
import { CLOSE_MS } from './http.ts';
import { type Address, type Certificates, textOf } from './listen.ts';
import type { OtlpOptions } from './otlp-http.ts';
import { type Grant, granted, type Tokens } from './tokens.ts';

/** The services of the OTLP specification, each with its one method. */
const SERVICES: { [S in Signal]: string } = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};

/** Of one connection at once: each may hold a whole message before we hear of it. */
const MAX_STREAMS = 100;

const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;
const CONTENT_TYPE = 'application/x-protobuf';

export interface GrpcOptions extends OtlpOptions {
  tokens: Tokens;
  certificates?: Certificates | undefined;
  answered?: (path: string, code: number, milliseconds: number) => void;
  failed?: (error: unknown, path: string) => void;
}

/** OTLP/gRPC: the same intake as OTLP/HTTP's. Messages come and go as the bytes they are, and we read them. */
export class OtlpGrpc {
  readonly #options: GrpcOptions;
  readonly #server: Server;

  constructor(options: GrpcOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_BODY_BYTES,
      'grpc.max_concurrent_streams': MAX_STREAMS,
      interceptors: [this.#guard()],
    });
    for (const [signal, path] of Object.entries(SERVICES) as [Signal, string][])
      this.#server.addService(definition(path), { Export: this.#handler(signal, path) });
  }

  /** @throws SpanledgerError `config_invalid` */
  async listen(address: Address): Promise<Address> {
    const { certificates } = this.#options;
    const credentials =
      certificates === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(
            certificates.ca ?? null,
            [{ cert_chain: certificates.cert, private_key: certificates.key }],
            certificates.ca !== undefined,
          );
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(textOf(address), credentials, (cause, port) => {
        if (cause === null) resolve({ host: address.host, port });
        else
          reject(
            new SpanledgerError(
              'config_invalid',
              `cannot listen on ${textOf(address)}: ${messageOf(cause)}`,
              { cause, hint: 'is another one running? Port 0 takes a free one' },
            ),
          );
      });
    });
  }

  /** Takes no new requests and resolves when those under way are answered, or cut off after so many milliseconds. */
  async close(within = CLOSE_MS): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#server.forceShutdown();
        // It waits for connections that never came through TLS, which no shutdown reaches.
        resolve();
      }, within);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #handler(signal: Signal, path: string): handleUnaryCall<Buffer, Buffer> {
    return (call, answer) => {
      const started = performance.now();
      void this.#take(signal, call).then(
        (bytes) => {
          answer(null, bytes);
          this.#options.answered?.(path, 0, performance.now() - started);
        },
        (error: unknown) => answer(this.#refuse(error, path, started)),
      );
    };
  }

  /** Asks for the token before the message comes: from who may not send, nothing is held. */
  #guard(): ServerInterceptor {
    return ({ path }, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              const started = performance.now();
              try {
                this.#grantOf(metadata);
              } catch (error) {
                call.sendStatus(this.#refuse(error, path, started));
                return;
              }
              pass(metadata);
            },
          }),
      });
  }

  /** @throws Refusal 401, 403 */
  #grantOf(metadata: Metadata): Grant {
    const [authorization] = metadata.get('authorization');
    return granted(this.#options.tokens.find(authorization?.toString()), 'ingest');
  }

  #refuse(error: unknown, path: string, started: number): StatusObject {
    const { failed, answered } = this.#options;
    const refusal = refusalOf(error);
    if (isBug(error)) failed?.(error, path);
    answered?.(path, refusal.code, performance.now() - started);
    return statusOf(refusal);
  }

  async #take(signal: Signal, call: ServerUnaryCall<Buffer, Buffer>): Promise<Buffer> {
    const { intake, budget, forward } = this.#options;
    const grant = this.#grantOf(call.metadata);
    const holding = new Holding(budget);
    try {
      const body = call.request;
      holding.take(body.length);
      const { rejected, message } = await intake.take(signal, 'protobuf', body, grant.tenant);
      forward?.send({ path: `/v1/${signal}`, type: CONTENT_TYPE, encoding: 'identity', body });
      return exportAnswer(signal, 'protobuf', rejected, message);
    } finally {
      holding.release();
    }
  }
}

function definition(path: string): ServiceDefinition {
  const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };
  return {
    Export: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes.serialize,
      requestDeserialize: bytes.deserialize,
      responseSerialize: bytes.serialize,
      responseDeserialize: bytes.deserialize,
    },
  };
}

/**
 * Exporters try RESOURCE_EXHAUSTED again only with a RetryInfo in its details, UNAVAILABLE always (OTLP
 * specification, "OTLP/gRPC response").
 */
function statusOf({ code, message, headers }: Refusal): StatusObject {
  const metadata = new Metadata();
  const seconds = Number(headers['retry-after'] ?? 0);
  if ((code === RESOURCE_EXHAUSTED || code === UNAVAILABLE) && seconds > 0)
    metadata.set('grpc-status-details-bin', statusAnswer('protobuf', code, message, seconds));
  return { code, details: message, metadata };
}
