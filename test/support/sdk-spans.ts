import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, type ReadableSpan, type SpanLimits } from '@opentelemetry/sdk-trace-base';

/** A provider of the real SDK, and the spans that have ended on it, in order. */
export function collector(spanLimits: SpanLimits = {}) {
  const ended: ReadableSpan[] = [];
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'medrec', 'process.pid': 17, tags: ['a', 'b'] }),
    spanLimits,
    spanProcessors: [
      {
        onStart() {},
        onEnd: (span) => void ended.push(span),
        forceFlush: async () => {},
        shutdown: async () => {},
      },
    ],
  });
  return { ended, tracer: provider.getTracer('spanledger-test', '1.2.3') };
}

/** A child and then its parent, with something in every field. */
export function richSpans(): ReadableSpan[] {
  const { ended, tracer } = collector();
  const root = tracer.startSpan('root', { startTime: [1_790_000_000, 123_456_789], attributes: ATTRIBUTES });
  const links = [{ context: root.spanContext(), attributes: { why: 'retry' } }];
  const child = tracer.startSpan(
    'child',
    { kind: SpanKind.CLIENT, links, startTime: [1_790_000_000, 200_000_000] },
    trace.setSpan(ROOT_CONTEXT, root),
  );
  child.addEvent('note', { step: 1, texts: ['x'] });
  child.recordException(new Error('LIS timeout'));
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'LIS timeout' });
  child.end([1_790_000_001, 1]);
  root.end([1_790_000_002, 999_999_999]);
  return ended;
}

const ATTRIBUTES: Attributes = {
  text: 'ünïcodé ✓ 🂡',
  empty: '',
  int: 42,
  negative: -7,
  big: 2 ** 53 - 1,
  double: 0.5,
  yes: true,
  texts: ['a', 'b'],
  numbers: [1, 2.5],
};
