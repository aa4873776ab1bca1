import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Paid } from './overhead-app.ts';

const APP = new URL('./overhead-app.js', import.meta.url);
/** Each side so often, in turns: the machine is the same for both. */
const ROUNDS = 3;

/**
 * What an app's thread pays for a span, all in: from its start to its end, and what is done on that thread afterwards.
 * Beside the OpenTelemetry SDK's BatchSpanProcessor with its OTLP/protobuf exporter, in an app of its own, to a sink.
 */
export async function benchOverhead(spans = 20_000): Promise<void> {
  const sink = createServer((request, answer) => {
    request.resume().on('end', () => answer.setHeader('content-type', 'application/x-protobuf').end());
  }).listen(0, '127.0.0.1');
  await once(sink, 'listening');
  const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/v1/traces`;
  console.log(`overhead: ${spans} spans of agents, on the app's thread, ${ROUNDS} rounds in turns`);
  const paid: { [side: string]: Paid[] } = { nothing: [], spanledger: [], batch: [] };
  for (let round = 0; round < ROUNDS; round++)
    for (const side of Object.keys(paid)) paid[side]!.push(await measured(side, spans, url));
  sink.close();
  const best = (side: string, of: keyof Paid) => Math.min(...paid[side]!.map((each) => each[of]));
  const names = { nothing: 'no processor', spanledger: 'spanledger', batch: 'BatchSpanProcessor' };
  for (const [side, name] of Object.entries(names)) {
    const [median, p99, all, cpu] = (['median', 'p99', 'all', 'cpu'] as const).map((of) =>
      best(side, of).toFixed(1),
    );
    console.log(
      `  ${name.padEnd(19)} ${all} µs a span in all, ${cpu} of a processor; start to end: median ${median}, 99th percentile ${p99}`,
    );
  }
  const over = (side: string, of: keyof Paid) => best(side, of) - best('nothing', of);
  const ratio = (of: keyof Paid) => (over('spanledger', of) / over('batch', of)).toFixed(2);
  console.log(
    `  ratio               ${ratio('all')}, ${ratio('cpu')} of a processor, less what the SDK costs without either`,
  );
}

async function measured(side: string, spans: number, url: string): Promise<Paid> {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const app = fork(APP, [side, String(spans), dir, url]);
  const [paid] = (await once(app, 'message')) as [Paid];
  await once(app, 'exit');
  rmSync(dir, { recursive: true, force: true });
  return paid;
}
