import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { REQUEST_SPANS, requests } from './workload.ts';

/** Connections of the sender, each with one request under way. */
const LANES = 8;
const SPANLEDGER = new URL('../src/cli/main.js', import.meta.url).pathname;

/**
 * Spans a second from OTLP/protobuf over HTTP to flushed *and* read back from the embedded ClickHouse, beside the
 * real OpenTelemetry Collector carrying the same requests, from the same sender, through a queue on disk to a
 * sink.
 */
export async function benchIngest(spans = 100_000): Promise<void> {
  console.log(`ingest: ${spans} spans over ${LANES} connections in requests of ${REQUEST_SPANS}`);
  const ours = await spanledger(spans);
  console.log(
    `  spanledger  ${Math.round(ours.acknowledged)} spans/s acknowledged, ${Math.round(ours.stored)} in ClickHouse, ${ours.records} records, ${ours.status}`,
  );
  for (const [what, name] of [
    ['its own', 'RssAnon'],
    ['with the mapped duplicate index', 'VmRSS'],
  ] as const) {
    const [early, late] = [ours.early[name]!, ours.late[name]!];
    console.log(
      `  memory      ${early} MB after a tenth, ${late} MB at the end: ratio ${(late / early).toFixed(2)}, ${what}`,
    );
  }
  const collector = process.env.COLLECTOR;
  if (collector === undefined) {
    console.log(
      '  collector   not measured: name its binary in COLLECTOR (bench/collector/builder.yaml says how to build it)',
    );
    return;
  }
  const theirs = await yardstick(collector, spans);
  console.log(`  collector   ${Math.round(theirs)} spans/s through a persistent queue`);
  console.log(`  ratio       ${(ours.stored / theirs).toFixed(2)}`);
}

async function spanledger(spans: number) {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const anywhere = ['otlp', 'otlp-grpc', 'admin'].flatMap((each) => [`--${each}-listen`, '127.0.0.1:0']);
  const child = spawn(process.execPath, [SPANLEDGER, 'serve', '--json', '--dir', dir, ...anywhere], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SPANLEDGER_LOG_LEVEL: 'warn' },
  });
  const [ready] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { otlp, admin } = JSON.parse(ready) as { otlp: string; admin: string };
  let early: Memory = {};
  const started = performance.now();
  await send(spans, Number(new URL(otlp).port), (sent) => {
    if (early.VmRSS === undefined && sent >= spans / 10) early = megabytes(child.pid!);
  });
  const acknowledged = spans / ((performance.now() - started) / 1_000);
  while ((await reading(admin, 'spanledger_journal_oldest_unshipped_seconds')) > 0) await wait(20);
  const stored = spans / ((performance.now() - started) / 1_000);
  const late = megabytes(child.pid!);
  child.kill('SIGTERM');
  await once(child, 'exit');
  const verified = spawnSync(process.execPath, [SPANLEDGER, 'verify', '--json', '--dir', dir], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const { status, records_checked: records } = JSON.parse(verified.stdout) as {
    status: string;
    records_checked: number;
  };
  rmSync(dir, { recursive: true, force: true });
  return { acknowledged, stored, records, status, early, late };
}

/** Megabytes, by what the kernel calls them. */
interface Memory {
  VmRSS?: number;
  RssAnon?: number;
}

function megabytes(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const found = status.matchAll(/^(VmRSS|RssAnon):\s+(\d+)/gm);
  return Object.fromEntries(
    [...found].map(([, name, kilobytes]) => [name, Math.round(Number(kilobytes) / 1_024)]),
  );
}

async function reading(admin: string, name: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

async function yardstick(binary: string, spans: number): Promise<number> {
  let received = 0;
  let total = Number.POSITIVE_INFINITY;
  let arrived = () => {};
  const all = new Promise<void>((resolve) => (arrived = resolve));
  // The Collector encodes anew: within two in a hundred of what was sent.
  const look = () => received >= total * 0.98 && arrived();
  const sink = createServer((incoming, answer) => {
    incoming.on('data', (chunk: Buffer) => (received += chunk.length));
    incoming.on('end', () => {
      answer.setHeader('content-type', 'application/x-protobuf').end();
      look();
    });
  }).listen(0, '127.0.0.1');
  await once(sink, 'listening');
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
  total = await send(spans, port);
  look();
  await all;
  const seconds = (performance.now() - started) / 1_000;
  collector.kill();
  sink.close();
  rmSync(queue, { recursive: true, force: true });
  return spans / seconds;
}

function ready(collector: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    collector.once('exit', (code) => reject(new Error(`the collector exited with ${code}`)));
    collector.stderr!.on('data', (text: Buffer) => text.includes('Everything is ready') && resolve());
  });
}

/** Resolves with the bytes sent, when all of them are acknowledged. */
async function send(
  spans: number,
  port: number,
  progress: (sent: number) => void = () => {},
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: LANES });
  const bodies = requests(spans);
  let bytes = 0;
  let sent = 0;
  const lane = async () => {
    for (let next = bodies.next(); next.done !== true; next = bodies.next()) {
      await post(next.value, port, agent);
      bytes += next.value.length;
      sent += REQUEST_SPANS;
      progress(sent);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  agent.destroy();
  return bytes;
}

async function post(body: Uint8Array, port: number, agent: Agent): Promise<void> {
  for (;;) {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
      const sending = request({ port, path: '/v1/traces', method: 'POST', headers, agent }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode));
      });
      sending.once('error', reject);
      sending.end(body);
    });
    if (status === 200) return;
    if (status !== 429 && status !== 503) throw new Error(`status ${status}`);
    await wait(100);
  }
}
