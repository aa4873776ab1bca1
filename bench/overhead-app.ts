import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { context, type Span, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { AuditSpanProcessor } from '../src/index.ts';
import { turn } from './workload.ts';

/** Microseconds of the app's thread a span. */
export interface Paid {
  /** From start to end. */
  median: number;
  p99: number;
  /** With what is done afterwards on this thread, by the event loop's clock: exports, flushes, garbage. */
  all: number;
  /** The same as time of a processor, in the kernel too: others on the machine make no difference. NaN but on Linux. */
  cpu: number;
}

const [side, count, dir, url] = process.argv.slice(2) as [string, string, string, string];

const processors: { [side: string]: () => SpanProcessor[] } = {
  nothing: () => [],
  spanledger: () => [new AuditSpanProcessor({ dir }) as unknown as SpanProcessor],
  // A queue that holds all of it: what is dropped costs nothing.
  batch: () => [new BatchSpanProcessor(new OTLPTraceExporter({ url }), { maxQueueSize: 1e6 })],
};

const provider = new BasicTracerProvider({ spanProcessors: processors[side]!() });
const tracer = provider.getTracer('gen_ai');

/** A turn's spans as an app makes them: asked for at the start, and told at the end. */
function play(spans: readonly ReadableSpan[], took: number[]): void {
  const root = spans.at(-1)!;
  const begun = performance.now();
  const above = tracer.startSpan(root.name, { attributes: root.attributes });
  const within = trace.setSpan(context.active(), above);
  took.push((performance.now() - begun) / 2);
  for (const { name, kind, attributes } of spans.slice(0, -1)) {
    const told = Object.entries(attributes);
    const asked = Object.fromEntries(told.filter(([key]) => !ANSWERS.test(key)));
    const answered = Object.fromEntries(told.filter(([key]) => ANSWERS.test(key)));
    const from = performance.now();
    const span: Span = tracer.startSpan(name, { kind, attributes: asked }, within);
    span.setAttributes(answered);
    span.end();
    took.push(performance.now() - from);
  }
  const ending = performance.now();
  above.end();
  took.push((performance.now() - ending) / 2);
}
const ANSWERS = /output|response|usage|result/;

async function run(spans: number): Promise<Paid> {
  const turns: ReadableSpan[][] = [];
  for (let n = 0, made = 0; made < spans; made += turns.at(-1)!.length) turns.push(turn(n++));
  const took: number[] = [];
  const before = performance.eventLoopUtilization();
  const cpuBefore = threadMicroseconds();
  for (const each of turns) {
    play(each, took);
    await setImmediate();
  }
  await provider.forceFlush();
  const { active } = performance.eventLoopUtilization(before);
  const cpu = threadMicroseconds() - cpuBefore;
  took.sort((a, b) => a - b);
  const at = (part: number) => took[Math.floor(took.length * part)]! * 1e3;
  return { median: at(0.5), p99: at(0.99), all: (active * 1e3) / spans, cpu: cpu / spans };
}

/** Node tells the whole process's alone before version 24: also what compiles and collects beside this thread. */
function threadMicroseconds(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e3;
  } catch {
    return Number.NaN;
  }
}

await run(Number(count) / 4);
const paid = await run(Number(count));
await provider.shutdown();
process.send!(paid);
process.disconnect();
