import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '../support/cli.ts';
import type { Places } from './collector.ts';
import type { Sidecar } from './sidecar.ts';

/** A Collector's places on this machine: ports nobody has, and a queue that is gone when the test is. */
export async function freePlaces(): Promise<Places> {
  const [http, grpc, metrics] = await freePorts(3);
  return {
    OTLP_HTTP_LISTEN: `127.0.0.1:${http}`,
    OTLP_GRPC_LISTEN: `127.0.0.1:${grpc}`,
    METRICS_PORT: String(metrics),
    QUEUE_DIR: join(temporaryFolder(), 'queue'),
  };
}

/** The same, in front of a sidecar. */
export async function placesFor(sidecar: Sidecar): Promise<Places> {
  return { ...(await freePlaces()), SPANLEDGER_HTTP: sidecar.http, SPANLEDGER_GRPC: sidecar.grpc };
}

/** A Collector cannot say which ports it took. All are held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
