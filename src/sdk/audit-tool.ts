import type { AuditEvent, ResourceSaid, ToolStart } from './door.ts';
import { processDoor } from './process-door.ts';

/** What is known of a tool before it is called. What depends on its arguments is asked with them. */
export interface AuditedTool<Args extends unknown[]> {
  /** @default the function's own name */
  name?: string;
  type?: string;
  /** @default the one argument, or the list of them */
  arguments?: (...args: Args) => unknown;
  callId?: string | ((...args: Args) => string | undefined);
  resource?: ResourceSaid | ((...args: Args) => ResourceSaid | undefined);
  purpose?: string | ((...args: Args) => string | undefined);
  agent?: ToolStart['agent'];
  /** What it does to the data, where the policy's registry does not know it. */
  action?: ToolStart['action'];
  /** It is not called until its intent is durable; never less than the policy asks for. */
  failClosed?: boolean;
  /**
   * It answers at once, and its callers take no promise: fail-closed, its thread waits. Else a call that must wait
   * answers a promise.
   * @default true for a function that is not `async`
   */
  isSync?: boolean;
}

/**
 * A function that records each call of it as a tool's: the intent before it runs, the outcome after, both committed.
 *
 * @throws SpanledgerError `audit_unavailable` from a call, fail-closed: the function was not called.
 * @example
 * const lookUp = auditTool(findPatient, {
 *   name: 'find_patient',
 *   resource: ({ id }) => ({ type: 'patient', id }),
 *   purpose: 'TREAT',
 * });
 */
export function auditTool<This, Args extends unknown[], Result>(
  fn: (this: This, ...args: Args) => Result,
  about: AuditedTool<Args> = {},
): (this: This, ...args: Args) => Result {
  const name = about.name ?? (fn.name || 'unknown');
  const isSync = about.isSync ?? Object.prototype.toString.call(fn) !== '[object AsyncFunction]';
  const audited = function (this: This, ...args: Args): Result {
    const start: ToolStart = { name, scope: 'function', ...aboutCall(about, args) };
    return processDoor().tool(start, () => Reflect.apply(fn, this, args) as Result, { isSync });
  };
  return Object.defineProperties(audited, {
    name: { value: fn.name, configurable: true },
    length: { value: fn.length, configurable: true },
  });
}

/** The process's record of what is no span, and of what it holds so far. */
export const audit = {
  /**
   * Records what the application tells of itself. Committed when it returns.
   *
   * @example
   * audit.event({ action: 'access_granted', actor: { type: 'admin', id: 'lee' }, resource: { type: 'patient', id } });
   */
  event(event: AuditEvent): void {
    processDoor().event(event);
  },

  /**
   * Resolves when all so far is durable: for a function that may be frozen once it has answered.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  flush(): Promise<void> {
    return processDoor().flush();
  },
};

/** What the caller's functions say of these arguments. One that fails says nothing: the tool is called all the same. */
function aboutCall<Args extends unknown[]>(about: AuditedTool<Args>, args: Args): Partial<ToolStart> {
  const ask = <T>(said: T | ((...args: Args) => T)): T | undefined => {
    if (typeof said !== 'function') return said;
    try {
      return (said as (...args: Args) => T)(...args);
    } catch {
      return undefined;
    }
  };
  return {
    type: about.type ?? 'function',
    callId: ask(about.callId),
    arguments: about.arguments === undefined ? plain(args) : ask(about.arguments),
    agent: about.agent,
    resource: ask(about.resource),
    purpose: ask(about.purpose),
    action: about.action,
    failClosed: about.failClosed,
  };
}

function plain(args: readonly unknown[]): unknown {
  return args.length > 1 ? args : args[0];
}
