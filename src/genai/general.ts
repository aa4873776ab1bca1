import { type Span, SpanKind } from '../span.ts';
import type { Dialect, Reading } from './activity.ts';
import { present, textAttribute } from './values.ts';

/**
 * What any span may carry beside its dialect: OpenTelemetry's general attributes, and `audit.*` for what
 * neither they nor the GenAI conventions have. Read last, so that a dialect's own answer stands.
 */
export const general: Dialect = {
  name: 'audit',
  marks: (attribute) => attribute.startsWith('audit.') || MARKS.has(attribute),
  isMarked: ({ kind, resource }) =>
    kind === SpanKind.consumer ||
    kind === SpanKind.server ||
    resource.has('user.id') ||
    resource.has('enduser.id'),
  read(span) {
    const { attributes: a, resource } = span;
    const action = textAttribute(a, 'audit.action');
    const declared = action !== undefined && DECLARED_ACTIONS.has(action);
    return present<Reading>({
      kind: declared ? 'declared' : undefined,
      why: declared ? `audit.action is ${action}` : undefined,
      action,
      actorType: textAttribute(a, 'audit.actor.type'),
      actorId: textAttribute(a, 'audit.actor.id'),
      approver: textAttribute(a, 'audit.approver.id'),
      reason: textAttribute(a, 'audit.reason'),
      conversationId: textAttribute(a, 'session.id'),
      userId: textAttribute(a, 'user.id', 'enduser.id') ?? textAttribute(resource, 'user.id', 'enduser.id'),
      userRole: textAttribute(a, 'user.role', 'enduser.role'),
      clientIp: textAttribute(a, 'client.address'),
      userAgent: textAttribute(a, 'user_agent.original'),
      purpose: textAttribute(a, 'audit.purpose'),
      trigger: textAttribute(a, 'audit.trigger'),
      impliedTrigger: impliedTrigger(span),
      subjectId: textAttribute(a, 'audit.subject.id'),
      resourceType: textAttribute(a, 'audit.resource.type'),
      resourceId: textAttribute(a, 'audit.resource.id'),
      tenant: textAttribute(a, 'audit.tenant'),
      errorType: textAttribute(a, 'error.type'),
      errorMessage: textAttribute(a, 'error.message'),
    });
  },
};

const MARKS: ReadonlySet<string> = new Set([
  'client.address',
  'enduser.id',
  'enduser.role',
  'error.message',
  'error.type',
  'faas.trigger',
  'session.id',
  'user.id',
  'user.role',
  'user_agent.original',
]);

/** The actions an application may declare by a span of its own; what agents do is read off their spans. */
const DECLARED_ACTIONS: ReadonlySet<string> = new Set([
  'conversation_ended',
  'data_accessed',
  'data_modified',
  'prompt_changed',
  'model_changed',
  'access_granted',
  'access_revoked',
]);

/** A request that a server takes is somebody's; what a queue or a timer sets off is the system's. */
function impliedTrigger({ kind, attributes: a }: Span): Reading['impliedTrigger'] {
  const faas = textAttribute(a, 'faas.trigger');
  if (kind === SpanKind.consumer || faas === 'timer' || faas === 'pubsub') return 'system';
  // A tool's server is called by an agent, not by a person.
  return kind === SpanKind.server && !a.has('mcp.method.name') ? 'user_request' : undefined;
}
