import { type FailMode, joined } from '../policy/demands.ts';
import type { Policy } from '../policy/policy.ts';

/** Whether a tool call may begin, before it does. */
export interface Admission {
  /** It must not run before its intent is durable. */
  failClosed: boolean;
}

/**
 * What the policy says of a call that is about to begin: the one place for rules that hold it up. The strictest
 * counts, of the process's mode, the caller's wish and the demands of the tool's rules.
 */
export function admissionOf(
  tool: string,
  args: unknown,
  policy: Policy,
  mode: FailMode,
  isWished: boolean,
): Admission {
  if (isWished || mode === 'closed') return { failClosed: true };
  const rules = policy.registry.matching(tool, { arguments: args, result: undefined });
  return { failClosed: joined(rules.map(({ demands }) => demands)).fail === 'closed' };
}
