import type { Message, ToolCall, ToolResult } from './activity.ts';
import { isObject, textOf, unwrapJson } from './values.ts';

/**
 * The parts of a message: told by `type` in the GenAI conventions, Vercel AI, OpenAI and Anthropic, and by the
 * name of their one member in Gemini, Genkit and Bedrock.
 */

const TEXT_PARTS = new Set(['text', 'input_text', 'output_text']);
const CALL_PARTS = new Set(['tool_call', 'tool-call', 'tool_use', 'toolCall', 'server_tool_call']);
const RESULT_PARTS = new Set([
  'tool_call_response',
  'tool-result',
  'tool_result',
  'toolResult',
  'server_tool_call_response',
]);
const CALL_MEMBERS = ['toolRequest', 'functionCall', 'function_call', 'toolUse'];
const RESULT_MEMBERS = ['toolResponse', 'functionResponse', 'function_response', 'toolResult'];

/** @param owner the message's own JSON: beside plain text it may say whose result that is */
export function readPart(part: unknown, one: Message, owner: Record<string, unknown>): void {
  if (typeof part === 'string') addText(one, part);
  if (!isObject(part)) return;
  const type = textOf(part.type) ?? '';
  if (CALL_PARTS.has(type)) readToolCall(part, one);
  else if (RESULT_PARTS.has(type)) readToolResult(part, one);
  else if (TEXT_PARTS.has(type) || type === '') {
    const text = part.content ?? part.text;
    if (typeof text === 'string') {
      // A tool's answer may be plain text parts under the role that says so.
      if (one.role === 'tool') one.toolResults.push(toolResult(owner, unwrapJson(text)));
      else addText(one, text);
    } else readMember(part, one);
  }
}

function readMember(part: Record<string, unknown>, one: Message): void {
  const inside = (members: string[]) => members.map((member) => part[member]).find(isObject);
  const call = inside(CALL_MEMBERS);
  if (call !== undefined) readToolCall(call, one);
  const result = inside(RESULT_MEMBERS);
  if (result !== undefined) readToolResult(result, one);
}

function addText(one: Message, text: string): void {
  one.text = one.text === '' ? text : `${one.text}\n${text}`;
}

export function readToolCall(json: unknown, one: Message): void {
  if (!isObject(json)) return;
  const inner = isObject(json.function) ? json.function : json;
  const call: ToolCall = {};
  // The responses API gives the item an id of its own, and the call another, by which its result is known.
  const id = firstText(json, 'call_id', 'id', 'toolCallId', 'toolUseId', 'ref');
  const name = firstText(inner, 'name') ?? firstText(json, 'toolName');
  const args = inner.arguments ?? inner.input ?? inner.args;
  if (id !== undefined) call.id = id;
  if (name !== undefined) call.name = name;
  if (args !== undefined) call.arguments = unwrapJson(args);
  one.toolCalls.push(call);
}

function readToolResult(part: Record<string, unknown>, one: Message): void {
  const value = part.response ?? part.result ?? part.output ?? part.content ?? part.server_tool_call_response;
  one.toolResults.push(toolResult(part, typedOutput(unwrapJson(value))));
}

/** A result, with the call it answers as far as `json` names it. */
export function toolResult(json: Record<string, unknown>, value: unknown): ToolResult {
  // Anthropic, Bedrock and LangChain say beside the result that it is an error.
  const isError = json.is_error === true || json.status === 'error';
  const found: ToolResult = { result: isError ? failed(value) : value };
  // `id` comes last: on a whole message it may name the message.
  const id = firstText(
    json,
    'call_id',
    'tool_call_id',
    'tool_use_id',
    'toolCallId',
    'toolUseId',
    'ref',
    'id',
  );
  const name = firstText(json, 'name', 'toolName');
  if (id !== undefined) found.id = id;
  if (name !== undefined) found.name = name;
  return found;
}

function firstText(json: Record<string, unknown>, ...keys: string[]): string | undefined {
  for (const key of keys) {
    const text = textOf(json[key]);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Vercel AI wraps a tool's output as `{type, value}`, where the type may say that it failed or was denied. */
function typedOutput(value: unknown): unknown {
  if (!isObject(value)) return blocksText(value);
  const type = value.type;
  if (type === 'json' || type === 'text') return unwrapJson(value.value);
  if (type === 'content') return blocksText(unwrapJson(value.value));
  if (type === 'error-text' || type === 'error-json') return { error: unwrapJson(value.value) };
  if (type === 'execution-denied') return { error: 'permission_denied', message: value.reason };
  return value;
}

/** Anthropic, MCP and Bedrock give a result in blocks; what is no list of text blocks stays as it is. */
function blocksText(value: unknown): unknown {
  if (!Array.isArray(value) || value.length === 0) return value;
  if (value.length === 1 && isObject(value[0]) && 'json' in value[0]) return unwrapJson(value[0].json);
  const texts = value.map((block) =>
    isObject(block) && (block.type === 'text' || block.type === undefined) ? block.text : undefined,
  );
  return texts.every((text) => typeof text === 'string') ? unwrapJson(texts.join('\n')) : value;
}

function failed(answer: unknown): unknown {
  return isObject(answer) && answer.error !== undefined ? answer : { error: answer ?? true };
}
