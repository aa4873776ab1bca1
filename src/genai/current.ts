import type { Attributes, Span } from '../span.ts';
import { type Dialect, type Kinds, kindNamed, type Reading, type Usage } from './activity.ts';
import { eventContent, toolContent } from './events.ts';
import { partsText, readAnswer, readMessages, systemText } from './messages.ts';
import {
  countAttribute,
  jsonAttribute,
  listAttribute,
  present,
  presentIfAny,
  textAttribute,
} from './values.ts';

/**
 * The OpenTelemetry GenAI semantic conventions (1.37 and later; `gen_ai.provider.name`, structured messages),
 * with what earlier versions named otherwise. Any span with a `gen_ai.` attribute is read; the operation's
 * name says what it is.
 */
export const current: Dialect = {
  name: 'gen_ai',
  marks: (attribute) => attribute.startsWith('gen_ai.'),
  read(span, asked) {
    const a = span.attributes;
    const { kind, why } = kindOf(span);
    const who = present<Reading>({
      kind,
      why,
      conversationId: textAttribute(a, 'gen_ai.conversation.id'),
      agentName: textAttribute(a, 'gen_ai.agent.name'),
      agentId: textAttribute(a, 'gen_ai.agent.id'),
      agentVersion: textAttribute(a, 'gen_ai.agent.version'),
    });
    if (asked === 'who') return who;
    const events = eventContent(span.events);
    const input = readMessages(
      jsonAttribute(a, 'gen_ai.input.messages') ?? events?.input ?? jsonAttribute(a, 'gen_ai.prompt'),
    );
    const output =
      readMessages(jsonAttribute(a, 'gen_ai.output.messages') ?? events?.output) ??
      readAnswer(jsonAttribute(a, 'gen_ai.completion'));
    // Where messages are events, a tool's arguments and result are too.
    const told = kind === 'tool' ? toolContent(span.events) : {};
    const said = present<Reading>({
      provider: textAttribute(a, 'gen_ai.provider.name', 'gen_ai.system'),
      requestModel: textAttribute(a, 'gen_ai.request.model'),
      responseModel: textAttribute(a, 'gen_ai.response.model'),
      responseId: textAttribute(a, 'gen_ai.response.id'),
      finishReasons: listAttribute(a, 'gen_ai.response.finish_reasons'),
      usage: readUsage(a),
      systemInstructions: partsText(jsonAttribute(a, 'gen_ai.system_instructions')) ?? systemText(input),
      input,
      output,
      toolName: textAttribute(a, 'gen_ai.tool.name'),
      toolType: textAttribute(a, 'gen_ai.tool.type'),
      toolCallId: textAttribute(a, 'gen_ai.tool.call.id'),
      toolArguments:
        jsonAttribute(a, 'gen_ai.tool.call.arguments') ??
        jsonAttribute(a, 'tool_arguments') ??
        told.arguments,
      toolResult:
        jsonAttribute(a, 'gen_ai.tool.call.result') ?? jsonAttribute(a, 'tool_response') ?? told.result,
    });
    return Object.assign(who, said);
  },
};

/** `gen_ai.operation.name`, from the conventions' registry; the rest are steps around those. */
const OPERATIONS: Kinds = {
  chat: 'model',
  generate_content: 'model',
  text_completion: 'model',
  execute_tool: 'tool',
  invoke_agent: 'agent',
  invoke_workflow: 'agent',
  retrieval: 'retrieval',
  create_agent: 'wrapper',
  embeddings: 'wrapper',
  plan: 'wrapper',
  workflow: 'wrapper',
  agent_step: 'wrapper',
  model_chunk: 'wrapper',
  model_generation: 'wrapper',
};

function kindOf(span: Span): Pick<Reading, 'kind' | 'why'> {
  const operation = textAttribute(span.attributes, 'gen_ai.operation.name');
  if (operation !== undefined) {
    const kind = kindNamed(operation, OPERATIONS);
    return kind ? { kind, why: `gen_ai.operation.name is ${operation}` } : {};
  }
  if (span.attributes.has('gen_ai.tool.name'))
    return { kind: 'tool', why: 'it names a tool (gen_ai.tool.name)' };
  return {};
}

function readUsage(a: Attributes): Usage | undefined {
  return presentIfAny<Usage>({
    input_tokens: countAttribute(a, 'gen_ai.usage.input_tokens', 'gen_ai.usage.prompt_tokens'),
    output_tokens: countAttribute(a, 'gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens'),
    cache_read_input_tokens: countAttribute(a, 'gen_ai.usage.cache_read.input_tokens'),
    cache_creation_input_tokens: countAttribute(a, 'gen_ai.usage.cache_creation.input_tokens'),
    reasoning_output_tokens: countAttribute(
      a,
      'gen_ai.usage.reasoning.output_tokens',
      'gen_ai.usage.reasoning_tokens',
    ),
  });
}
