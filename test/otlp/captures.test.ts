import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { decodeFile } from '../../src/otlp/decode.ts';
import { decodeTracesProtobuf } from '../../src/otlp/protobuf-traces.ts';
import type { Span } from '../../src/span.ts';
import {
  type Capture,
  corpusCaptures,
  GOLDEN_SETS,
  goldenCapture,
  otherSignals,
} from '../support/captures.ts';
import '../support/equal-bytes.ts';
import { richSpans } from '../support/sdk-spans.ts';

describe('a capture of a real agent', () => {
  it('is there in sixteen sets', () => {
    expect(GOLDEN_SETS).toHaveLength(16);
  });

  it.each(GOLDEN_SETS)('%s: JSON and protobuf give equal spans', (set) => alike(goldenCapture(set)));

  it.each(corpusCaptures().map((capture) => [capture.set, capture] as const))(
    '%s, of the corpus: JSON and protobuf give equal spans',
    (_, capture) => alike(capture),
  );

  function alike(capture: Capture): void {
    const json = read(capture.json);
    expect(read(capture.protobuf)).toEqual(json);
    expect(json.map(outline)).toEqual(rawSpans(capture.json));
  }

  it.each(GOLDEN_SETS.filter((set) => goldenCapture(set).logs !== undefined))(
    '%s: log records in JSON and protobuf are equal',
    (set) => {
      const { json, protobuf } = goldenCapture(set).logs!;
      const read = (file: Buffer) => [...decodeFile(file)].flatMap(({ logs }) => logs);
      expect(read(protobuf)).toEqual(read(json));
      expect(read(json).length).toBeGreaterThan(0);
      expect([...decodeFile(protobuf)].flatMap(({ spans }) => spans)).toEqual([]);
    },
  );

  it.each(otherSignals().map(({ name, body }) => [name, body] as const))(
    '%s is not taken for spans',
    (_, body) => {
      try {
        expect(decodeTracesProtobuf(body).spans).toEqual([]);
      } catch (error) {
        if (!isSpanledgerError(error, 'otlp_undecodable')) throw error;
      }
    },
  );
});

describe("the OpenTelemetry SDK's own serializers", () => {
  it.each([
    ['ProtobufTraceSerializer', ProtobufTraceSerializer],
    ['JsonTraceSerializer', JsonTraceSerializer],
  ])('%s writes what is read back', (_, serializer) => {
    const [child, root] = read(serializer.serializeRequest(richSpans())!);
    expect(child).toMatchObject({ name: 'child', kind: 3, status: { code: 2, message: 'LIS timeout' } });
    expect(child!.parentSpanId).toBe(root!.spanId);
    expect(Object.fromEntries(root!.attributes)).toEqual({
      text: 'ünïcodé ✓ 🂡',
      empty: '',
      int: 42,
      negative: -7,
      big: 2 ** 53 - 1,
      double: 0.5,
      yes: true,
      texts: ['a', 'b'],
      numbers: [1, 2.5],
    });
    expect(child!.events.map(({ name, attributes }) => [name, attributes.get('exception.type')])).toEqual([
      ['note', undefined],
      ['exception', 'Error'],
    ]);
    expect(child!.links).toEqual([{ traceId: root!.traceId, spanId: root!.spanId }]);
    expect(root!.scope).toEqual({ name: 'spanledger-test', version: '1.2.3' });
    expect(root!.resource.get('service.name')).toBe('medrec');
    expect(root!.startTimeUnixNano).toBe(1_790_000_000_123_456_789n);
  });
});

function read(file: Uint8Array): Span[] {
  const decoded = [...decodeFile(file)];
  expect(decoded.flatMap(({ unreadable }) => unreadable)).toEqual([]);
  return decoded.flatMap(({ spans }) => spans);
}

/** Of a span, what can be read off its JSON without knowing how values are encoded. */
function outline(span: Span): unknown[] {
  const { traceId, spanId, name, startTimeUnixNano, attributes, events } = span;
  return [traceId, spanId, name, String(startTimeUnixNano), [...attributes.keys()], events.length];
}

interface RawSpan {
  traceId: string;
  spanId: string;
  name: string;
  startTimeUnixNano: string;
  attributes?: { key: string }[];
  events?: unknown[];
}

function rawSpans(json: Buffer): unknown[] {
  const { resourceSpans } = JSON.parse(json.toString()) as {
    resourceSpans: { scopeSpans: { spans: RawSpan[] }[] }[];
  };
  return resourceSpans
    .flatMap((each) => each.scopeSpans.flatMap(({ spans }) => spans))
    .map(({ traceId, spanId, name, startTimeUnixNano, attributes = [], events = [] }) => [
      traceId,
      spanId,
      name,
      startTimeUnixNano,
      attributes.map(({ key }) => key),
      events.length,
    ]);
}
