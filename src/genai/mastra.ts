import type { Attributes } from '../span.ts';
import { type ActivityKind, type Dialect, type Kinds, kindNamed, type Reading } from './activity.ts';
import { metadataUnder } from './metadata.ts';
import { jsonAttribute, present, textAttribute } from './values.ts';

const metadataIn = metadataUnder('mastra.metadata.');

/**
 * Mastra's exporter: the GenAI conventions, with `mastra.span.type` to say what they don't. A model's generation
 * wraps its steps, which wrap the inference and its chunks; earlier versions had no inference, and the
 * generation was the call.
 */
export const mastra: Dialect = {
  name: 'mastra',
  marks: (attribute) => attribute === 'mastra.span.type',
  read({ attributes: a }) {
    const type = textAttribute(a, 'mastra.span.type');
    if (type === undefined) return undefined;
    return present<Reading>({
      kind: kindOf(type, a),
      why: `mastra.span.type is ${type}`,
      ...metadataIn(a),
      toolArguments: jsonAttribute(a, 'gen_ai.tool.input'),
      toolResult: jsonAttribute(a, 'gen_ai.tool.output'),
      failed: a.get('gen_ai.tool.success') === false ? true : undefined,
    });
  },
};

const KINDS: Kinds = {
  agent_run: 'agent',
  workflow_run: 'agent',
  model_inference: 'model',
  tool_call: 'tool',
  mcp_tool_call: 'tool',
  provider_tool_call: 'tool',
  client_tool_call: 'tool',
};

function kindOf(type: string, a: Attributes): ActivityKind {
  if (/^(model|llm)_generation$/.test(type))
    return a.has('gen_ai.usage.input_tokens') || a.has('gen_ai.response.model') ? 'model' : 'wrapper';
  return kindNamed(type, KINDS) ?? 'wrapper';
}
