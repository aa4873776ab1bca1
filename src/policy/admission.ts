import type { FailMode } from './demands.ts';
import type { Policy } from './policy.ts';
import type { ToolCall } from './registry.ts';

/** A call that somebody is about to make. */
export interface ProposedCall extends ToolCall {
  tool: string;
  /** Why; absent, empty or blank where nobody says. */
  purpose?: string | undefined;
}

/** Whether a call may run, as far as the policy goes. */
export type Admission =
  | { allowed: true /** What its record will tell of. */; findings: 'purpose_missing'[] }
  | { allowed: false; code: 'purpose_required'; message: string; hint: string };

/**
 * Where the policy wants a purpose of use for a tool, a call without one is refused if it is made fail-closed, or one of
 * the tool's domains is, and else recorded as a finding. Whoever owns the call asks before it runs, so of its result
 * nothing is known.
 *
 * @param mode what it is made in, whatever the policy says
 */
export function admission(
  { tool, purpose, ...call }: ProposedCall,
  policy: Policy,
  mode: FailMode = 'open',
): Admission {
  const { purposeRequired, fail, domains } = policy.registry.tool(tool, call);
  if (!purposeRequired || (purpose ?? '').trim() !== '') return { allowed: true, findings: [] };
  if (fail === 'open' && mode === 'open') return { allowed: true, findings: ['purpose_missing'] };
  return {
    allowed: false,
    code: 'purpose_required',
    message: `${policy.redactor.scan(tool)} wants a purpose of use, and nobody told one`,
    hint: `say why, in audit.purpose${fail === 'open' ? '' : `; of ${domains.join(', ')}, a domain refuses what it cannot account for (fail: closed)`}`,
  };
}
