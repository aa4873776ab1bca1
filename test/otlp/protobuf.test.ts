import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { decodeTracesProtobuf } from '../../src/otlp/protobuf-traces.ts';
import type { AttributeValue, Span } from '../../src/span.ts';
import { encodeProtobuf, protobufSpan, scramble } from '../support/otlp-encode.ts';
import {
  type AnyModel,
  anyRequest,
  expectedSpans,
  nested,
  plainSpan,
  requestOf,
  type SpanModel,
} from '../support/otlp-model.ts';
import '../support/equal-bytes.ts';
import { anyMutations, mutate } from '../support/otlp-mutate.ts';
import { encodeLogs, SpanMessage } from '../support/otlp-proto.ts';

const undecodable = expect.objectContaining({ name: 'SpanledgerError', code: 'otlp_undecodable' });

describe('decodeTracesProtobuf', () => {
  it('reads any request as protobufjs wrote it', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(decodeTracesProtobuf(encodeProtobuf(request))).toEqual({
          spans: expectedSpans(request),
          unreadable: [],
        });
      }),
      { numRuns: 400 },
    );
  });

  it('reads it in any order of fields, among fields it does not know', () => {
    fc.assert(
      fc.property(anyRequest, fc.integer(), (request, seed) => {
        const { spans, unreadable } = decodeTracesProtobuf(scramble(encodeProtobuf(request), seed));
        expect(spans).toEqual(expectedSpans(request));
        expect(unreadable).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it('finds the resource behind the spans it describes', () => {
    const request = requestOf([plainSpan('a')], [['service.name', { is: 'string', value: 'behind' }]]);
    const groups = protobuf.Reader.create(encodeProtobuf(request));
    groups.uint32();
    const [resource, scopes] = fieldsOf(groups.bytes());
    const swapped = protobuf.Writer.create()
      .uint32(10)
      .bytes(Buffer.concat([scopes!, resource!]))
      .finish();
    expect(decodeTracesProtobuf(swapped).spans).toEqual(expectedSpans(request));
  });

  it('gives kvlists no prototype, so that no key of a sender is more than a key', () => {
    const value: AnyModel = {
      is: 'kvlist',
      value: [
        ['__proto__', { is: 'kvlist', value: [['polluted', { is: 'bool', value: true }]] }],
        ['list', { is: 'array', value: [{ is: 'kvlist', value: [] }] }],
      ],
    };
    const [span] = decodeTracesProtobuf(
      encodeProtobuf(requestOf([plainSpan('a', { attributes: [['k', value]] })])),
    ).spans;
    const read = span!.attributes.get('k') as { [key: string]: AttributeValue };
    expect(Object.keys(read)).toEqual(['__proto__', 'list']);
    expect(Object.getPrototypeOf(read)).toBeNull();
    for (const each of Object.values(read).flat()) expect(Object.getPrototypeOf(each)).toBeNull();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('lets the last of several stand: in a oneof, and of attributes with one key', () => {
    const any = protobuf.Writer.create()
      .uint32((1 << 3) | 2)
      .string('first')
      .uint32((3 << 3) | 0)
      .int32(7)
      .finish();
    const pair = (value: Uint8Array) =>
      protobuf.Writer.create().uint32(10).string('k').uint32(18).bytes(value).finish();
    const span = Buffer.concat([
      SpanMessage.encode(
        protobufSpan(plainSpan('a', { attributes: [['k', { is: 'bool', value: true }]] })),
      ).finish(),
      protobuf.Writer.create()
        .uint32((9 << 3) | 2)
        .bytes(pair(any))
        .finish(),
    ]);
    const { spans } = decodeTracesProtobuf(wrapSpan(span));
    expect([...spans[0]!.attributes]).toEqual([['k', 7]]);
  });

  it('copies what it keeps, and reads within a larger buffer', () => {
    const bytes: AnyModel = { is: 'bytes', value: Uint8Array.of(1, 2, 3) };
    const request = requestOf([
      plainSpan('a', { attributes: [['b', bytes]] }),
      plainSpan('b', { traceId: Uint8Array.of(1) }),
    ]);
    const body = encodeProtobuf(request);
    const arena = Buffer.concat([Buffer.from('before'), body, Buffer.from('after')]);
    const { spans, unreadable } = decodeTracesProtobuf(arena.subarray(6, 6 + body.length));
    const raw = Buffer.from(unreadable[0]!.raw);
    arena.fill(0);
    expect(spans[0]!.attributes.get('b')).toEqual(Uint8Array.of(1, 2, 3));
    expect(Buffer.from(unreadable[0]!.raw)).toEqual(raw);
  });

  it('takes an empty body for no spans', () => {
    expect(decodeTracesProtobuf(new Uint8Array(0))).toEqual({ spans: [], unreadable: [] });
  });
});

describe('a broken body', () => {
  /** Reads, or refuses in its own words; and what it reads is whole. */
  const holds = (body: Buffer) => {
    const started = performance.now();
    let spans: Span[] = [];
    try {
      ({ spans } = decodeTracesProtobuf(body));
    } catch (error) {
      if (!isSpanledgerError(error, 'otlp_undecodable')) throw error;
    }
    for (const span of spans) {
      expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
    }
    // Far above what the largest of these bodies takes: only a loop that feeds itself gets here.
    expect(performance.now() - started).toBeLessThan(10_000);
  };

  it('is read or refused, whatever became of it on its way', () => {
    fc.assert(
      fc.property(anyRequest, anyMutations, (request, mutations) => {
        holds(mutate(encodeProtobuf(request), mutations));
      }),
      { numRuns: 4_000 },
    );
  });

  it('is read or refused, also of a real agent', () => {
    const capture = readFileSync(
      'test/golden/captures/traceloop_instrumentation-anthropic-0.27.0/traces-001.pb',
    );
    fc.assert(
      fc.property(anyMutations, (mutations) => holds(mutate(capture, mutations))),
      { numRuns: 1_000 },
    );
  });

  it('is refused at every truncation that cuts a field', () => {
    const body = encodeProtobuf(requestOf([plainSpan('only one')]));
    for (let length = 1; length < body.length; length++)
      expect(() => decodeTracesProtobuf(body.subarray(0, length)), `${length} bytes`).toThrow(undecodable);
  });

  it('is refused when resource_spans is no message', () => {
    expect(() => decodeTracesProtobuf(Buffer.from([0x08, 0x01]))).toThrow(undecodable);
  });

  it('is refused when it is a request of logs', () => {
    const record = {
      timeUnixNano: 1,
      severityNumber: 9,
      body: { stringValue: 'started' },
      traceId: Buffer.alloc(16, 1),
    };
    const logs = encodeLogs({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
    expect(() => decodeTracesProtobuf(logs)).toThrow(/logs or metrics/);
    expect(() => decodeTracesProtobuf(logs)).toThrow(undecodable);
  });
});

describe('a span that breaks a rule', () => {
  const kept = ['kept', { is: 'string', value: 'yes' }] as const satisfies [string, AnyModel];
  const many = (count: number) =>
    Array.from({ length: count }, (_, i): [string, AnyModel] => [`k${i}`, { is: 'empty' }]);
  const event = (attributes: [string, AnyModel][] = []) => ({ time: 1n, name: 'e', attributes });
  const link = { traceId: new Uint8Array(16), spanId: new Uint8Array(8), attributes: [] };

  const rules: [string, string, Partial<SpanModel>, Partial<Span>][] = [
    ['a trace id of 15 bytes', 'trace_id_invalid', { traceId: new Uint8Array(15) }, { name: 'broken' }],
    ['a trace id of 17 bytes', 'trace_id_invalid', { traceId: new Uint8Array(17) }, { name: 'broken' }],
    ['no trace id', 'trace_id_invalid', { traceId: new Uint8Array(0) }, { traceId: '' }],
    ['a span id of 7 bytes', 'span_id_invalid', { spanId: new Uint8Array(7) }, { name: 'broken' }],
    ['no span id', 'span_id_invalid', { spanId: new Uint8Array(0) }, { spanId: '' }],
    [
      'a parent id of 4 bytes',
      'parent_span_id_invalid',
      { parentSpanId: Uint8Array.of(1, 2, 3, 4) },
      { name: 'broken' },
    ],
    ['a value 33 deep', 'value_too_deep', { attributes: [kept, ['deep', nested(33)]] }, keptOnly()],
    [
      'an event with a value 33 deep',
      'value_too_deep',
      { attributes: [kept], events: [event([['k', nested(33)]])] },
      keptOnly(),
    ],
    ['2049 attributes', 'attributes_too_many', { attributes: many(2_049) }, { name: 'broken' }],
    [
      '2049 attributes of an event',
      'attributes_too_many',
      { attributes: [kept], events: [event(many(2_049))] },
      keptOnly(),
    ],
    [
      'a list of 2049 pairs',
      'attributes_too_many',
      { attributes: [['k', { is: 'kvlist', value: many(2_049) }]] },
      { name: 'broken' },
    ],
    [
      '2049 events',
      'events_too_many',
      { attributes: [kept], events: Array(2_049).fill(event()) },
      keptOnly(),
    ],
    ['2049 links', 'links_too_many', { attributes: [kept], links: Array(2_049).fill(link) }, keptOnly()],
    [
      'over 8 MiB',
      'span_too_large',
      { attributes: [['k', { is: 'string', value: 'x'.repeat(8 * 1024 * 1024) }]] },
      { name: '' },
    ],
  ];

  function keptOnly(): Partial<Span> {
    return { name: 'broken', traceId: 'ab'.repeat(16), attributes: new Map([['kept', 'yes']]) };
  }

  it.each(rules)('with %s is set aside as %s, and its neighbours are read', (_, reason, changes, partial) => {
    const [before, broken, after] = [plainSpan('before'), plainSpan('broken', changes), plainSpan('after')];
    const { spans, unreadable } = decodeTracesProtobuf(encodeProtobuf(requestOf([before, broken, after])));
    expect(spans).toEqual(expectedSpans(requestOf([before, after])));
    expect(unreadable.map((each) => each.reason)).toEqual([reason]);
    const [found] = unreadable;
    expect(found!.partial).toMatchObject({ ...partial, scope: { name: 'scope', version: '1' } });
    expect(Buffer.from(found!.raw).equals(SpanMessage.encode(protobufSpan(broken)).finish())).toBe(true);
  });

  it.each([
    ['values 32 deep', { attributes: [['deep', nested(32)]] }],
    ['2048 attributes', { attributes: many(2_048) }],
    ['2048 events', { events: Array(2_048).fill(event()) }],
    ['2048 links', { links: Array(2_048).fill(link) }],
    ['nearly 8 MiB', { name: 'x'.repeat(8 * 1024 * 1024 - 1_000) }],
    ['ids of zeros only', { traceId: new Uint8Array(16), spanId: new Uint8Array(8) }],
  ] satisfies [string, Partial<SpanModel>][])('is none with %s', (_, changes) => {
    const request = requestOf([plainSpan('a', changes)]);
    const { spans, unreadable } = decodeTracesProtobuf(encodeProtobuf(request));
    expect(unreadable).toEqual([]);
    expect(spans).toEqual(expectedSpans(request));
  });

  // A resource is shared by its spans: each of them is set aside.
  it('may also be a resource: then nothing but a refusal in our own words comes out', () => {
    for (const attributes of [many(2_049), [['deep', nested(33)]] as [string, AnyModel][]]) {
      const body = encodeProtobuf(requestOf([plainSpan('a')], attributes));
      try {
        decodeTracesProtobuf(body);
      } catch (error) {
        expect(error).toEqual(undecodable);
      }
    }
  });
});

/** The fields of a message, each with its tag. */
function fieldsOf(message: Uint8Array): Uint8Array[] {
  const reader = protobuf.Reader.create(message);
  const fields: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    reader.skipType(reader.uint32() & 7);
    fields.push(message.subarray(start, reader.pos));
  }
  return fields;
}

/** One span's bytes as a request. */
function wrapSpan(span: Uint8Array): Uint8Array {
  const wrap = (tag: number, bytes: Uint8Array) => protobuf.Writer.create().uint32(tag).bytes(bytes).finish();
  return wrap(10, wrap(18, wrap(18, span)));
}
