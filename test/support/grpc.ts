import { type ChannelCredentials, Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import type { Signal } from '../../src/server/answers.ts';

const SERVICES: { [S in Signal]: string } = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};

export interface Asking {
  token?: string;
  gzip?: boolean;
  credentials?: ChannelCredentials;
  service?: string;
}

export interface GrpcAnswer {
  /** Of google.rpc.Code. */
  code: number;
  message: string;
  body: Buffer;
  /** `grpc-status-details-bin` */
  details: Buffer | undefined;
}

const same = (bytes: Buffer) => bytes;

/** One export by gRPC, by a channel of its own. A refusal is an answer too. */
export async function exportBy(
  address: string,
  signal: Signal,
  body: Uint8Array,
  asking: Asking = {},
): Promise<GrpcAnswer> {
  const client = new Client(address, asking.credentials ?? credentials.createInsecure(), {
    'grpc.default_compression_algorithm': asking.gzip ? 2 : 0,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
  });
  const metadata = new Metadata();
  if (asking.token !== undefined) metadata.set('authorization', `Bearer ${asking.token}`);
  try {
    return await new Promise((resolve) => {
      let answered: Buffer = Buffer.alloc(0);
      client
        .makeUnaryRequest(
          asking.service ?? SERVICES[signal],
          same,
          same,
          Buffer.from(body),
          metadata,
          { deadline: Date.now() + 30_000 },
          (_, answer) => {
            answered = answer ?? answered;
          },
        )
        .on('status', ({ code, details, metadata: trailer }: StatusObject) => {
          const [status] = trailer.get('grpc-status-details-bin');
          resolve({ code, message: details, body: answered, details: status as Buffer | undefined });
        });
    });
  } finally {
    client.close();
  }
}
