import type { Attributes, Span } from '../span.ts';
import type { ActivityKind, Dialect, Reading } from './activity.ts';
import { readMessages } from './messages.ts';
import { isObject, jsonAttribute, present, textAttribute, textOf } from './values.ts';

const SCOPE = 'gcp.vertex.agent';

/**
 * Google's Agent Development Kit: the GenAI conventions on its own scope, with arguments, results and whole
 * requests in `gcp.vertex.agent.*`. A model call is known by its span's name only, a failed tool of earlier
 * versions by its name and by having no attributes at all.
 */
export const googleAdk: Dialect = {
  name: 'google_adk',
  marks: (attribute) => attribute === `${SCOPE}.event_id` || attribute === `${SCOPE}.session_id`,
  isMarked: ({ scope }) => scope.name === SCOPE,
  read(span) {
    const { attributes: a } = span;
    const { kind, why } = kindOf(span);
    return present<Reading>({
      kind,
      why,
      conversationId: textAttribute(a, `${SCOPE}.session_id`),
      agentName:
        textAttribute(a, 'gen_ai.agent.name') ??
        /^(?:agent_run \[|invoke_agent )([^\]]+)/.exec(span.name)?.[1],
      ...(kind === 'model' ? readModel(a) : {}),
      ...(kind === 'tool' ? readTool(span) : {}),
    });
  },
};

/** Several tools called at once are told again by one span for all of them: as it starts, by its name alone. */
const MERGED = /\(merged(?: tools)?\)$/;

function kindOf({ attributes: a, name }: Span): { kind: ActivityKind; why: string } {
  if (MERGED.test(textAttribute(a, 'gen_ai.tool.name') ?? name))
    return { kind: 'wrapper', why: 'ADK tells the merged tools again' };
  const said = textAttribute(a, 'gen_ai.operation.name') ?? name;
  const why = `ADK's ${said}`;
  if (/^(execute_tool|tool_call)\b/.test(said)) return { kind: 'tool', why };
  if (/^(call_llm|generate_content|chat)\b/.test(said)) return { kind: 'model', why };
  if (/^(invoke_agent|invoke_workflow|agent_run)\b/.test(said)) return { kind: 'agent', why };
  return { kind: 'wrapper', why };
}

function readTool({ attributes: a, name }: Span): Reading {
  const isBare = !a.has('gen_ai.tool.name');
  return present<Reading>({
    toolName: textAttribute(a, 'gen_ai.tool.name') ?? /^execute_tool (.+)$/.exec(name)?.[1],
    // Empty, so that no other dialect takes the placeholder for an id.
    toolCallId: told(textAttribute(a, 'gen_ai.tool.call.id')) ?? '',
    toolArguments: told(jsonAttribute(a, `${SCOPE}.tool_call_args`)),
    toolResult: toolResponse(jsonAttribute(a, `${SCOPE}.tool_response`)),
    failed: isBare ? true : undefined,
  });
}

function toolResponse(response: unknown): unknown {
  const isPlaceholder = isObject(response) && 'result' in response && told(response.result) === undefined;
  return isPlaceholder ? undefined : response;
}

/** ADK writes placeholders where it has nothing to say. */
function told<T>(value: T): T | undefined {
  return value === '<not specified>' || value === 'N/A' || value === '<not serializable>' ? undefined : value;
}

function readModel(a: Attributes): Reading {
  const request = jsonAttribute(a, `${SCOPE}.llm_request`);
  const response = jsonAttribute(a, `${SCOPE}.llm_response`);
  const config = isObject(request) && isObject(request.config) ? request.config : {};
  const { content, error_code, errorCode, error_message, errorMessage } = isObject(response) ? response : {};
  const code = error_code ?? errorCode;
  return present<Reading>({
    systemInstructions: textOf(config.system_instruction) ?? textOf(config.systemInstruction),
    input: readMessages(isObject(request) ? request.contents : undefined),
    output: isObject(content) ? readMessages([{ role: 'model', ...content }]) : undefined,
    errorType: code === undefined || code === null ? undefined : String(code),
    errorMessage: textOf(error_message) ?? textOf(errorMessage),
  });
}
