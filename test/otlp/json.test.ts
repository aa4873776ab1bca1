import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { decodeTracesJson } from '../../src/otlp/json-traces.ts';
import { decodeTracesProtobuf } from '../../src/otlp/protobuf-traces.ts';
import type { AttributeValue } from '../../src/span.ts';
import '../support/equal-bytes.ts';
import { encodeProtobuf, type JsonHabits, jsonRequest } from '../support/otlp-encode.ts';
import {
  type AnyModel,
  anyRequest,
  expectedSpans,
  nested,
  plainSpan,
  requestOf,
  type SpanModel,
} from '../support/otlp-model.ts';
import { anyMutations, mutate } from '../support/otlp-mutate.ts';

const undecodable = expect.objectContaining({ name: 'SpanledgerError', code: 'otlp_undecodable' });

const IDS = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) };

/** A request of one span, its other members as given. */
const spanOf = (members: object) => ({
  resourceSpans: [{ scopeSpans: [{ spans: [{ ...IDS, ...members }] }] }],
});

const decode = (json: unknown) => decodeTracesJson(JSON.stringify(json));

describe('decodeTracesJson', () => {
  const habits: fc.Arbitrary<JsonHabits> = fc.record({
    numbers: fc.boolean(),
    names: fc.boolean(),
    capitals: fc.boolean(),
    extras: fc.boolean(),
  });

  it('reads any request as meant, and as the protobuf reader does', () => {
    fc.assert(
      fc.property(anyRequest, habits, (request, habits) => {
        const decoded = decode(jsonRequest(request, habits));
        expect(decoded).toEqual({ spans: expectedSpans(request), unreadable: [] });
        expect(decoded).toEqual(decodeTracesProtobuf(encodeProtobuf(request)));
      }),
      { numRuns: 400 },
    );
  });

  it.each<[string, object, AttributeValue]>([
    ['an int in decimal text', { intValue: '42' }, 42],
    ['an int as a number', { intValue: 42 }, 42],
    ['an int beyond 2^53', { intValue: '-9223372036854775808' }, -9223372036854775808n],
    ['a negative int', { intValue: '-1' }, -1],
    ['a double in text', { doubleValue: '-0.5' }, -0.5],
    ['NaN', { doubleValue: 'NaN' }, Number.NaN],
    ['Infinity', { doubleValue: '-Infinity' }, -Infinity],
    ['a bool in text', { boolValue: 'true' }, true],
    ['false', { boolValue: false }, false],
    ['bytes', { bytesValue: '/+8=' }, Uint8Array.of(0xff, 0xef)],
    ['no value', {}, null],
    ['a list without values', { arrayValue: {} }, []],
    ['a kvlist without values', { kvlistValue: {} }, {}],
    ['a value of a kind to come', { uuidValue: 'x' }, null],
  ])('reads %s', (_, value, expected) => {
    const { spans } = decode(spanOf({ attributes: [{ key: 'k', value }] }));
    expect(spans[0]!.attributes.get('k')).toEqual(expected);
  });

  it.each([
    ['SPAN_KIND_CLIENT', 3],
    [3, 3],
    ['SPAN_KIND_UNSPECIFIED', 0],
    ['SPAN_KIND_TO_COME', 0],
    [undefined, 0],
  ])('reads kind %s as %i', (kind, expected) => {
    expect(decode(spanOf({ kind })).spans[0]!.kind).toBe(expected);
  });

  it.each([
    ['STATUS_CODE_ERROR', 2],
    [2, 2],
    ['STATUS_CODE_OK', 1],
    [undefined, 0],
  ])('reads status code %s as %i', (code, expected) => {
    expect(decode(spanOf({ status: { code } })).spans[0]!.status.code).toBe(expected);
  });

  it('reads instrumentationLibrarySpans, which scopeSpans once were', () => {
    const group = { instrumentationLibrary: { name: 'old', version: '0.1' }, spans: [IDS] };
    const { spans } = decode({ resourceSpans: [{ instrumentationLibrarySpans: [group] }] });
    expect(spans.map((span) => span.scope)).toEqual([{ name: 'old', version: '0.1' }]);
  });

  it('ignores protobuf names: OTLP/JSON is lowerCamelCase only', () => {
    const { spans } = decode(
      spanOf({ parent_span_id: 'ee'.repeat(8), start_time_unix_nano: '7', name: 'n' }),
    );
    expect(spans[0]).toMatchObject({ parentSpanId: undefined, startTimeUnixNano: 0n, name: 'n' });
  });

  it('takes __proto__ for a key like any other', () => {
    const inner =
      '{"key":"__proto__","value":{"kvlistValue":{"values":[{"key":"polluted","value":{"boolValue":true}}]}}}';
    const text = JSON.stringify(
      spanOf({ attributes: ['PAIR', { key: 'k', value: { kvlistValue: { values: ['PAIR'] } } }] }),
    );
    const { spans } = decodeTracesJson(
      text.replaceAll('"PAIR"', inner).replace('{', '{"__proto__":{"polluted":true},'),
    );
    const { attributes } = spans[0]!;
    expect([...attributes.keys()]).toEqual(['__proto__', 'k']);
    const list = attributes.get('k') as { [key: string]: AttributeValue };
    expect(Object.getPrototypeOf(list)).toBeNull();
    expect(Object.keys(list)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it.each([
    ['an empty object', '{}'],
    ['no resources', '{"resourceSpans":[]}'],
    ['resources that are null', '{"resourceSpans":null}'],
    ['a resource with nothing', '{"resourceSpans":[{}]}'],
  ])('reads %s as no spans', (_, text) => {
    expect(decodeTracesJson(text)).toEqual({ spans: [], unreadable: [] });
  });

  it.each([
    ['no JSON', 'resourceSpans:', /not JSON/],
    ['cut JSON', '{"resourceSpans":[', /not JSON/],
    ['a list', '[{"resourceSpans":[]}]', /no object/],
    ['null', 'null', /no object/],
    ['text', '"resourceSpans"', /no object/],
    ['logs', '{"resourceLogs":[]}', /"resourceLogs"/],
    ['resourceSpans in protobuf spelling', '{"resource_spans":[]}', /"resource_spans"/],
    ['resourceSpans that is an object', '{"resourceSpans":{}}', /"resourceSpans" is no list/],
    ['resourceSpans of numbers', '{"resourceSpans":[1]}', /"resourceSpans" is no list/],
    ['scopeSpans that is text', '{"resourceSpans":[{"scopeSpans":"x"}]}', /"scopeSpans" is no list/],
    ['spans of null', '{"resourceSpans":[{"scopeSpans":[{"spans":[null]}]}]}', /"spans" is no list/],
  ])('refuses %s', (_, text, message) => {
    expect(() => decodeTracesJson(text)).toThrow(undecodable);
    expect(() => decodeTracesJson(text)).toThrow(message);
  });
});

describe('a broken text', () => {
  const request = anyRequest;

  const holds = (text: string) => {
    try {
      decodeTracesJson(text);
    } catch (error) {
      if (!isSpanledgerError(error, 'otlp_undecodable')) throw error;
    }
  };

  it('is read or refused, whatever became of it on its way', () => {
    fc.assert(
      fc.property(request, anyMutations, (request, mutations) => {
        holds(mutate(Buffer.from(JSON.stringify(jsonRequest(request))), mutations).toString());
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read or refused, also of a real agent', () => {
    const capture = readFileSync(
      'test/golden/captures/traceloop_instrumentation-anthropic-0.27.0/traces-001.json',
    );
    fc.assert(
      fc.property(anyMutations, (mutations) => holds(mutate(capture, mutations).toString())),
      { numRuns: 1_000 },
    );
  });

  it('is read or refused with any JSON in the place of any other', () => {
    const any = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(request, fc.nat(), any, (request, place, other) => {
        holds(replaceNode(JSON.stringify(jsonRequest(request)), place, other));
      }),
      { numRuns: 2_000 },
    );
  });

  // String() and Number() of such an object throw TypeError.
  it.each([
    ['a name', { name: { toString: 1, valueOf: 1 } }],
    ['a double', { attributes: [{ key: 'k', value: { doubleValue: { toString: 1, valueOf: 1 } } }] }],
    ['a count', { droppedEventsCount: { toString: 1, valueOf: 1 } }],
    ['an id', { spanId: { toString: 1, valueOf: 1 } }],
  ])('is read or refused when %s is an object that will not become text', (_, members) => {
    holds(JSON.stringify(spanOf(members)));
  });

  // JSON.stringify of a refused span, and String() of a list, go as deep as the sender likes.
  it.each([
    [
      'values',
      (depth: number) =>
        spanText(`"attributes":[{"key":"k","value":${deep('{"arrayValue":{"values":[', ']}}', depth)}}]`),
    ],
    ['a name', (depth: number) => spanText(`"name":${deep('[', ']', depth)}`)],
    [
      'a field nobody knows, beside a bad id',
      (depth: number) => spanText(`"spanId":"no","new":${deep('[', ']', depth)}`),
    ],
  ])('is read or refused when %s nest 100,000 deep', (_, text) => {
    holds(text(100_000));
  });

  // A resource is shared by its spans: each of them is set aside.
  it('is read or refused when a resource breaks a rule', () => {
    const attributes = [{ key: 'k', value: { intValue: 'no number' } }];
    holds(JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [IDS] }] }] }));
  });
});

describe('a span that breaks a rule', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i): [string, AnyModel] => [`k${i}`, { is: 'empty' }]);
  const event = { time: 1n, name: 'e', attributes: [] };
  const link = { traceId: new Uint8Array(16), spanId: new Uint8Array(8), attributes: [] };

  it.each<[string, string, Partial<SpanModel>]>([
    ['a trace id of 15 bytes', 'trace_id_invalid', { traceId: new Uint8Array(15) }],
    ['a span id of 9 bytes', 'span_id_invalid', { spanId: new Uint8Array(9) }],
    ['a parent id of 4 bytes', 'parent_span_id_invalid', { parentSpanId: Uint8Array.of(1, 2, 3, 4) }],
    ['a value 33 deep', 'value_too_deep', { attributes: [['deep', nested(33)]] }],
    ['2049 attributes', 'attributes_too_many', { attributes: many(2_049) }],
    ['2049 events', 'events_too_many', { events: Array(2_049).fill(event) }],
    ['2049 links', 'links_too_many', { links: Array(2_049).fill(link) }],
  ])('with %s is set aside as %s, and its neighbours are read', (_, reason, changes) => {
    const [before, broken, after] = [plainSpan('before'), plainSpan('broken', changes), plainSpan('after')];
    const json = jsonRequest(requestOf([before, broken, after])) as ReturnType<typeof spanOf>;
    const { spans, unreadable } = decode(json);
    expect(spans).toEqual(expectedSpans(requestOf([before, after])));
    expect(unreadable.map((each) => each.reason)).toEqual([reason]);
    expect(unreadable[0]!.partial).toMatchObject({ name: 'broken', scope: { name: 'scope', version: '1' } });
    const raw = Buffer.from(unreadable[0]!.raw).toString();
    expect(JSON.parse(raw)).toEqual(json.resourceSpans[0]!.scopeSpans[0]!.spans[1]);
  });

  it.each<[string, string, object]>([
    ['an id in base64', 'trace_id_invalid', { traceId: 'q6urq6urq6urq6urq6urqw==' }],
    ['an id that is a number', 'trace_id_invalid', { traceId: 7 }],
    ['no span id', 'span_id_invalid', { spanId: undefined }],
    ['an int that is none', 'int_value_invalid', { attributes: [{ key: 'k', value: { intValue: '1.5' } }] }],
    [
      'an int that is a fraction',
      'int_value_invalid',
      { attributes: [{ key: 'k', value: { intValue: 1.5 } }] },
    ],
    ['a time that is none', 'time_invalid', { startTimeUnixNano: 'yesterday' }],
    ['an event whose time is none', 'time_invalid', { events: [{ timeUnixNano: '1e9' }] }],
  ])('with %s is set aside as %s', (_, reason, members) => {
    const { spans, unreadable } = decode(spanOf({ name: 'broken', ...members }));
    expect(spans).toEqual([]);
    expect(unreadable.map((each) => each.reason)).toEqual([reason]);
  });

  it('is none with values 32 deep, or ids of zeros only', () => {
    const request = requestOf([
      plainSpan('deep', { attributes: [['deep', nested(32)]] }),
      plainSpan('zeros', {
        traceId: new Uint8Array(16),
        spanId: new Uint8Array(8),
        parentSpanId: new Uint8Array(8),
      }),
    ]);
    expect(decode(jsonRequest(request))).toEqual({ spans: expectedSpans(request), unreadable: [] });
  });
});

function deep(open: string, close: string, depth: number): string {
  return open.repeat(depth) + close.repeat(depth);
}

function spanText(members: string): string {
  const { traceId, spanId } = IDS;
  return `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${traceId}","spanId":"${spanId}",${members}}]}]}]}`;
}

/** The text with one of its values, counted in reading order, replaced by another. */
function replaceNode(text: string, place: number, other: unknown): string {
  let count = 0;
  JSON.parse(text, (_, value) => {
    count += 1;
    return value;
  });
  let left = place % count;
  return JSON.stringify(JSON.parse(text, (_, value) => (left-- === 0 ? other : value))) ?? '';
}
