import { join } from 'node:path';
import { beforeEach, describe, expect, inject, it } from 'vitest';
import { temporaryFolder } from '../support/cli.ts';
import { Collector } from './collector.ts';
import { busyDay, captured, Load, type Request } from './load.ts';
import { placesFor } from './places.ts';
import { expectSameAsIngest } from './same-ledger.ts';
import { Sidecar } from './sidecar.ts';
import { until } from './until.ts';

/** The captures, over and over, as a sender does that never heard an answer, between spans of a busy day. */
function load(): { distinct: Request[]; sent: Request[] } {
  const captures = captured();
  const day = busyDay(20_000);
  const sent = day.flatMap((request, i) => [
    request,
    captures[i % captures.length]!,
    captures[(i * 7) % captures.length]!,
  ]);
  return { distinct: [...captures, ...day], sent: [...captures, ...sent] };
}

describe('the OpenTelemetry Collector in front of spanledger', () => {
  beforeEach(({ skip }) => {
    const found = inject('collector');
    if ('missing' in found) skip(found.missing);
  });

  it.each([
    ['OTLP/HTTP', 'in-front'],
    ['OTLP/gRPC', 'in-front-grpc'],
  ] as const)('over %s, both killed under load, brings every span once', async (_protocol, configuration) => {
    const { distinct, sent } = load();
    const sidecar = await Sidecar.start(join(temporaryFolder(), 'ledger'));
    const places = await placesFor(sidecar);
    let collector = await Collector.start(configuration, places);
    const sending = new Load(`http://${places.OTLP_HTTP_LISTEN}`, sent);
    const reached = (part: number) => until(() => sending.delivered >= sent.length * part);

    await reached(0.2);
    await sidecar.kill();
    await reached(0.4);
    // The Collector is killed with a queue, and takes and keeps more before spanledger is back.
    const queued = await collector.queued();
    expect(queued).toBeGreaterThan(0);
    await collector.kill();
    collector = await Collector.start(configuration, places);
    expect(await collector.queued()).toBeGreaterThanOrEqual(queued);
    await reached(0.6);
    await sidecar.restart();
    await reached(0.7);
    await collector.kill();
    collector = await Collector.start(configuration, places);
    await reached(0.8);
    await sidecar.kill();
    await sidecar.restart();
    await sending.all;
    await collector.drained();
    expect(await sidecar.stop()).toBe(0);

    await expectSameAsIngest(sidecar.dir, distinct);
  });

  it('with a batch processor and its queue in memory, brings every span once though spanledger is killed', async () => {
    const { distinct, sent } = load();
    const sidecar = await Sidecar.start(join(temporaryFolder(), 'ledger'));
    const places = await placesFor(sidecar);
    const collector = await Collector.start('in-front-memory', places);
    const sending = new Load(`http://${places.OTLP_HTTP_LISTEN}`, sent);
    for (const part of [0.2, 0.5, 0.8]) {
      await until(() => sending.delivered >= sent.length * part);
      await sidecar.kill();
      await sidecar.restart();
    }
    await sending.all;
    await collector.drained();
    expect(await sidecar.stop()).toBe(0);

    await expectSameAsIngest(sidecar.dir, distinct);
  });
});
