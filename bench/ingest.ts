import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ledger } from '../src/cli/ledger.ts';
import { output } from '../src/cli/output.ts';
import { decodeTracesProtobuf } from '../src/otlp/protobuf-traces.ts';
import { understand } from '../src/pipeline.ts';
import { verify } from '../src/verify/verify.ts';
import { REQUEST_SPANS, requests } from './workload.ts';

/**
 * Spans a second from OTLP/protobuf to flushed *and* read back from the embedded ClickHouse, beside the real
 * OpenTelemetry Collector carrying the same requests through a queue on disk to a sink. The Collector gets
 * them over HTTP, as it must; until the sidecar is there, this process decodes them itself.
 */
export async function benchIngest(spans = 100_000): Promise<void> {
  const bodies = requests(spans);
  const bytes = bodies.reduce((sum, body) => sum + body.length, 0);
  console.log(
    `ingest: ${spans} spans in ${bodies.length} requests of ${REQUEST_SPANS}, ${Math.round(bytes / spans)} B a span`,
  );
  const ours = await spanledger(bodies);
  console.log(
    `  spanledger  ${Math.round(ours.rate)} spans/s, ${ours.records} records, ${Math.round(ours.rss / 2 ** 20)} MB RSS, ${ours.status}`,
  );
  const collector = process.env.COLLECTOR;
  if (collector === undefined) {
    console.log(
      '  collector   not measured: name its binary in COLLECTOR (bench/collector/builder.yaml says how to build it)',
    );
    return;
  }
  const theirs = await yardstick(collector, bodies);
  console.log(`  collector   ${Math.round(theirs)} spans/s through a persistent queue`);
  console.log(`  ratio       ${(ours.rate / theirs).toFixed(2)}`);
}

async function spanledger(bodies: readonly Uint8Array[]) {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const out = output(true);
  const ledger = await Ledger.open({ dir }, 'write');
  const journal = ledger.takeJournal('bench');
  const writer = ledger.writer(journal, 'bench');
  let shipped = 0;
  const started = performance.now();
  let shipping: Promise<unknown> = Promise.resolve();
  for (const [i, body] of bodies.entries()) {
    const { spans } = decodeTracesProtobuf(body);
    await writer.append(spans.map((span) => understand(span, ledger.policy)));
    if (i % 10 === 9) {
      await shipping;
      shipping = ledger.ship(writer, out).then((shipment) => (shipped += shipment.records));
    }
  }
  await shipping;
  await writer.close();
  shipped += (await ledger.ship(writer, out)).records;
  const seconds = (performance.now() - started) / 1000;
  const rss = process.memoryUsage().rss;
  const { status, records_checked } = await verify(ledger.store, { ledgerId: ledger.deployment.ledgerId });
  await journal.close();
  await ledger.close();
  rmSync(dir, { recursive: true, force: true });
  if (records_checked !== shipped) throw new Error(`shipped ${shipped} records, found ${records_checked}`);
  return { rate: (bodies.length * REQUEST_SPANS) / seconds, records: shipped, rss, status };
}

async function yardstick(binary: string, bodies: readonly Uint8Array[]): Promise<number> {
  let received = 0;
  const total = bodies.reduce((sum, body) => sum + body.length, 0);
  let arrived = () => {};
  const all = new Promise<void>((resolve) => (arrived = resolve));
  const sink = createServer((incoming, answer) => {
    incoming.on('data', (chunk: Buffer) => (received += chunk.length));
    incoming.on('end', () => {
      answer.setHeader('content-type', 'application/x-protobuf').end();
      // The Collector encodes anew: within two in a hundred of what was sent.
      if (received >= total * 0.98) arrived();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => sink.once('listening', resolve));
  const queue = mkdtempSync(join(tmpdir(), 'collector-queue-'));
  const port = 24_318;
  const env = {
    ...process.env,
    QUEUE_DIR: queue,
    RECEIVER_PORT: String(port),
    SINK_PORT: String((sink.address() as AddressInfo).port),
  };
  const collector = spawn(binary, ['--config', 'bench/collector/config.yaml'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await ready(collector);
  const started = performance.now();
  await Promise.all(
    Array.from({ length: 8 }, (_, lane) =>
      sendAll(
        bodies.filter((_body, i) => i % 8 === lane),
        port,
      ),
    ),
  );
  await all;
  const seconds = (performance.now() - started) / 1000;
  collector.kill();
  sink.close();
  rmSync(queue, { recursive: true, force: true });
  return (bodies.length * REQUEST_SPANS) / seconds;
}

function ready(collector: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    collector.once('exit', (code) => reject(new Error(`the collector exited with ${code}`)));
    collector.stderr!.on('data', (text: Buffer) => text.includes('Everything is ready') && resolve());
  });
}

async function sendAll(bodies: readonly Uint8Array[], port: number): Promise<void> {
  for (const body of bodies) {
    await new Promise<void>((resolve, reject) => {
      const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
      const sent = request({ port, path: '/v1/traces', method: 'POST', headers }, (answer) => {
        answer.resume();
        answer.once('end', () =>
          answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`)),
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }
}
