import type { Span } from '../span.ts';
import { type ActivityKind, type Dialect, type Kinds, kindNamed, type Reading } from './activity.ts';
import { toolInput, toolOutput } from './langchain.ts';
import { metadataUnder } from './metadata.ts';
import { isObject, jsonAttribute, present, textAttribute, textOf, unwrapJson } from './values.ts';

const metadataIn = metadataUnder('traceloop.association.properties.');

/**
 * Traceloop (OpenLLMetry) entities: the SDK's decorators, LangChain and MCP. `traceloop.span.kind` and
 * `traceloop.entity.*`; beside them LangChain's spans carry the GenAI conventions, whose operation says more.
 */
export const traceloop: Dialect = {
  name: 'traceloop',
  marks: (attribute) => attribute.startsWith('traceloop.'),
  read(span) {
    const { attributes: a } = span;
    const metadata = metadataIn(a);
    const entity = textAttribute(a, 'traceloop.entity.name');
    const isEntity = entity !== undefined || ENTITY.some((key) => a.has(key));
    if (!isEntity) return Object.keys(metadata).length > 0 ? metadata : undefined;
    const { kind, why } = kindOf(span);
    return present<Reading>({
      kind,
      why,
      ...metadata,
      agentName: kind === 'agent' ? (entity ?? textAttribute(a, 'traceloop.workflow.name')) : undefined,
      ...(kind === 'tool' ? readTool(span) : {}),
      ...(kind === 'retrieval' ? readResource(span) : {}),
    });
  },
};

const ENTITY = ['traceloop.span.kind', 'traceloop.entity.input', 'traceloop.entity.output'];

const KINDS: Kinds = {
  tool: 'tool',
  agent: 'agent',
  workflow: 'agent',
  task: 'wrapper',
  session: 'wrapper',
};

function kindOf({ attributes: a, name }: Span): { kind?: ActivityKind; why?: string } {
  const operation = textAttribute(a, 'gen_ai.operation.name');
  // LangChain's output parsers are taken for agents by their class's name.
  if (operation === 'invoke_agent' && /parser$/i.test(textAttribute(a, 'gen_ai.agent.name') ?? ''))
    return { kind: 'wrapper', why: 'an output parser, whatever gen_ai.operation.name says' };
  if (operation === 'execute_tool') return { kind: 'tool', why: 'gen_ai.operation.name is execute_tool' };
  if (operation !== undefined || a.has('llm.request.type')) return {};
  const method = /^(\S+)\.mcp$/.exec(name)?.[1];
  if (method !== undefined) {
    const kind = method === 'resources/read' ? 'retrieval' : 'wrapper';
    return { kind, why: `an MCP request: ${method}` };
  }
  const said = textAttribute(a, 'traceloop.span.kind') ?? '';
  const kind = kindNamed(said, KINDS) ?? 'wrapper';
  return { kind, why: said === '' ? 'a traceloop entity of no kind' : `traceloop.span.kind is ${said}` };
}

function readTool({ attributes: a, name }: Span): Reading {
  const input = jsonAttribute(a, 'traceloop.entity.input');
  const output = toolOutput(jsonAttribute(a, 'traceloop.entity.output'));
  const request = isObject(input) && textOf(input.tool_name) !== undefined ? input : undefined;
  const entity = textAttribute(a, 'traceloop.entity.name');
  return present<Reading>({
    toolName:
      output.name ??
      textOf(request?.tool_name) ??
      textAttribute(a, 'gen_ai.tool.name') ??
      entity ??
      textOf(name.replace(/\.tool$/, '')),
    toolCallId: output.id ?? callId(input),
    toolArguments: request === undefined ? toolInput(input) : request.arguments,
    toolResult: request === undefined ? output.result : mcpResult(output.result),
  });
}

/** `{result, is_error}` of an MCP call, as MCP itself would say it. */
function mcpResult(answer: unknown): unknown {
  if (!isObject(answer) || !('result' in answer)) return answer;
  const result = unwrapJson(answer.result);
  if (answer.is_error !== true) return result;
  return typeof result === 'string' ? { isError: true, message: result } : { isError: true, content: result };
}

/** LangChain for Python names the call among the options of its tool. */
function callId(input: unknown): string | undefined {
  return isObject(input) && isObject(input.kwargs) ? textOf(input.kwargs.tool_call_id) : undefined;
}

function readResource({ attributes: a }: Span): Reading {
  const input = jsonAttribute(a, 'traceloop.entity.input');
  return present<Reading>({ resourceId: isObject(input) ? textOf(input.uri) : undefined });
}
