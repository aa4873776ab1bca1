import type { Activity, Reading } from '../genai/activity.ts';
import { isCutJson } from '../genai/cut-json.ts';
import { endingOf } from '../genai/outcome.ts';
import { present, toJson } from '../genai/values.ts';
import { mentionsHealth } from '../policy/detection.ts';
import type { Policy } from '../policy/policy.ts';
import { Redactions } from '../policy/redactions.ts';
import { type Attributes, type Span, stringAttribute } from '../span.ts';
import { attributionOf } from './attribution.ts';
import { Cleaner } from './cleaner.ts';
import type { Facts } from './facts.ts';
import { modelFacts, modelNames } from './model-facts.ts';
import type { ActorType, AuditRecord } from './record.ts';
import { fromNanoseconds } from './time.ts';
import { toolFacts } from './tool-facts.ts';

export const DEFAULT_TENANT = 'default';
const MAX_TENANT_LENGTH = 128;

/**
 * What of an agent's span may be kept. Pure: the same span, policy and key give the same facts. What goes into
 * records as it is has its members in canonical order, here and in what this calls: sealing is quicker then.
 */
export function factsOf(span: Span, activity: Activity, policy: Policy, phase: Facts['phase']): Facts {
  const tenant = tenantOf(activity, policy);
  const clean = new Cleaner(policy, tenant);
  const ended = phase === 'end' ? durationOf(span) : {};
  const redactions = new Redactions();
  const findings = clean.findings();
  const ending = endingOf(span, activity);
  const outcome = { ...ended, ...clean.outcome(ending, redactions, findings) };
  const facts = present<Facts>({
    kind: activity.kind,
    phase,
    digest: clean.digest('span', spanText(span)),
    tenant,
    trace: present({ parent_span_id: span.parentSpanId, span_id: span.spanId, trace_id: span.traceId }),
    source: present({
      dialect: activity.dialect,
      instance: clean.said(stringAttribute(span.resource, 'service.instance.id')),
      scope: clean.said(span.scope.name || undefined),
      service: clean.said(stringAttribute(span.resource, 'service.name')),
    }),
    startedAt: fromNanoseconds(span.startTimeUnixNano),
    endedAt: fromNanoseconds(span.endTimeUnixNano === 0n ? span.startTimeUnixNano : span.endTimeUnixNano),
    attribution: attributionOf(activity, clean),
    outcome,
    redactions: redactions.said(),
    detected: findings.said(() => mentionsHealth(ending.errorMessage ?? '')),
    tool: activity.kind === 'tool' ? toolFacts(activity, 'executed', outcome, clean) : undefined,
    model: activity.kind === 'model' ? modelFacts(activity, clean) : undefined,
    modelNames: activity.kind === 'agent' ? modelNames(activity, clean) : undefined,
    declared:
      activity.action === undefined
        ? undefined
        : present({
            action: activity.action,
            actorType: actorType(activity.actorType),
            actorId: clean.id(activity.actorId),
            approver: clean.id(activity.approver),
            reason: clean.said(activity.reason),
          }),
    resource: declaredResource(activity, clean),
    incomplete: span.droppedCount > 0 || isCut(span.attributes),
  });
  if (clean.older !== undefined) facts.older = clean.older;
  return facts;
}

/** An attribute's length limit has cut some JSON, which nobody counts as dropped. */
function isCut(attributes: Attributes): boolean {
  for (const value of attributes.values()) if (typeof value === 'string' && isCutJson(value)) return true;
  return false;
}

/** A tenant is a name, and as redacted as any: it stands in records and keys. */
export function tenantOf({ tenant }: Pick<Reading, 'tenant'>, policy: Policy): string {
  return tenant === undefined
    ? DEFAULT_TENANT
    : new Cleaner(policy, DEFAULT_TENANT).id(tenant).slice(0, MAX_TENANT_LENGTH);
}

function declaredResource(activity: Activity, clean: Cleaner): AuditRecord['resource'] {
  const { resourceType: type, resourceId: id, subjectId } = activity;
  if (type === undefined && id === undefined && subjectId === undefined) return undefined;
  return present({
    id: id === undefined ? undefined : clean.text(id),
    subject: clean.subject(subjectId),
    type: clean.said(type),
  });
}

/** Milliseconds with at most three decimals; a span that ends before it starts has none. */
function durationOf(span: Span): { duration_ms?: number } {
  const nanoseconds = span.endTimeUnixNano - span.startTimeUnixNano;
  return nanoseconds < 0n ? {} : { duration_ms: Math.round(Number(nanoseconds / 1_000n)) / 1_000 };
}

function actorType(text: string | undefined): ActorType | undefined {
  return text === 'user' || text === 'agent' || text === 'admin' || text === 'system' ? text : undefined;
}

/** Everything a span says, but its resource, which a collector on the way may have enriched. */
function spanText(span: Span): string {
  return JSON.stringify([
    span.traceId,
    span.spanId,
    span.parentSpanId ?? '',
    span.name,
    span.kind,
    String(span.startTimeUnixNano),
    String(span.endTimeUnixNano),
    pairs(span.attributes),
    span.events.map((event) => [event.name, String(event.timeUnixNano), pairs(event.attributes)]),
    span.links.map((link) => [link.traceId, link.spanId]),
    [span.status.code, span.status.message],
    span.droppedCount,
    [span.scope.name, span.scope.version],
  ]);
}

function pairs(attributes: Attributes): [string, unknown][] {
  const found: [string, unknown][] = [];
  for (const [key, value] of attributes) found.push([key, typeof value === 'string' ? value : toJson(value)]);
  return found;
}
