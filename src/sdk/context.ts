import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Reading } from '../genai/activity.ts';
import { present } from '../genai/values.ts';
import { processWide } from './process-wide.ts';
import { within } from './within.ts';

/** On whose behalf, and why. A field left out is the outer context's. */
export interface AuditContext {
  user?: string | undefined;
  role?: string | undefined;
  clientIp?: string | undefined;
  userAgent?: string | undefined;
  conversationId?: string | undefined;
  /** Purpose of use: `TREAT`, `HPAYMT`, `HOPERAT`, `HRESCH`, `BTG`, or plain words. */
  purpose?: string | undefined;
  /** `user_request`, `proactive`, `retry`, `follow_up`, `system`. Where it is not said it may be inferred. */
  trigger?: string | undefined;
  /** The person the data is about: recorded as a keyed pseudonym. */
  subject?: string | undefined;
  tenant?: string | undefined;
  /** The agent's name. */
  agent?: string | undefined;
}

export type RunWithContext = <T>(said: AuditContext, fn: () => T) => T;

/** A context as it travels to another thread: plain data, which can be cloned and serialised. Not for the network. */
export interface AuditContextCarrier {
  readonly said: AuditContext;
  readonly traceId: string;
  readonly implied?: 'user_request' | 'follow_up';
}

const storage = () =>
  processWide('context', () => new AsyncLocalStorage<AuditContextCarrier>() as AsyncLocalStorage<unknown>);

/**
 * Runs `fn` on somebody's behalf: every tool call and agent's span that begins in it, through promises, timers,
 * generators and streams, is recorded with it. It travels beside the spans: no other exporter sees any of it.
 *
 * @example
 * await withAuditContext({ user: 'nurse-17', purpose: 'TREAT', conversationId }, () => agent.run(message));
 */
export function withAuditContext<T>(said: AuditContext, fn: () => T): T {
  const outer = activeContext();
  const merged = { ...outer?.said, ...present<AuditContext>({ ...said }) };
  return runWithAuditContext(
    { said: merged, traceId: outer?.traceId ?? randomBytes(16).toString('hex'), ...impliedBy(merged, outer) },
    fn,
  );
}

/** The context here, to be given to another thread. Undefined outside of any. */
export function auditContext(): AuditContextCarrier | undefined {
  const active = activeContext();
  return active && structuredClone(active);
}

/** Runs `fn` in a context that `auditContext` answered elsewhere; outside of any where it answered none. */
export function runWithAuditContext<T>(carrier: AuditContextCarrier | undefined, fn: () => T): T {
  return within(storage(), carrier, fn);
}

/** The context here, not copied. */
export function activeContext(): AuditContextCarrier | undefined {
  return storage().getStore() as AuditContextCarrier | undefined;
}

/** What it says of a span that begins in it, where the span says nothing itself. */
export function readingOf({ said, implied }: AuditContextCarrier): Partial<Reading> {
  return present<Partial<Reading>>({
    userId: said.user,
    userRole: said.role,
    clientIp: said.clientIp,
    userAgent: said.userAgent,
    conversationId: said.conversationId,
    purpose: said.purpose,
    trigger: said.trigger,
    subjectId: said.subject,
    tenant: said.tenant,
    agentName: said.agent,
    impliedTrigger: implied,
  });
}

/** Conversations somebody's request was served in, the latest last. */
const served = new Set<string>();
const MAX_SERVED = 10_000;

/** Serving a user for the first time in a conversation is a request, and a follow-up after that. */
function impliedBy(
  { user, conversationId, tenant }: AuditContext,
  outer: AuditContextCarrier | undefined,
): Pick<AuditContextCarrier, 'implied'> {
  if (user === undefined || conversationId === undefined)
    return outer?.implied === undefined ? {} : { implied: outer.implied };
  if (outer?.said.conversationId === conversationId && outer.implied !== undefined)
    return { implied: outer.implied };
  const key = JSON.stringify([tenant, conversationId]);
  const isFirst = !served.delete(key);
  served.add(key);
  if (served.size > MAX_SERVED) served.delete(served.values().next().value!);
  return { implied: isFirst ? 'user_request' : 'follow_up' };
}
