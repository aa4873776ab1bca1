import type { Span } from '../span.ts';
import {
  type ActivityKind,
  type Dialect,
  type Kinds,
  kindNamed,
  type Reading,
  type Usage,
} from './activity.ts';
import { readAnswer, readMessages, systemText } from './messages.ts';
import { countOf, isObject, jsonAttribute, present, presentIfAny, textAttribute, textOf } from './values.ts';

/**
 * Genkit: `genkit:type` and `genkit:metadata:subtype` say what, `genkit:input` and `genkit:output` hold all of
 * it as JSON, `genkit:state` says how it ended. `generate` wraps a model's call, the tools it asked for, and
 * the next `generate`.
 */
export const genkit: Dialect = {
  name: 'genkit',
  marks: (attribute) => attribute === 'genkit:type',
  read(span) {
    const { attributes: a } = span;
    const type = textAttribute(a, 'genkit:type');
    if (type === undefined) return undefined;
    const subtype = textAttribute(a, 'genkit:metadata:subtype');
    const kind = kindOf(type, subtype);
    return present<Reading>({
      kind,
      why: `genkit:type is ${type}${subtype === undefined ? '' : `, its subtype ${subtype}`}`,
      conversationId: textAttribute(a, 'genkit:sessionId', 'genkit:metadata:sessionId'),
      failed: textAttribute(a, 'genkit:state') === 'error' ? true : undefined,
      agentName: kind === 'agent' ? textAttribute(a, 'genkit:name') : undefined,
      ...(kind === 'model' ? readModel(span) : {}),
      ...(kind === 'tool' ? readTool(span) : {}),
    });
  },
};

const KINDS: Kinds = {
  model: 'model',
  'background-model': 'model',
  tool: 'tool',
  'tool.v2': 'tool',
  flow: 'agent',
  agent: 'agent',
  retriever: 'retrieval',
};

function kindOf(type: string, subtype: string | undefined): ActivityKind {
  const said = subtype ?? type;
  return kindNamed(said, KINDS) ?? 'wrapper';
}

function readTool({ attributes: a, name }: Span): Reading {
  return present<Reading>({
    toolName: textAttribute(a, 'genkit:name') ?? textOf(name),
    toolArguments: jsonAttribute(a, 'genkit:input'),
    toolResult: jsonAttribute(a, 'genkit:output'),
  });
}

function readModel({ attributes: a, name }: Span): Reading {
  const input = readMessages(jsonAttribute(a, 'genkit:input'));
  const json = jsonAttribute(a, 'genkit:output');
  const output = isObject(json) ? json : {};
  const raw = isObject(output.raw) ? output.raw : {};
  const usage = isObject(output.usage) ? output.usage : {};
  const reason = textOf(output.finishReason);
  const [, provider, model] = /^([^/]+)\/(.+)$/.exec(textAttribute(a, 'genkit:name') ?? name) ?? [];
  return present<Reading>({
    provider,
    requestModel: model,
    responseModel: textOf(raw.model) ?? textOf(raw.modelVersion),
    responseId: textOf(raw.id) ?? textOf(raw.responseId),
    finishReasons: reason === undefined ? undefined : [reason],
    usage: presentIfAny<Usage>({
      input_tokens: countOf(usage.inputTokens),
      output_tokens: countOf(usage.outputTokens),
      cache_read_input_tokens: countOf(usage.cachedContentTokens),
      reasoning_output_tokens: countOf(usage.thoughtsTokens),
    }),
    systemInstructions: systemText(input),
    input,
    output: readAnswer(json),
  });
}
