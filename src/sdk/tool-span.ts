import { type Attributes, type AttributeValue, type Span, SpanKind, StatusCode } from '../span.ts';
import { attributeFrom } from './attribute-values.ts';
import type { AuditEvent, ResourceSaid, ToolStart } from './door.ts';

/** How a call ended, in the words that spans have for it. */
export interface ToolEnd {
  result?: unknown;
  errorType?: string;
  errorMessage?: string;
}

/** Where and when: what every span of ours has. */
export interface Place {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  startTimeUnixNano: bigint;
  resource: Attributes;
}

type Said = [key: string, value: AttributeValue | undefined][];

/** A tool call in the words of the GenAI conventions: one door, for our own as for everybody's. */
export function toolSpan(start: ToolStart, place: Place, version: string): Span {
  const args = start.arguments === undefined ? undefined : attributeFrom(start.arguments);
  return {
    ...place,
    name: `execute_tool ${start.name}`,
    kind: SpanKind.internal,
    endTimeUnixNano: 0n,
    attributes: attributes([
      ['gen_ai.operation.name', 'execute_tool'],
      ['gen_ai.tool.name', start.name],
      ['gen_ai.tool.type', start.type],
      ['gen_ai.tool.call.id', start.callId],
      ['gen_ai.tool.call.arguments', args?.value],
      ...agentSaid(start.agent),
      ['gen_ai.conversation.id', start.conversationId],
      ...resourceSaid(start.resource),
      ['audit.purpose', start.purpose],
      ['audit.action', start.action],
    ]),
    events: [],
    links: [],
    status: { code: StatusCode.unset, message: '' },
    droppedCount: args?.dropped ?? 0,
    scope: { name: start.scope === undefined ? 'spanledger' : `spanledger/${start.scope}`, version },
  };
}

/** The same call at its end. */
export function endedSpan(begun: Span, end: ToolEnd, endTimeUnixNano: bigint): Span {
  const result = end.result === undefined ? undefined : attributeFrom(end.result);
  const attributes = new Map(begun.attributes);
  if (result !== undefined) attributes.set('gen_ai.tool.call.result', result.value);
  if (end.errorType !== undefined) attributes.set('error.type', end.errorType);
  if (end.errorMessage !== undefined) attributes.set('error.message', end.errorMessage);
  const isFailed = end.errorType !== undefined;
  return {
    ...begun,
    endTimeUnixNano,
    attributes,
    status: { code: isFailed ? StatusCode.error : StatusCode.unset, message: '' },
    droppedCount: begun.droppedCount + (result?.dropped ?? 0),
  };
}

/** What an application tells of itself. */
export function eventSpan(event: AuditEvent, place: Place, version: string): Span {
  return {
    ...place,
    name: event.action,
    kind: SpanKind.internal,
    endTimeUnixNano: place.startTimeUnixNano,
    attributes: attributes([
      ['audit.action', event.action],
      ['audit.actor.type', event.actor?.type],
      ['audit.actor.id', event.actor?.id],
      ['audit.approver.id', event.approver],
      ['audit.reason', event.reason],
      ...agentSaid(event.agent),
      ['gen_ai.conversation.id', event.conversationId],
      ['gen_ai.request.model', event.model],
      ...resourceSaid(event.resource),
      ['audit.purpose', event.purpose],
    ]),
    events: [],
    links: [],
    status: { code: StatusCode.unset, message: '' },
    droppedCount: 0,
    scope: { name: 'spanledger', version },
  };
}

function agentSaid(agent: ToolStart['agent']): Said {
  const { name, id, version } = typeof agent === 'string' ? { name: agent } : { ...agent };
  return [
    ['gen_ai.agent.name', name],
    ['gen_ai.agent.id', id],
    ['gen_ai.agent.version', version],
  ];
}

function resourceSaid(resource: ResourceSaid | undefined): Said {
  return [
    ['audit.resource.type', resource?.type],
    ['audit.resource.id', resource?.id],
    ['audit.subject.id', resource?.subject],
  ];
}

function attributes(said: Said): Attributes {
  const found = new Map<string, AttributeValue>();
  for (const [key, value] of said) if (value !== undefined) found.set(key, value);
  return found;
}
