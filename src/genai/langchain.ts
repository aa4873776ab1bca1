import { isObject, textOf, unwrapJson } from './values.ts';

/** LangChain's own serialised messages, which several dialects carry as they are. */

const ROLES: { [type: string]: string } = {
  human: 'user',
  HumanMessage: 'user',
  HumanMessageChunk: 'user',
  ai: 'assistant',
  AIMessage: 'assistant',
  AIMessageChunk: 'assistant',
  system: 'system',
  SystemMessage: 'system',
  SystemMessageChunk: 'system',
  tool: 'tool',
  ToolMessage: 'tool',
  ToolMessageChunk: 'tool',
  function: 'tool',
};

/** A message as OpenAI writes it, from `{lc, id: [..., 'AIMessage'], kwargs}` or `{type: 'ai', content}`; any other as it is. */
export function plainMessage(json: Record<string, unknown>): Record<string, unknown> {
  // The constructor's `{id, kwargs}`, Python's `{type, data}`, or the fields themselves.
  const fields = isObject(json.kwargs) ? json.kwargs : isObject(json.data) ? json.data : json;
  const type = isObject(json.kwargs) && Array.isArray(json.id) ? json.id.at(-1) : json.type;
  const role = typeof type === 'string' && Object.hasOwn(ROLES, type) ? ROLES[type] : undefined;
  if (role === undefined || textOf(json.role) !== undefined) return json;
  const calls =
    Array.isArray(fields.tool_calls) && fields.tool_calls.length > 0 ? fields.tool_calls : undefined;
  const extra = isObject(fields.additional_kwargs) ? fields.additional_kwargs.tool_calls : undefined;
  return { ...fields, role, tool_calls: calls ?? extra };
}

/** What a tool's span gives as its output, bare: LangChain wraps it in `{output}` and a message that names the call. */
export function toolOutput(value: unknown): { result: unknown; id?: string; name?: string } {
  const keys = isObject(value) ? Object.keys(value) : [];
  const isWrapped = keys.includes('output') && keys.every((key) => key === 'output' || key === 'kwargs');
  const output = isObject(value) && isWrapped ? value.output : value;
  const message = unwrapJson(output);
  if (!isObject(message)) return { result: message };
  const plain = plainMessage(message);
  if (plain.role !== 'tool' || !('tool_call_id' in plain || 'kwargs' in message)) return { result: message };
  const id = textOf(plain.tool_call_id);
  const name = textOf(plain.name);
  const content = unwrapJson(plain.content);
  return {
    // The message's own status tells what the text need not.
    result: plain.status === 'error' && !isObject(content) ? { error: content } : content,
    ...(id === undefined ? {} : { id }),
    ...(name === undefined ? {} : { name }),
  };
}

/** What a tool's span gives as its input, bare: arguments alone, in a list, beside a config, or under `input`. */
export function toolInput(value: unknown): unknown {
  if (!isObject(value)) return value;
  if (isObject(value.inputs) && 'input_str' in value) return value.inputs;
  const { args, kwargs } = value;
  if (isObject(kwargs) && Object.keys(kwargs).length > 0) return kwargs;
  if (Array.isArray(args)) return args.length === 1 ? unwrapJson(args[0]) : args;
  if ('input' in value && Object.keys(value).length === 1) return unwrapJson(value.input);
  return value;
}
