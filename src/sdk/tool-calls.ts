import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { clearTimeout, setTimeout } from 'node:timers';
import { VERSION } from '../config/package.ts';
import { AuditUnavailableError, messageOf, type SpanledgerError } from '../errors.ts';
import type { Reading } from '../genai/activity.ts';
import type { Gap } from '../pipeline.ts';
import type { FailMode } from '../policy/demands.ts';
import type { Facts } from '../record/facts.ts';
import { inherit } from '../record/settle.ts';
import type { Attributes, AttributeValue, Span } from '../span.ts';
import { textOf, type Understood, understand } from '../understand.ts';
import { admissionOf } from './admission.ts';
import type { Audit } from './audit.ts';
import { type AuditContextCarrier, activeContext, readingOf } from './context.ts';
import type { ToolCall, ToolStart } from './door.ts';
import { activeSpan } from './otel.ts';
import { processWide } from './process-wide.ts';
import { isSameCall, type Running, runningKey, type ToolIdentity } from './running.ts';
import { endedSpan, type ToolEnd, toolSpan } from './tool-span.ts';
import { within as carry } from './within.ts';

/** How a process's tool calls are recorded. */
export interface Conduct {
  /** Of tools whose policy does not say more. */
  mode: FailMode;
  /** How long a fail-closed call waits for its intent to be durable, in milliseconds. */
  waitMs: number;
}

/** The call whose tool is running here. */
const current = () => processWide('call', () => new AsyncLocalStorage<RunningCall | undefined>());

/** The call, to be compared and nothing else. */
export function callHere(): unknown {
  return current().getStore();
}

/** A tool call runs here: what it says of who acts holds for what it begins too. */
export function isInTool(): boolean {
  return callHere() !== undefined;
}

/** The tool call of an adapter that this span, begun inside it, is another telling of. */
export function coveringCall(call: ToolIdentity): boolean {
  const running = current().getStore();
  return running?.covers(call) === true;
}

/** Ids of calls told by adapters, for spans that are made of them afterwards. */
const told = new Set<string>();
const MAX_TOLD = 10_000;
const toldKey = (traceId: string, { name, callId }: ToolIdentity) => `${traceId}|${name}|${callId}`;

/** The call was told by an adapter, in the same trace and under the same id. */
export function isToldCall(traceId: string, call: ToolIdentity): boolean {
  return call.callId !== undefined && told.has(toldKey(traceId, call));
}

/** Calls that failed, by what they did: the same again is a retry. */
const failed = new Set<string>();
const MAX_FAILED = 10_000;

function remember(set: Set<string>, key: string, max: number): void {
  set.add(key);
  if (set.size > max) set.delete(set.values().next().value!);
}

/** A tool call whose intent is written, by its span or here. */
export class RunningCall implements ToolCall {
  readonly traceId: string;
  readonly spanId: string;
  readonly failClosed: boolean;
  readonly #audit: Audit;
  readonly #conduct: Conduct;
  /** Who tells of it: its own adapter, and of a joined one also those around it. */
  readonly #scopes: Set<string | undefined>;
  readonly #begun: Span;
  readonly #beside: Partial<Reading> | undefined;
  readonly #startedAt = performance.now();
  readonly #identity: ToolIdentity;
  /** What it does, as far as a retry of it is the same. */
  readonly #deed: string;
  readonly #isRetry: boolean;
  readonly #running: Running;
  /** Another adapter, or the same call seen outside, tells of it. */
  readonly #isJoined: boolean;
  /** The call that is recorded, where this one is joined to it. */
  readonly #joined: RunningCall | undefined;
  /** The one it is joined to was held up for the same. */
  readonly #isAdmitted: boolean;
  /** Why the policy does not let it run. */
  readonly #refusal: SpanledgerError | undefined;
  /** Why its intent stands nowhere. */
  #lost: unknown;
  #lostIn: Gap | undefined;
  /** The OpenTelemetry span it began in. */
  readonly #above: string | undefined;
  #isCovered = false;
  #isEnded = false;

  constructor(start: ToolStart, audit: Audit, conduct: Conduct, service: Attributes) {
    this.#audit = audit;
    this.#conduct = conduct;
    const context = activeContext();
    this.#beside = context && readingOf(context);
    const outer = current().getStore();
    const active = activeSpan();
    this.#above = active && runningKey(active.traceId, active.spanId);
    const here = placeHere(active, outer, context);
    const span = toolSpan(
      start,
      {
        ...here,
        spanId: randomBytes(8).toString('hex'),
        startTimeUnixNano: nanoseconds(start.startedAt ?? Date.now()),
        resource: here.resource ?? service,
      },
      VERSION,
    );
    const understood = understand(span, audit.policy, 'intent', undefined, this.#beside);
    const facts = understood.what === 'activity' ? understood.facts : undefined;
    this.#identity = { name: facts?.tool?.recorded.name ?? '', callId: facts?.tool?.recorded.call_id };
    this.#deed = deedOf(facts, span);
    this.#isRetry = failed.has(this.#deed);
    const call = {
      tool: start.name,
      arguments: start.arguments,
      result: undefined,
      purpose: facts && inherit(facts, { get: (key) => audit.running.get(key) }).purpose,
    };
    const { failClosed, refusal } = admissionOf(
      call,
      audit.policy,
      start.failClosed === true ? 'closed' : conduct.mode,
    );
    this.failClosed = failClosed;
    this.#refusal = refusal;
    this.#isJoined = outer?.isToldBesides(this.#identity, start.scope) === true;
    this.#joined = this.#isJoined ? (outer!.#joined ?? outer) : undefined;
    this.#isAdmitted = this.#isJoined && (outer!.failClosed || outer!.#isAdmitted);
    this.#scopes = this.#isJoined ? outer!.#scopes.add(start.scope) : new Set([start.scope]);
    const telling =
      span.parentSpanId === undefined || facts === undefined
        ? undefined
        : audit.running.telling(span.traceId, span.parentSpanId, this.#identity);
    const own = telling === undefined ? span : asTold(span, telling.running);
    this.#begun = this.#joined === undefined ? own : this.#joined.#begun;
    this.traceId = this.#begun.traceId;
    this.spanId = this.#begun.spanId;
    this.#running = { read: () => this.#begun, beside: context, tool: this.#identity, isTold: true };
    if (this.#isJoined) return;
    if (this.#identity.callId !== undefined) remember(told, toldKey(this.traceId, this.#identity), MAX_TOLD);
    if (telling === undefined) audit.running.remember(this.#key, this.#running);
    else telling.running.isTold = true;
    if (telling === undefined) this.#record(understood);
    else if (telling.running.isClaimed)
      this.#record(understand(this.#begun, audit.policy, 'intent', undefined, this.#beside));
  }

  async admit(): Promise<void> {
    if (!this.failClosed || this.#isAdmitted) return;
    this.#turnAway();
    let problem = (this.#joined ?? this).#lost;
    if (problem === undefined) {
      try {
        await within(this.#audit.recorder.durable(), this.#conduct.waitMs);
        return;
      } catch (error) {
        problem = error;
      }
    }
    throw this.#refuse(problem);
  }

  admitSync(): void {
    if (!this.failClosed || this.#isAdmitted) return;
    this.#turnAway();
    let problem = (this.#joined ?? this).#lost;
    if (problem === undefined) {
      try {
        this.#audit.recorder.durableSync(this.#conduct.waitMs);
        return;
      } catch (error) {
        problem = error;
      }
    }
    throw this.#refuse(problem);
  }

  run<T>(work: () => T): T {
    return carry(current(), this, work);
  }

  end(result?: unknown): void {
    this.#end({ result });
  }

  fail(error: unknown): void {
    this.#end({ errorType: typeOf(error), errorMessage: textOf(error) });
  }

  deny(reason?: string): void {
    this.#end({ errorType: 'execution_denied', ...(reason === undefined ? {} : { errorMessage: reason }) });
  }

  interrupt(reason?: string): void {
    this.#end({ errorType: 'aborted', ...(reason === undefined ? {} : { errorMessage: reason }) });
  }

  /** True once, where it is the span of this very call; each time, where ids say so. */
  covers(call: ToolIdentity): boolean {
    if (!isSameCall(this.#identity, call)) return false;
    const isNamed = this.#identity.callId !== undefined && call.callId !== undefined;
    if (this.#isCovered && !isNamed) return false;
    this.#isCovered = true;
    return true;
  }

  /** Two adapters tell of one call; one adapter twice is a tool that calls itself. */
  isToldBesides(call: ToolIdentity, scope: string | undefined): boolean {
    return !this.#scopes.has(scope) && isSameCall(this.#identity, call);
  }

  /** It is above the span: that was active when it began, and nothing has begun in it since. */
  isAbove(traceId: string, spanId: string): boolean {
    return this.#above === runningKey(traceId, spanId);
  }

  get #key(): string {
    return runningKey(this.traceId, this.spanId);
  }

  #end(end: ToolEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#isJoined) return;
    const took = BigInt(Math.max(0, Math.round((performance.now() - this.#startedAt) * 1e6)));
    const now = this.#begun.startTimeUnixNano + took;
    try {
      const span = endedSpan(this.#begun, end, now);
      const understood = understand(span, this.#audit.policy, 'end', undefined, this.#beside);
      if (understood.what === 'activity' && understood.facts.outcome.status === 'failure')
        remember(failed, this.#deed, MAX_FAILED);
      else failed.delete(this.#deed);
      this.#record(understood);
    } catch (error) {
      this.#lose(error);
    } finally {
      if (this.#audit.running.known(this.#key) === this.#running) this.#audit.running.forget(this.#key);
    }
  }

  #record(understood: Understood): void {
    try {
      if (this.#isRetry && understood.what === 'activity') inferRetry(understood.facts);
      this.#audit.recorder.commit([understood], this.#audit.running);
    } catch (error) {
      this.#lose(error);
    }
  }

  #lose(error: unknown): void {
    this.#lost ??= error ?? 'lost';
    this.#lostIn = this.#audit.recorder.noteGap(1, error, this.#lostIn);
  }

  /** By the policy, which its record says. */
  #turnAway(): void {
    if (this.#refusal === undefined) return;
    this.deny(this.#refusal.message);
    throw this.#refusal;
  }

  /** It did not run, and is told so where anything can be told. */
  #refuse(problem: unknown): AuditUnavailableError {
    this.deny('its intent could not be made durable');
    return new AuditUnavailableError(
      `the tool ${this.#identity.name} was not called: that it was about to be could not be made durable: ${messageOf(problem)}`,
      {
        cause: problem,
        hint: `make room in ${this.#audit.deployment.layout.journals}, or bring back what takes its records; SPANLEDGER_FAIL_MODE=open lets tools run unrecorded where the policy allows it`,
      },
    );
  }
}

/** The nearest of what is above it: the call it runs in, or a span begun since, or the context. */
/** Where what is told now stands: below the span, or the call, that is running. */
export function here(): ReturnType<typeof placeHere> {
  return placeHere(activeSpan(), current().getStore(), activeContext());
}

function placeHere(
  active: ReturnType<typeof activeSpan>,
  outer: RunningCall | undefined,
  context: AuditContextCarrier | undefined,
): { traceId: string; parentSpanId: string | undefined; resource: Attributes | undefined } {
  const resource = active && resourceOf(active.span);
  if (active !== undefined && (outer === undefined || !outer.isAbove(active.traceId, active.spanId)))
    return { traceId: active.traceId, parentSpanId: active.spanId, resource };
  if (outer !== undefined) return { traceId: outer.traceId, parentSpanId: outer.spanId, resource };
  return {
    traceId: context?.traceId ?? randomBytes(16).toString('hex'),
    parentSpanId: undefined,
    resource,
  };
}

/** Of a span of the SDK: the service its other spans are of. */
function resourceOf(span: object): Attributes | undefined {
  const { attributes } = (span as { resource?: { attributes?: object } }).resource ?? {};
  if (attributes === undefined) return undefined;
  const found = new Map<string, AttributeValue>();
  for (const key of ['service.name', 'service.instance.id']) {
    const value = (attributes as { [key: string]: unknown })[key];
    if (typeof value === 'string') found.set(key, value);
  }
  return found.size > 0 ? found : undefined;
}

/** A call whose span wrote the intent goes on as that span: what both say stands under one id. */
function asTold(span: Span, { read }: Running): Span {
  const { traceId, spanId, parentSpanId, startTimeUnixNano } = read();
  return { ...span, traceId, spanId, parentSpanId, startTimeUnixNano };
}

function deedOf(facts: Facts | undefined, span: Span): string {
  const { name } = facts?.tool?.recorded ?? {};
  const where = facts?.attribution.conversationId ?? span.traceId;
  return JSON.stringify([facts?.tenant, where, name, facts?.tool?.argumentsDigest]);
}

function inferRetry({ attribution }: Facts): void {
  if (attribution.triggerBasis === 'declared' || attribution.triggerSaid !== undefined) return;
  attribution.trigger = 'retry';
  attribution.triggerBasis = 'inferred';
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1e3)) * 1_000n;
}

async function within(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function typeOf(error: unknown): string {
  try {
    const { code, name } = Object(error) as { code?: unknown; name?: unknown };
    if (name === 'AbortError') return name;
    if (typeof code === 'string' && code !== '') return code;
    return typeof name === 'string' && name !== '' ? name : 'Error';
  } catch {
    return 'Error';
  }
}
