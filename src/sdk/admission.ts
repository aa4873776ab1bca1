import { SpanledgerError } from '../errors.ts';
import { admission, type ProposedCall } from '../policy/admission.ts';
import type { FailMode } from '../policy/demands.ts';
import type { Policy } from '../policy/policy.ts';

/** Whether a tool call may begin, before it does. */
export interface Admission {
  /** It must not run before its intent is durable. */
  failClosed: boolean;
  /** Why it must not run at all. */
  refusal?: SpanledgerError;
}

/**
 * What the policy says of a call that is about to begin: the one place for rules that hold it up. The strictest
 * counts, of the mode it is made in and the demands of the tool's rules.
 */
export function admissionOf(call: ProposedCall, policy: Policy, mode: FailMode): Admission {
  const failClosed = mode === 'closed' || policy.registry.tool(call.tool, call).fail === 'closed';
  const ruled = admission(call, policy, mode);
  if (ruled.allowed) return { failClosed };
  const { code, message, hint } = ruled;
  return { failClosed, refusal: new SpanledgerError(code, message, { hint }) };
}
