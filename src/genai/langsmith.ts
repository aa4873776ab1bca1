import type { Attributes, Span } from '../span.ts';
import {
  type ActivityKind,
  type Dialect,
  type Kinds,
  kindNamed,
  type Reading,
  type Usage,
} from './activity.ts';
import { toolInput, toolOutput } from './langchain.ts';
import { readAnswer, readMessages, systemText } from './messages.ts';
import { metadataUnder } from './metadata.ts';
import { countOf, isObject, jsonAttribute, present, presentIfAny, textAttribute, textOf } from './values.ts';

const metadataIn = metadataUnder('langsmith.metadata.');

/**
 * LangSmith's runs as spans: the run's type in `langsmith.span.kind`, its inputs and outputs as JSON in
 * `gen_ai.prompt` and `gen_ai.completion`. The operation beside it is wrong for prompts (`chat`) and retrievers.
 */
export const langsmith: Dialect = {
  name: 'langsmith',
  marks: (attribute) => attribute === 'langsmith.span.kind',
  read(span) {
    const { attributes: a } = span;
    const said = textAttribute(a, 'langsmith.span.kind');
    if (said === undefined) return undefined;
    const kind = kindOf(span, said);
    const run = textAttribute(a, 'langsmith.trace.name') ?? textOf(span.name);
    return present<Reading>({
      kind,
      why: `langsmith.span.kind is ${said}`,
      ...metadataIn(a),
      agentName: kind === 'agent' ? run : undefined,
      ...(kind === 'model' ? readModel(a) : {}),
      ...(kind === 'tool' ? readTool(a, run) : {}),
    });
  },
};

const KINDS: Kinds = { llm: 'model', tool: 'tool', retriever: 'retrieval' };

/** A chain at the root of its trace is the agent's invocation; any other is a step of it. */
function kindOf({ parentSpanId }: Span, said: string): ActivityKind {
  if (said === 'chain') return parentSpanId === undefined ? 'agent' : 'wrapper';
  return kindNamed(said, KINDS) ?? 'wrapper';
}

function readModel(a: Attributes): Reading {
  const input = readMessages(jsonAttribute(a, 'gen_ai.prompt'));
  const usage = jsonAttribute(a, 'langsmith.usage_metadata');
  const details = (key: string) => (isObject(usage) && isObject(usage[key]) ? usage[key] : {});
  return present<Reading>({
    systemInstructions: systemText(input),
    input,
    output: readAnswer(jsonAttribute(a, 'gen_ai.completion')),
    usage: isObject(usage)
      ? presentIfAny<Usage>({
          input_tokens: countOf(usage.input_tokens),
          output_tokens: countOf(usage.output_tokens),
          cache_read_input_tokens: countOf(details('input_token_details').cache_read),
          cache_creation_input_tokens: countOf(details('input_token_details').cache_creation),
          reasoning_output_tokens: countOf(details('output_token_details').reasoning),
        })
      : undefined,
  });
}

function readTool(a: Attributes, run: string | undefined): Reading {
  const output = toolOutput(jsonAttribute(a, 'gen_ai.completion'));
  return present<Reading>({
    toolName: textAttribute(a, 'gen_ai.tool.name') ?? output.name ?? run,
    toolCallId: textAttribute(a, 'gen_ai.tool.call.id') ?? output.id,
    toolArguments: toolInput(jsonAttribute(a, 'gen_ai.prompt')),
    toolResult: output.result,
  });
}
