import type { Attributes, Span } from '../span.ts';
import {
  type ActivityKind,
  type Dialect,
  type Kinds,
  kindNamed,
  type Message,
  type Reading,
  type Usage,
} from './activity.ts';
import { flattened } from './flattened.ts';
import { toolInput, toolOutput } from './langchain.ts';
import { partsText, readAnswer, readMessages, systemText } from './messages.ts';
import { metadataObject } from './metadata.ts';
import {
  countAttribute,
  isObject,
  jsonAttribute,
  present,
  presentIfAny,
  textAttribute,
  textOf,
} from './values.ts';

/**
 * OpenInference (Arize): the kind in `openinference.span.kind`, messages flattened into `llm.input_messages.N.*`,
 * whatever else in `input.value`, `output.value` and a JSON `metadata`.
 */
export const openinference: Dialect = {
  name: 'openinference',
  marks: (attribute) => attribute === 'openinference.span.kind',
  read(span) {
    const { attributes: a } = span;
    const said = textAttribute(a, 'openinference.span.kind')?.toUpperCase();
    if (said === undefined) return undefined;
    const kind = kindOf(span, said);
    const triggered = said === 'GUARDRAIL' && kind === 'tool';
    return present<Reading>({
      kind,
      why: `openinference.span.kind is ${said}${triggered ? ', and it was triggered' : ''}`,
      ...metadataObject(jsonAttribute(a, 'metadata')),
      agentName: textAttribute(a, 'agent.name') ?? (kind === 'agent' ? textOf(span.name) : undefined),
      provider: textAttribute(a, 'llm.provider', 'llm.system'),
      ...(kind === 'model' ? readModel(a) : {}),
      ...(kind === 'tool' ? readTool(span) : {}),
      ...(triggered ? { denied: true } : {}),
    });
  },
};

const KINDS: Kinds = {
  LLM: 'model',
  TOOL: 'tool',
  AGENT: 'agent',
  RETRIEVER: 'retrieval',
};

function kindOf({ attributes, parentSpanId }: Span, said: string): ActivityKind {
  if (said === 'CHAIN') return parentSpanId === undefined ? 'agent' : 'wrapper';
  if (said === 'GUARDRAIL') return attributes.get('guardrail.triggered') === true ? 'tool' : 'wrapper';
  return kindNamed(said, KINDS) ?? 'wrapper';
}

function readModel(a: Attributes): Reading {
  const request = jsonAttribute(a, 'input.value');
  const input = fuller(readWhole(request, readMessages), messagesAt(a, 'llm.input_messages'));
  const output =
    messagesAt(a, 'llm.output_messages') ?? readWhole(jsonAttribute(a, 'output.value'), readAnswer);
  const reason = textAttribute(a, 'llm.finish_reason');
  return present<Reading>({
    ...modelNames(a),
    finishReasons: reason === undefined ? undefined : [reason],
    usage: presentIfAny<Usage>({
      input_tokens: countAttribute(a, 'llm.token_count.prompt'),
      output_tokens: countAttribute(a, 'llm.token_count.completion'),
      cache_read_input_tokens: countAttribute(a, 'llm.token_count.prompt_details.cache_read'),
      cache_creation_input_tokens: countAttribute(a, 'llm.token_count.prompt_details.cache_write'),
      reasoning_output_tokens: countAttribute(a, 'llm.token_count.completion_details.reasoning'),
    }),
    systemInstructions: systemText(input) ?? (isObject(request) ? partsText(request.system) : undefined),
    input,
    output,
  });
}

/** `llm.model_name` is the answer's where an instrumentation knows it, else what was asked for. */
function modelNames(a: Attributes): Pick<Reading, 'requestModel' | 'responseModel'> {
  const json = jsonAttribute(a, 'llm.invocation_parameters');
  const parameters = isObject(json) ? json : {};
  // OpenAI's agents give the whole answer for the parameters of its request.
  const isAnswer = parameters.object === 'response' || textOf(parameters.id)?.startsWith('resp_') === true;
  const model = textOf(parameters.model) ?? textOf(parameters.model_name);
  const name = textAttribute(a, 'llm.model_name');
  const request = textAttribute(a, 'llm.request.model_name') ?? (isAnswer ? undefined : (model ?? name));
  const response = textAttribute(a, 'llm.response.model_name') ?? (isAnswer ? model : undefined);
  return present({ requestModel: request, responseModel: response ?? (name === request ? undefined : name) });
}

/** A whole request or answer as JSON; plain text is no list of messages. */
function readWhole(json: unknown, read: (json: unknown) => Message[] | undefined): Message[] | undefined {
  return typeof json === 'object' ? read(json) : undefined;
}

/** The flattened messages can lose what the whole has (of two results in one message, the first), or be all there is. */
function fuller(whole: Message[] | undefined, flat: Message[] | undefined): Message[] | undefined {
  return flat === undefined || (whole !== undefined && whole.length >= flat.length) ? whole : flat;
}

function readTool({ attributes: a, name }: Span): Reading {
  const output = toolOutput(jsonAttribute(a, 'output.value'));
  return present<Reading>({
    toolName: textAttribute(a, 'tool.name') ?? output.name ?? textOf(name),
    toolCallId: textAttribute(a, 'tool_call.id', 'tool.id') ?? output.id,
    toolArguments: toolInput(jsonAttribute(a, 'input.value') ?? jsonAttribute(a, 'tool.parameters')),
    toolResult: output.result,
  });
}

function messagesAt(a: Attributes, prefix: string): Message[] | undefined {
  const list = flattened(a, prefix);
  return Array.isArray(list) ? readMessages(list.map(plain)) : undefined;
}

/** `{message: {tool_calls: [{tool_call}], contents: [{message_content} or {tool_call}]}}`, each without its shell. */
function plain(item: unknown): unknown {
  const message = isObject(item) && isObject(item.message) ? item.message : item;
  if (!isObject(message)) return message;
  const { tool_calls, contents, content } = message;
  const calls = Array.isArray(tool_calls) ? tool_calls.map((each) => shell(each, 'tool_call')) : undefined;
  // Where the calls stand among the contents too, they are the same ones.
  const parts = Array.isArray(contents)
    ? contents
        .map((each) => shell(each, 'message_content'))
        .filter((each) => !(isObject(each) && 'tool_call' in each && calls))
    : undefined;
  return {
    ...message,
    content: parts?.map(callPart) ?? content,
    ...(calls === undefined ? {} : { tool_calls: calls }),
  };
}

function shell(item: unknown, name: string): unknown {
  return isObject(item) && name in item ? item[name] : item;
}

function callPart(part: unknown): unknown {
  return isObject(part) && isObject(part.tool_call) ? { ...part.tool_call, type: 'tool_call' } : part;
}
