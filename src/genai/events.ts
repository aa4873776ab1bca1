import type { LogRecord } from '../otlp/logs.ts';
import { type Attributes, type AttributeValue, blankSpan, type Span, type SpanEvent } from '../span.ts';
import { isObject, jsonAttribute, textAttribute, toJson, unwrapJson } from './values.ts';

/**
 * Content that the GenAI conventions put beside the span: until 1.36 an event for each message
 * (`gen_ai.user.message`, `gen_ai.choice` …), later one for all of an operation
 * (`gen_ai.client.inference.operation.details`). Log records mostly, events on the span in some frameworks.
 */
const MESSAGE = /^gen_ai\.(system|user|assistant|tool)\.message$/;
const CHOICE = 'gen_ai.choice';
const DETAILS = 'gen_ai.client.inference.operation.details';

interface ContentEvent {
  name: string;
  /** What the event says of its message: a log's body, a span event's attributes. */
  message: unknown;
  attributes: Attributes;
}

interface Content {
  input: unknown[];
  output: unknown[];
}

/** The messages of a span's own events; undefined when it has none. */
export function eventContent(events: readonly SpanEvent[]): Content | undefined {
  if (!events.some(({ name }) => isContent(name))) return undefined;
  return contentOf(
    events.map(({ name, attributes }) => ({
      name,
      attributes,
      // Azure's SDKs put the event's whole body into one attribute.
      message:
        jsonAttribute(attributes, 'gen_ai.event.content') ??
        Object.fromEntries([...attributes].map(([key, value]) => [key, toJson(value)])),
    })),
  );
}

/** What a tool's span tells by events: its arguments in a tool's message, its result in a choice. */
export function toolContent(events: readonly SpanEvent[]): { arguments?: unknown; result?: unknown } {
  const attribute = (name: string, key: string) => {
    const event = events.find((each) => each.name === name);
    return event === undefined ? undefined : jsonAttribute(event.attributes, key);
  };
  return { arguments: attribute('gen_ai.tool.message', 'content'), result: attribute(CHOICE, 'message') };
}

/** An event that holds messages. */
export function isContent(name: string): boolean {
  return MESSAGE.test(name) || name === CHOICE || name === DETAILS;
}

/**
 * One span-like carrier for the content that log records of one request hold of one span: of the same ids, with
 * the messages as the conventions now put them on spans. What the records do not tell is told by the span.
 */
export function contentSpans(logs: readonly LogRecord[]): Span[] {
  const groups = new Map<unknown, LogRecord[]>();
  for (const log of logs) {
    if (!isContent(eventName(log))) continue;
    // Without a trace nobody can say which records belong together.
    const key = log.traceId === '' ? log : `${log.traceId} ${log.spanId}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [log]);
    else group.push(log);
  }
  return [...groups.values()].map((group) => carrier(group.sort(byTime)));
}

/** Of one time in the order they came. */
function byTime(a: LogRecord, b: LogRecord): number {
  return a.timeUnixNano < b.timeUnixNano ? -1 : a.timeUnixNano > b.timeUnixNano ? 1 : 0;
}

function carrier(logs: readonly LogRecord[]): Span {
  const first = logs[0]!;
  const { input, output } = contentOf(
    logs.map((log) => ({ name: eventName(log), attributes: log.attributes, message: toJson(log.body) })),
  );
  const attributes = new Map<string, AttributeValue>([['gen_ai.operation.name', 'chat']]);
  for (const log of logs) for (const [key, value] of log.attributes) attributes.set(key, value);
  attributes.set('gen_ai.input.messages', JSON.stringify(input));
  attributes.set('gen_ai.output.messages', JSON.stringify(output));
  const span = blankSpan(first.scope, first.resource);
  span.traceId = first.traceId || '0'.repeat(32);
  span.spanId = first.spanId || '0'.repeat(16);
  span.name = 'content';
  span.startTimeUnixNano = first.timeUnixNano;
  span.endTimeUnixNano = logs.at(-1)!.timeUnixNano;
  span.attributes = attributes;
  span.droppedCount = logs.reduce((sum, log) => sum + log.droppedCount, 0);
  return span;
}

/** `event_name` since OTLP 1.5; an attribute before. */
function eventName({ eventName: name, attributes }: LogRecord): string {
  return name || (textAttribute(attributes, 'event.name') ?? '');
}

function contentOf(events: readonly ContentEvent[]): Content {
  const content: Content = { input: [], output: [] };
  for (const { name, message, attributes } of events) {
    if (name === DETAILS) {
      content.input.push(...list(jsonAttribute(attributes, 'gen_ai.input.messages')));
      content.output.push(...list(jsonAttribute(attributes, 'gen_ai.output.messages')));
      continue;
    }
    const role = MESSAGE.exec(name)?.[1];
    const body = unwrapJson(message);
    if (role !== undefined) content.input.push(withRole(role, body));
    else if (name === CHOICE)
      content.output.push(withRole('assistant', isObject(body) ? (unwrapJson(body.message) ?? body) : body));
  }
  return content;
}

/** Members may be JSON in text, where an event's attributes can hold nothing else. */
function withRole(role: string, body: unknown): unknown {
  if (!isObject(body)) return { role, content: body };
  const { content, tool_calls, toolCalls } = body;
  const parts = unwrapJson(content);
  // A tool's answer may be JSON itself; only a list of parts that are results is a message of several.
  const isParts =
    role !== 'tool' ||
    (Array.isArray(parts) && parts.every((part) => isObject(part) && 'toolResult' in part));
  return {
    ...body,
    role,
    content: isParts ? parts : content,
    tool_calls: unwrapJson(tool_calls ?? toolCalls),
  };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
