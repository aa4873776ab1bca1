import type { Attributes } from '../span.ts';
import type { ActivityKind, Dialect, Message, Reading, ToolCall, Usage } from './activity.ts';
import { readMessages, systemText } from './messages.ts';
import { metadataUnder } from './metadata.ts';
import {
  countAttribute,
  isObject,
  jsonAttribute,
  listAttribute,
  present,
  presentIfAny,
  textAttribute,
  textOf,
  unwrapJson,
} from './values.ts';

const metadataIn = metadataUnder('ai.telemetry.metadata.');

/**
 * Vercel AI SDK 5 and 6 (and 7's legacy mode): `ai.*` attributes, the operation in `ai.operationId`.
 *
 * `ai.generateText` wraps its `.doGenerate` calls and the tools: it is the invocation, and its usage is a sum
 * or the last step's, never counted.
 */
export const vercel: Dialect = {
  name: 'vercel',
  marks: (attribute) => attribute === 'ai.operationId',
  read({ attributes: a }, asked) {
    const operation = textAttribute(a, 'ai.operationId');
    if (operation === undefined) return undefined;
    const who = present<Reading>({
      kind: kindOf(operation),
      why: `ai.operationId is ${operation}`,
      ...metadataIn(a),
      agentName: textAttribute(a, 'ai.telemetry.functionId'),
    });
    if (asked === 'who') return who;
    const input = readMessages(jsonAttribute(a, 'ai.prompt.messages') ?? jsonAttribute(a, 'ai.prompt'));
    const said = present<Reading>({
      provider: textAttribute(a, 'ai.model.provider', 'gen_ai.system'),
      requestModel: textAttribute(a, 'ai.model.id'),
      responseModel: textAttribute(a, 'ai.response.model'),
      responseId: textAttribute(a, 'ai.response.id'),
      finishReasons: listAttribute(a, 'ai.response.finishReason'),
      usage: readUsage(a),
      systemInstructions: systemText(input),
      input,
      output: readOutput(a),
      toolName: textAttribute(a, 'ai.toolCall.name'),
      toolCallId: textAttribute(a, 'ai.toolCall.id'),
      toolArguments: jsonAttribute(a, 'ai.toolCall.args') ?? jsonAttribute(a, 'ai.toolCall.input'),
      toolResult: jsonAttribute(a, 'ai.toolCall.result') ?? jsonAttribute(a, 'ai.toolCall.output'),
    });
    return Object.assign(who, said);
  },
};

function kindOf(operation: string): ActivityKind {
  if (operation === 'ai.toolCall') return 'tool';
  if (/\.do(Generate|Stream)$/.test(operation)) return 'model';
  if (/^ai\.(generate|stream)(Text|Object)$/.test(operation)) return 'agent';
  return 'wrapper';
}

function readUsage(a: Attributes): Usage | undefined {
  return presentIfAny<Usage>({
    input_tokens: countAttribute(a, 'ai.usage.inputTokens', 'ai.usage.promptTokens'),
    output_tokens: countAttribute(a, 'ai.usage.outputTokens', 'ai.usage.completionTokens'),
    cache_read_input_tokens: countAttribute(
      a,
      'ai.usage.inputTokenDetails.cacheReadTokens',
      'ai.usage.cachedInputTokens',
    ),
    reasoning_output_tokens: countAttribute(
      a,
      'ai.usage.outputTokenDetails.reasoningTokens',
      'ai.usage.reasoningTokens',
    ),
  });
}

function readOutput(a: Attributes): Message[] | undefined {
  const text = textAttribute(a, 'ai.response.text', 'ai.response.object');
  const calls = jsonAttribute(a, 'ai.response.toolCalls');
  if (text === undefined && calls === undefined) return undefined;
  const toolCalls = (Array.isArray(calls) ? calls : []).filter(isObject).map((call) =>
    present<ToolCall>({
      id: textOf(call.toolCallId),
      name: textOf(call.toolName),
      // doGenerate writes the input as text, doStream as an object; before AI SDK 5 it was `args`.
      arguments: unwrapJson(call.input ?? call.args),
    }),
  );
  return [{ role: 'assistant', text: text ?? '', toolCalls, toolResults: [] }];
}
