import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, inject, it } from 'vitest';
import { decodeTracesProtobuf } from '../../src/otlp/protobuf-traces.ts';
import { temporaryFolder } from '../support/cli.ts';
import { startBackend } from './backend.ts';
import { Collector } from './collector.ts';
import { busyDay, captured, Load } from './load.ts';
import { freePlaces } from './places.ts';
import { expectSameAsIngest } from './same-ledger.ts';
import { Sidecar } from './sidecar.ts';
import { until } from './until.ts';

/** A ledger's directory whose sidecar forwards what it was sent. */
function forwardingTo(endpoint: string): string {
  const dir = join(temporaryFolder(), 'ledger');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'spanledger.yaml'), `version: 1\nserve:\n  forward:\n    endpoint: ${endpoint}\n`);
  return dir;
}

describe('the OpenTelemetry Collector behind spanledger', () => {
  beforeEach(({ skip }) => {
    const found = inject('collector');
    if ('missing' in found) skip(found.missing);
  });

  it('killed under load, brings every span to the backend, and spanledger records it once', async () => {
    const requests = [...captured(), ...busyDay(10_000)];
    const backend = await startBackend();
    const places = { ...(await freePlaces()), BACKEND_HTTP: backend.url };
    const sidecar = await Sidecar.start(forwardingTo(`http://${places.OTLP_HTTP_LISTEN}`));
    let collector = await Collector.start('behind', places);
    const sending = new Load(sidecar.http, requests);
    await until(() => sending.delivered >= requests.length * 0.4);
    await collector.kill();
    await until(() => sending.delivered >= requests.length * 0.7);
    collector = await Collector.start('behind', places);
    await sending.all;

    const sent = requests
      .filter(({ signal }) => signal === 'traces')
      .flatMap(({ body }) => decodeTracesProtobuf(body).spans.map(({ spanId }) => spanId));
    await until(() => sent.every((spanId) => backend.spans.has(spanId)));
    expect(await sidecar.stop()).toBe(0);
    await expectSameAsIngest(sidecar.dir, requests);
  });
});
