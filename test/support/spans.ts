import { isActivity, readSpan } from '../../src/genai/dialects.ts';
import { compilePolicy, type Policy } from '../../src/policy/policy.ts';
import type { Facts } from '../../src/record/facts.ts';
import { factsOf } from '../../src/record/facts-of.ts';
import { spanMemory } from '../../src/record/lineage.ts';
import { keys, type Memory, type SpanMemory } from '../../src/record/memory.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { settle } from '../../src/record/settle.ts';
import { type Attributes, type AttributeValue, blankSpan, type Span, StatusCode } from '../../src/span.ts';

/** 2026-03-01T12:00:00Z, in microseconds: when the spans of these tests are received. */
export const NOW = 1_772_366_400_000_000;

/** A policy under a key that anybody may know. */
export const POLICY: Policy = compilePolicy({
  id: 'k1',
  secret: Uint8Array.from({ length: 32 }, (_, i) => i),
});

export interface SpanSaid {
  trace?: string;
  id?: string;
  parent?: string;
  /** Nanoseconds since the epoch; by default two seconds before NOW, and one and a half later. */
  start?: bigint;
  end?: bigint;
  service?: string;
  error?: string;
  exception?: { [key: string]: string };
  dropped?: number;
}

/** A span from its name and attributes; objects and lists become JSON text, as instrumentations write them. */
export function span(name: string, attributes: { [key: string]: unknown }, said: SpanSaid = {}): Span {
  const start = said.start ?? BigInt(NOW - 2_000_000) * 1_000n;
  return {
    ...blankSpan({ name: 'test', version: '1' }, new Map([['service.name', said.service ?? 'clinic']])),
    traceId: (said.trace ?? '1').padStart(32, '0'),
    spanId: (said.id ?? '1').padStart(16, '0'),
    parentSpanId: said.parent?.padStart(16, '0'),
    name,
    startTimeUnixNano: start,
    endTimeUnixNano: said.end ?? start + 1_500_000_000n,
    attributes: attributesOf(attributes),
    events: said.exception === undefined ? [] : [exceptionEvent(said.exception, start)],
    status: {
      code: said.error === undefined ? StatusCode.unset : StatusCode.error,
      message: said.error ?? '',
    },
    droppedCount: said.dropped ?? 0,
  };
}

function exceptionEvent(attributes: { [key: string]: string }, timeUnixNano: bigint): Span['events'][number] {
  return { name: 'exception', timeUnixNano, attributes: attributesOf(attributes) };
}

function attributesOf(plain: { [key: string]: unknown }): Attributes {
  return new Map(
    Object.entries(plain).map(([key, value]): [string, AttributeValue] => [
      key,
      typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as AttributeValue),
    ]),
  );
}

export interface ToolSaid {
  call?: string;
  args?: unknown;
  result?: unknown;
}

/** A tool's execution, by the GenAI conventions. */
export function toolSpan(
  tool: string,
  { call, args, result }: ToolSaid = {},
  more: { [key: string]: unknown } = {},
  said: SpanSaid = {},
): Span {
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool,
    ...(call === undefined ? {} : { 'gen_ai.tool.call.id': call }),
    ...(args === undefined ? {} : { 'gen_ai.tool.call.arguments': args }),
    ...(result === undefined ? {} : { 'gen_ai.tool.call.result': result }),
    ...more,
  };
  return span(`execute_tool ${tool}`, attributes, said);
}

/** A model call whose input is these messages. */
export function modelSpan(
  messages: readonly unknown[] | undefined,
  more: { [key: string]: unknown } = {},
  said: SpanSaid = {},
): Span {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    ...(messages === undefined ? {} : { 'gen_ai.input.messages': messages }),
    ...more,
  };
  return span('chat', attributes, said);
}

export const user = (text: string) => ({ role: 'user', parts: [{ type: 'text', content: text }] });
export const assistant = (text: string) => ({ role: 'assistant', parts: [{ type: 'text', content: text }] });

/** What the model asked for, and what it was told: the messages around a tool call. */
export const asked = (id: string, name: string, args: unknown) => ({
  role: 'assistant',
  parts: [{ type: 'tool_call', id, name, arguments: args }],
});
export const told = (id: string, response: unknown) => ({
  role: 'tool',
  parts: [{ type: 'tool_call_response', id, response }],
});

export function factsFrom(span: Span, phase: Facts['phase'] = 'end', policy: Policy = POLICY): Facts {
  const reading = readSpan(span);
  if (!isActivity(reading)) throw new Error(`the span ${span.name} is no agent activity`);
  return factsOf(span, reading, policy, phase);
}

/** Spans settled one after another over one memory, as a writer does, without a journal. */
export class Settled {
  readonly memory = new Map<string, unknown>();
  readonly records: AuditRecord[] = [];
  unattributed = 0;
  readonly #memory: Memory = {
    get: (key) => this.memory.get(key),
    set: (key, value) => void this.memory.set(key, structuredClone(value)),
  };

  /** The records that the span adds. */
  take(
    span: Span,
    { phase = 'end', now = NOW }: { phase?: Facts['phase']; now?: number } = {},
  ): AuditRecord[] {
    const facts = factsFrom(span, phase);
    const { records, unattributed } = settle(facts, this.#memory, now, POLICY.registry);
    const key = keys.span(facts.tenant, facts.trace.trace_id, facts.trace.span_id);
    this.#memory.set(key, spanMemory(this.memory.get(key) as SpanMemory | undefined, facts, undefined));
    this.unattributed += unattributed;
    this.records.push(...records);
    return records;
  }
}

/** The actions of records, in order. */
export function actions(records: readonly AuditRecord[]): string[] {
  return records.map(({ action }) => action);
}
