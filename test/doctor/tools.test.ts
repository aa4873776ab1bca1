import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../src/config/settings.ts';
import { ruleFor } from '../../src/doctor/tools.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import { policyOf } from '../../src/policy/schema.ts';
import { MASTER } from '../support/ledger-kit.ts';

const NO_CALL = { arguments: undefined, result: undefined };
/** What a tool is called, and what somebody may call one. */
const name = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9_.-]{0,30}$/),
  fc.string({ minLength: 1, maxLength: 30 }).filter((text) => text.trim() === text && !/[\\/]/.test(text)),
);

describe('the rule that doctor offers', () => {
  it('stands in the settings as it is, and knows the tools it was made for', () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 5 }), (tools) => {
        const settings = parseSettings(`version: 1\n${ruleFor(tools)}\n`, 'spanledger.yaml');
        const { registry } = compilePolicy(MASTER, policyOf({ ...settings.policy, builtin: false }));
        for (const tool of tools) expect(registry.tool(tool, NO_CALL).unclassified, tool).toBe(false);
      }),
    );
  });

  it('knows no other', () => {
    const settings = parseSettings(`version: 1\n${ruleFor(['do*', '{a,b}'])}\n`, 'spanledger.yaml');
    const { registry } = compilePolicy(MASTER, policyOf({ ...settings.policy, builtin: false }));
    for (const tool of ['double', 'a', 'b']) expect(registry.tool(tool, NO_CALL).unclassified).toBe(true);
  });
});
