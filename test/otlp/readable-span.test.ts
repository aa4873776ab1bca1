import { SpanKind } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFile } from '../../src/otlp/decode.ts';
import { fromReadableSpan, type ReadableSpanLike } from '../../src/sdk/readable-span.ts';
import type { AttributeValue, Span } from '../../src/span.ts';
import '../support/equal-bytes.ts';
import { collector, richSpans } from '../support/sdk-spans.ts';

const serialised = (spans: readonly ReadableSpan[], serializer = ProtobufTraceSerializer): Span[] =>
  [...decodeFile(serializer.serializeRequest([...spans])!)].flatMap((decoded) => decoded.spans);

const attributesOf = (attributes: ReadableSpanLike['attributes']) =>
  fromReadableSpan(oldSpan({ attributes })).attributes;

describe('fromReadableSpan gives what a receiver reads of the same span', () => {
  it('for spans with something in every field', () => {
    const spans = richSpans();
    expect(spans.map(fromReadableSpan)).toEqual(serialised(spans));
    expect(spans.map(fromReadableSpan)).toEqual(serialised(spans, JsonTraceSerializer));
  });

  it('for every kind and status', () => {
    const { ended, tracer } = collector();
    for (const kind of [0, 1, 2, 3, 4] satisfies SpanKind[])
      for (const code of [0, 1, 2]) tracer.startSpan('s', { kind }).setStatus({ code }).end();
    expect(ended.map(fromReadableSpan)).toEqual(serialised(ended));
    expect(new Set(ended.map((span) => fromReadableSpan(span).kind))).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  it('for any attributes', () => {
    const number = fc.oneof(
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n)),
    );
    const text = fc.string({ unit: 'binary' });
    const value = fc.oneof(
      text,
      number,
      fc.boolean(),
      fc.array(text),
      fc.array(number),
      fc.array(fc.boolean()),
    );
    const names = fc.string({ unit: 'binary', minLength: 1 }).filter((name) => name !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(names, value), (attributes) => {
        const { ended, tracer } = collector();
        tracer.startSpan('s', { attributes }).addEvent('e', attributes).end();
        const spans = ended.map(fromReadableSpan);
        expect(spans).toEqual(serialised(ended));
        expect(spans).toEqual(serialised(ended, JsonTraceSerializer));
        expect(spans[0]!.attributes.size).toBe(Object.keys(attributes).length);
      }),
      { numRuns: 200 },
    );
  });

  it('for what the SDK dropped at its limits', () => {
    const { ended, tracer } = collector({ attributeCountLimit: 1, eventCountLimit: 1, linkCountLimit: 1 });
    const other = { context: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1 } };
    const span = tracer.startSpan('s', { attributes: { a: 1, b: 2, c: 3 }, links: [other, other] });
    span.addEvent('e').addEvent('f').addEvent('g').end();
    expect(ended.map(fromReadableSpan)).toEqual(serialised(ended));
    expect(fromReadableSpan(ended[0]!).droppedCount).toBe(2 + 2 + 1);
  });

  it.each<[string, unknown, AttributeValue]>([
    ['bytes', Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
    ['a list with a gap', ['a', null, undefined], ['a', null, null]],
    ['an object', { a: { b: [1, 'x'] } }, { a: { b: [1, 'x'] } }],
    ['null', null, null],
    ['NaN', Number.NaN, Number.NaN],
  ])('for %s, which the API does not allow and senders set', (_, value, expected) => {
    const span = {
      ...richSpans()[1]!,
      attributes: { value },
      spanContext: () => richContext,
    } as unknown as ReadableSpan;
    expect(fromReadableSpan(span).attributes.get('value')).toEqual(expected);
    expect(serialised([span])[0]!.attributes.get('value')).toEqual(expected);
  });

  // The receiver reads a bigint; otherwise one span by both ways would have two digests.
  it('for integers beyond 2^53', () => {
    const { ended, tracer } = collector();
    tracer.startSpan('s', { attributes: { big: 2 ** 60 } }).end();
    expect(ended.map(fromReadableSpan)).toEqual(serialised(ended));
  });

  it('for values 32 deep', () => {
    let value: unknown = 'bottom';
    for (let i = 0; i < 32; i++) value = [value];
    const span = {
      ...richSpans()[1]!,
      attributes: { value },
      spanContext: () => richContext,
    } as unknown as ReadableSpan;
    expect(fromReadableSpan(span).attributes).toEqual(serialised([span])[0]!.attributes);
  });
});

const richContext = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1 };

describe('fromReadableSpan reads SDK 1.30', () => {
  it('with its parentSpanId and instrumentationLibrary', () => {
    expect(fromReadableSpan(oldSpan({ parentSpanId: 'ef'.repeat(8) }))).toEqual({
      traceId: 'ab'.repeat(16),
      spanId: 'cd'.repeat(8),
      parentSpanId: 'ef'.repeat(8),
      name: 'old',
      kind: 1,
      startTimeUnixNano: 1_790_000_000_000_000_001n,
      endTimeUnixNano: 1_790_000_001_000_000_002n,
      attributes: new Map([['gen_ai.operation.name', 'chat']]),
      events: [{ name: 'e', timeUnixNano: 1_790_000_000_500_000_000n, attributes: new Map() }],
      links: [],
      status: { code: 0, message: '' },
      droppedCount: 0,
      scope: { name: 'ai', version: '' },
      resource: new Map([['service.name', 'old-service']]),
    });
  });

  it.each([{}, { parentSpanId: undefined }, { parentSpanId: '' }])('as a root when it has %o', (members) => {
    expect(fromReadableSpan(oldSpan(members)).parentSpanId).toBeUndefined();
  });

  it('also while it runs', () => {
    expect(fromReadableSpan(oldSpan({ endTime: [0, 0] })).endTimeUnixNano).toBe(0n);
  });

  it('without a scope', () => {
    const { instrumentationLibrary: _, ...span } = oldSpan({});
    expect(fromReadableSpan(span).scope).toEqual({ name: '', version: '' });
  });
});

describe('fromReadableSpan leaves out what is no attribute value', () => {
  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
  ])('%s', (_, value) => {
    expect([...attributesOf({ kept: 1, value })]).toEqual([['kept', 1]]);
  });

  it('and the rest of a list that contains itself', () => {
    const list: unknown[] = ['top'];
    list.push(list);
    const read = attributesOf({ list }).get('list') as AttributeValue[];
    expect(JSON.stringify(read)).toMatch(/^(\["top",)+null\]+$/);
  });

  it('and gives objects no prototype', () => {
    const value = JSON.parse('{"__proto__":{"polluted":true}}');
    const read = attributesOf({ value }).get('value') as { [key: string]: AttributeValue };
    expect(Object.getPrototypeOf(read)).toBeNull();
    expect(Object.keys(read)).toEqual(['__proto__']);
  });
});

/** As SDK 1.30 shapes it; none of our dependencies is so old, so it is made by hand. */
function oldSpan(members: Partial<ReadableSpanLike>): ReadableSpanLike {
  return {
    name: 'old',
    kind: SpanKind.INTERNAL,
    spanContext: () => richContext,
    startTime: [1_790_000_000, 1],
    endTime: [1_790_000_001, 2],
    status: { code: 0 },
    attributes: { 'gen_ai.operation.name': 'chat' },
    links: [],
    events: [{ name: 'e', time: [1_790_000_000, 500_000_000] }],
    resource: { attributes: { 'service.name': 'old-service' } },
    instrumentationLibrary: { name: 'ai' },
    ...members,
  };
}
