import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admission } from '../../src/policy/admission.ts';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import type { DomainRule, ToolRule } from '../../src/policy/document.ts';
import { compilePolicy } from '../../src/policy/policy.ts';

const MASTER = { id: 'k', secret: new Uint8Array(32) };

function policyWith(domain: Partial<DomainRule>, rule: Partial<ToolRule> = {}) {
  return compilePolicy(MASTER, {
    ...BUILTIN_POLICY,
    domains: {
      strict: { classification: 'internal', retention: 'default', ...domain },
      mild: { classification: 'internal', retention: 'default' },
    },
    tools: [
      { match: ['t'], domains: ['strict'], classification: 'internal', purpose: 'required', ...rule },
      { match: ['t', 'free'], domains: ['mild'], classification: 'internal' },
    ],
  });
}

const call = (tool: string, purpose?: string) => ({ tool, purpose, arguments: undefined, result: undefined });
const CLOSED = policyWith({ fail: 'closed' });

describe('whether a call may run', () => {
  it('without a purpose where one is required and a domain fails closed: it may not, and says what to do', () => {
    for (const purpose of [undefined, '', ' \t'])
      expect(admission(call('t', purpose), CLOSED)).toEqual({
        allowed: false,
        code: 'purpose_required',
        message: 't wants a purpose of use, and nobody told one',
        hint: expect.stringContaining('audit.purpose'),
      });
  });

  it('with any purpose it may', () => {
    expect(admission(call('t', 'TREAT'), CLOSED)).toEqual({ allowed: true, findings: [] });
  });

  it('without one where nothing fails closed it may, and that is a finding', () => {
    expect(admission(call('t'), policyWith({}))).toEqual({ allowed: true, findings: ['purpose_missing'] });
  });

  it('without one where none is required it may, also where a domain fails closed', () => {
    const { purpose: _, ...rule } = { purpose: 'required' };
    expect(admission(call('free'), CLOSED)).toEqual({ allowed: true, findings: [] });
    expect(admission(call('unknown'), CLOSED)).toEqual({ allowed: true, findings: [] });
    const unasked = compilePolicy(MASTER, {
      ...CLOSED.document,
      tools: CLOSED.document.tools.map(({ purpose: __, ...each }) => ({ ...each, ...rule })),
    });
    expect(admission(call('t'), unasked)).toEqual({ allowed: true, findings: [] });
  });

  it('is asked of what the call says, not only of its name', () => {
    const policy = policyWith({ fail: 'closed' }, { where: [{ path: 'arguments.kind', in: ['phi'] }] });
    const about = (kind: string) => admission({ ...call('t'), arguments: { kind } }, policy).allowed;
    expect([about('phi'), about('weather')]).toEqual([false, true]);
  });

  it('never tells a secret that stands in the name of a tool', () => {
    const policy = policyWith({ fail: 'closed' }, { match: ['*'] });
    const refused = admission(call('password=hunter2'), policy);
    expect(refused).toMatchObject({ allowed: false });
    expect(JSON.stringify(refused)).not.toContain('hunter2');
  });

  it('a domain more never allows what was refused', () => {
    const domains = fc.subarray(['strict', 'mild', 'other']);
    fc.assert(
      fc.property(domains, domains, fc.constantFrom(undefined, 'TREAT'), (some, more, purpose) => {
        const allowed = (names: string[]) =>
          admission(call('t', purpose), policyWith({ fail: 'closed' }, { domains: names })).allowed;
        if (!allowed(some)) expect(allowed([...some, ...more])).toBe(false);
      }),
    );
  });
});
