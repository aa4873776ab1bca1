import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { contentSpans } from '../../src/genai/events.ts';
import { decodeLogsJson } from '../../src/otlp/json-logs.ts';
import { Limits } from '../../src/otlp/limits.ts';
import type { DecodedLogs } from '../../src/otlp/logs.ts';
import { decodeLogsProtobuf } from '../../src/otlp/protobuf-logs.ts';
import { goldenCapture } from '../support/captures.ts';
import { anyMutations, mutate } from '../support/otlp-mutate.ts';

const TRACE = 'a'.repeat(32);
const SPAN = 'b'.repeat(16);
const { json, protobuf } = goldenCapture('opentelemetry_instrumentation-openai-0.22.0').logs!;

/** One log record as the SDK hands it to its serializers. */
const record = (more: object = {}) => ({
  hrTime: [1_760_000_000, 5] as [number, number],
  hrTimeObserved: [1_760_000_001, 0] as [number, number],
  spanContext: { traceId: TRACE, spanId: SPAN, traceFlags: 1 },
  severityNumber: 9,
  body: { content: 'Hi', nested: [1, true, null] },
  eventName: 'gen_ai.user.message',
  resource: { attributes: { 'service.name': 's' }, asyncAttributesPending: false },
  instrumentationScope: { name: 'scope', version: '1' },
  attributes: { 'gen_ai.system': 'openai' },
  droppedAttributesCount: 2,
  ...more,
});

const one = (more: object) =>
  decodeLogsJson(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [more] }] }] }));

describe("the OpenTelemetry SDK's own serializers of logs", () => {
  it.each([
    [
      'protobuf',
      (each: object) => decodeLogsProtobuf(ProtobufLogsSerializer.serializeRequest([each as never])!),
    ],
    [
      'JSON',
      (each: object) =>
        decodeLogsJson(Buffer.from(JsonLogsSerializer.serializeRequest([each as never])!).toString()),
    ],
  ])('write in %s what is read back', (_, read) => {
    const [log] = read(record()).logs;
    expect(log).toMatchObject({
      traceId: TRACE,
      spanId: SPAN,
      eventName: 'gen_ai.user.message',
      timeUnixNano: 1_760_000_000_000_000_005n,
      droppedCount: 2,
      scope: { name: 'scope', version: '1' },
    });
    expect(log!.body).toMatchObject({ content: 'Hi' });
    expect(log!.attributes.get('gen_ai.system')).toBe('openai');
    expect(log!.resource.get('service.name')).toBe('s');
  });
});

describe('a log record', () => {
  it('may stand outside of any trace', () => {
    expect(one({ body: { stringValue: 'started' } }).logs).toMatchObject([
      { traceId: '', spanId: '', body: 'started' },
    ]);
    expect(one({ traceId: '0'.repeat(32), spanId: '0'.repeat(16) }).logs).toMatchObject([
      { traceId: '', spanId: '' },
    ]);
  });

  it('with ids that are none is set aside, and nothing of them is told', () => {
    const { logs, unreadable } = one({ traceId: 'password=hunter2' });
    expect(logs).toEqual([]);
    expect(unreadable).toMatchObject([{ reason: 'trace_id_invalid' }]);
    expect(unreadable[0]!.detail).not.toContain('hunter2');
  });

  it('takes the time it was observed for one it does not say', () => {
    expect(one({ observedTimeUnixNano: '7' }).logs[0]!.timeUnixNano).toBe(7n);
  });

  it('over the limit in size is set aside', () => {
    const { logs, unreadable } = one({ body: { stringValue: 'x'.repeat(Limits.spanBytes) } });
    expect([logs.length, unreadable[0]?.reason]).toEqual([0, 'span_too_large']);
  });
});

describe('content in log records', () => {
  it('that holds none makes nothing', () => {
    const plain = one({ eventName: 'app.started', traceId: TRACE, spanId: SPAN });
    expect(contentSpans(plain.logs)).toEqual([]);
  });

  it('is gathered span by span, in order of time', () => {
    const message = (name: string, time: string, values: object[]) => ({
      traceId: TRACE,
      spanId: SPAN,
      timeUnixNano: time,
      attributes: [{ key: 'event.name', value: { stringValue: name } }],
      body: { kvlistValue: { values } },
    });
    const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
    const logs = decodeLogsJson(
      JSON.stringify({
        resourceLogs: [
          {
            scopeLogs: [
              {
                logRecords: [
                  message('gen_ai.choice', '3', [
                    { key: 'message', value: { kvlistValue: { values: [text('content', 'Ho')] } } },
                  ]),
                  message('gen_ai.user.message', '2', [text('content', 'Hi')]),
                  message('gen_ai.system.message', '1', [text('content', 'Be brief.')]),
                ],
              },
            ],
          },
        ],
      }),
    ).logs;
    const [carrier, ...others] = contentSpans(logs);
    expect(others).toEqual([]);
    expect(carrier).toMatchObject({
      traceId: TRACE,
      spanId: SPAN,
      startTimeUnixNano: 1n,
      endTimeUnixNano: 3n,
    });
    expect(JSON.parse(carrier!.attributes.get('gen_ai.input.messages') as string)).toMatchObject([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ]);
    expect(JSON.parse(carrier!.attributes.get('gen_ai.output.messages') as string)).toMatchObject([
      { role: 'assistant', content: 'Ho' },
    ]);
  });
});

describe('a broken logs request', () => {
  const holds = (work: () => DecodedLogs) => {
    try {
      for (const span of contentSpans(work().logs)) expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
    } catch (error) {
      if (!isSpanledgerError(error, 'otlp_undecodable')) throw error;
    }
  };

  it('is a typed error or fewer records, in JSON and in protobuf', () => {
    fc.assert(
      fc.property(anyMutations, (mutations) => {
        holds(() => decodeLogsJson(mutate(json, mutations).toString()));
        holds(() => decodeLogsProtobuf(mutate(protobuf, mutations)));
      }),
      { numRuns: 150 },
    );
  });
});
