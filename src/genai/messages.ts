import type { Message, ToolCall, ToolResult } from './activity.ts';
import { isCutJson } from './cut-json.ts';
import { plainMessage } from './langchain.ts';
import { readPart, readToolCall, toolResult } from './parts.ts';
import { isObject, textOf, unwrapJson } from './values.ts';

/**
 * Reads a list of messages, of the GenAI conventions, Vercel AI, OpenAI chat and responses, Anthropic, Gemini,
 * Genkit, Bedrock or LangChain: they differ in names only.
 */
export function readMessages(value: unknown): Message[] | undefined {
  // Cut JSON is nobody's message.
  if (typeof value === 'string')
    return value === '' || isCutJson(value) ? undefined : [message('user', value)];
  const given = isObject(value) ? (value.messages ?? value.contents) : value;
  if (!Array.isArray(given)) return undefined;
  // LangChain asks for several answers at once, and so gives a list of such lists.
  const list: unknown[] = given.length === 1 && Array.isArray(given[0]) ? given[0] : given;
  const messages: Message[] = [];
  const alone = list.filter((each) => !(isObject(each) && isSystem(each.role))).length === 1;
  for (const each of list) {
    if (isObject(each)) readMessage(plainMessage(each), alone, messages);
    else if (typeof each === 'string') messages.push(message('user', each));
  }
  return messages.length > 0 ? messages : undefined;
}

/** Reads a model's answer: a message or a list of them, OpenAI's choices, or LangChain's generations. */
export function readAnswer(value: unknown): Message[] | undefined {
  if (!isObject(value))
    return readMessages(typeof value === 'string' ? [{ role: 'assistant', content: value }] : value);
  const { choices, generations, output, message: only } = value;
  if (Array.isArray(choices)) return readMessages(choices.map(inner));
  if (Array.isArray(generations)) return readMessages(generations.flat().map(inner));
  if (isObject(only)) return readMessages([only]);
  if (Array.isArray(value.messages)) return readMessages(value.messages.slice(-1));
  if (Array.isArray(output)) return readMessages(output);
  const isMessage = 'role' in value || 'content' in value || 'parts' in value || 'kwargs' in value;
  return isMessage ? readMessages([value]) : undefined;
}

function inner(choice: unknown): unknown {
  return isObject(choice) ? (choice.message ?? choice) : choice;
}

function readMessage(json: Record<string, unknown>, alone: boolean, into: Message[]): void {
  const one = message(textOf(json.role) ?? '');
  const parts = json.parts ?? json.content;
  // Some instrumentations put a whole request's input, as JSON, into the text of its one user message.
  const stuffed = alone && one.role === 'user' ? stuffedMessages(parts) : undefined;
  if (stuffed !== undefined) {
    into.push(...stuffed);
    return;
  }
  if (typeof parts === 'string') {
    if (one.role === 'tool') one.toolResults.push(toolResult(json, unwrapJson(parts)));
    else one.text = parts;
  } else if (Array.isArray(parts)) {
    for (const part of parts) readPart(part, one, json);
  }
  if (one.role === 'tool' && one.toolResults.length === 0)
    one.toolResults.push(toolResult(json, parts ?? null));
  readItem(json, one);
  for (const call of list(json.tool_calls ?? json.toolCalls)) readToolCall(call, one);
  into.push(one);
}

/** An item of the OpenAI responses API stands where a message would, and has no role. */
function readItem(json: Record<string, unknown>, one: Message): void {
  if (json.type === 'function_call') {
    one.role ||= 'assistant';
    readToolCall(json, one);
  } else if (json.type === 'function_call_output') {
    one.role ||= 'tool';
    one.toolResults.push(toolResult(json, unwrapJson(json.output)));
  }
}

function stuffedMessages(parts: unknown): Message[] | undefined {
  const only = Array.isArray(parts) && parts.length === 1 ? parts[0] : undefined;
  const text = isObject(only) ? (only.content ?? only.text) : parts;
  if (typeof text !== 'string' || !/^\s*\[\s*\{/.test(text)) return undefined;
  const items = unwrapJson(text);
  const isInput =
    Array.isArray(items) &&
    items.every(
      (item) =>
        isObject(item) && ('role' in item || /^(function_call|reasoning)/.test(textOf(item.type) ?? '')),
    );
  return isInput ? readMessages(items) : undefined;
}

function message(role: string, text = ''): Message {
  return { role, text, toolCalls: [], toolResults: [] };
}

function list(value: unknown): unknown[] {
  const unwrapped = unwrapJson(value);
  return Array.isArray(unwrapped) ? unwrapped : [];
}

/** The text of a list of parts, or plain text where an instrumentation has that. */
export function partsText(value: unknown): string | undefined {
  if (typeof value === 'string') return value || undefined;
  if (!Array.isArray(value)) return undefined;
  const texts = value
    .map((part) => (isObject(part) ? (part.content ?? part.text) : part))
    .filter((text) => typeof text === 'string');
  return texts.length > 0 ? texts.join('\n') : undefined;
}

/** The system prompt, where the dialect keeps it among the messages. */
export function systemText(messages: readonly Message[] | undefined): string | undefined {
  const texts = messages?.filter((each) => isSystem(each.role)).map((each) => each.text);
  return texts && texts.length > 0 ? texts.join('\n') : undefined;
}

function isSystem(role: unknown): boolean {
  return role === 'system' || role === 'developer';
}

/** Messages a person wrote: of role user, with text, however their tool results are filed. */
export function userMessages(messages: readonly Message[]): Message[] {
  return messages.filter((each) => (each.role === 'user' || each.role === 'human') && each.text !== '');
}

/** A tool's result that a call is the first to show the model, with the call it answers as far as that is told. */
export interface Answer extends ToolResult {
  call: ToolCall | undefined;
  /** Its place among the results of this turn, from 0. */
  position: number;
}

/** Tool results after the last assistant message. Without ids the results come in the order of the calls. */
export function newToolResults(messages: readonly Message[]): Answer[] {
  const { from, end } = lastAnswer(messages);
  const asked = from < 0 ? [] : messages.slice(from, end).flatMap((each) => each.toolCalls);
  const results = messages.slice(end).flatMap((each) => each.toolResults);
  const calls = results.length > 0 ? callsById(messages) : undefined;
  return results.map((result, position) => {
    const inOrder = result.name === undefined || asked[position]?.name === result.name;
    const byId = result.id === undefined ? undefined : calls?.get(result.id);
    const call = byId ?? (inOrder && asked[position]?.id === undefined ? asked[position] : undefined);
    return { ...result, call, position };
  });
}

/**
 * Where the model's last answer stands: one message, or several where each of its calls is an item of its own.
 * `from` is -1 and `end` 0 when there is none.
 */
export function lastAnswer(messages: readonly Message[]): { from: number; end: number } {
  const end = messages.findLastIndex(isAnswer) + 1;
  let from = end - 1;
  while (from > 0 && isAnswer(messages[from - 1]!)) from -= 1;
  return { from, end };
}

function isAnswer({ role }: Message): boolean {
  return role === 'assistant' || role === 'model' || role === 'ai';
}

/** The first of each id. */
function callsById(messages: readonly Message[]): Map<string, ToolCall> {
  const calls = new Map<string, ToolCall>();
  for (const each of messages)
    for (const call of each.toolCalls)
      if (call.id !== undefined && !calls.has(call.id)) calls.set(call.id, call);
  return calls;
}
