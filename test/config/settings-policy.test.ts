import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../src/config/settings.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { policyOf } from '../../src/policy/schema.ts';
import { canonicalJson } from '../../src/record/canonical.ts';

const policyIn = (yaml: string) => policyOf(parseSettings(`version: 1\n${yaml}`, 'spanledger.yaml').policy);

function mistakeIn(yaml: string): string {
  try {
    policyIn(yaml);
  } catch (error) {
    if (isSpanledgerError(error, 'config_invalid')) return error.message;
    throw error;
  }
  return 'none';
}

describe('the policy in a settings file', () => {
  it('is the built-in one where nothing is said, to the byte its digest is made of', () => {
    expect(canonicalJson(policyIn(''))).toBe(canonicalJson(BUILTIN_POLICY));
    expect(canonicalJson(policyIn('policy: {}'))).toBe(canonicalJson(BUILTIN_POLICY));
  });

  it('takes a kind of pseudonym that is called as something every object has', () => {
    const { pseudonyms } = policyIn('policy: { pseudonyms: { constructor: [badge] } }');
    expect(Object.entries(pseudonyms)).toContainEqual(['constructor', ['badge']]);
  });

  it('passes nothing over that stands under a name of the language', () => {
    expect(mistakeIn('policy: { pseudonyms: { __proto__: [badge] } }')).toContain('line 2, __proto__');
  });

  it('tells several mistakes on one line, each with its own', () => {
    expect(mistakeIn('policy:\n  redact: [""]\n  builtin: maybe')).toMatch(
      /^spanledger\.yaml: line \d, policy\..*; line \d, policy\.[^\n]*$/,
    );
  });

  it('adds to the lists, and puts its own over names', () => {
    const policy = policyIn(`policy:
  retention:
    grace_days: 60
    classes: { hipaa: { days: 3000, archive: required } }
  domains: { pci: { classification: restricted, retention: financial, fail: closed } }
  tools: [{ match: ['pay_*'], domains: [pci] }]
  redact: [badge]
  pseudonyms: { phone: [pager] }
`);
    expect(policy.retention).toMatchObject({
      grace_days: 60,
      classes: { hipaa: { days: 3000 }, soc2: { days: 365 } },
    });
    expect(policy.domains).toMatchObject({
      pci: { fail: 'closed' },
      hipaa: { classification: 'restricted' },
    });
    expect(policy.tools[0]).toEqual({ match: ['pay_*'], domains: ['pci'], classification: 'internal' });
    expect(policy.tools.slice(1)).toEqual(BUILTIN_POLICY.tools);
    expect(policy.redact).toEqual([...BUILTIN_POLICY.redact, 'badge']);
    expect(policy.pseudonyms.phone).toEqual([...BUILTIN_POLICY.pseudonyms.phone!, 'pager']);
  });

  it('without the built-in one still redacts, and keeps what no rule knows', () => {
    const policy = policyIn('policy: { builtin: false }');
    expect(policy).toMatchObject({ tools: [], domains: {}, redact: BUILTIN_POLICY.redact });
    expect(Object.keys(policy.retention.classes)).toEqual(['default']);
  });

  it.each([
    [
      'policy: { tools: [{ match: [x], domains: [hippa] }] }',
      /line 2, policy\.tools\.0\.domains\.0: there is no domain hippa/,
    ],
    [
      'policy:\n  domains:\n    a: { classification: public, retention: b }',
      /line 4, policy\.domains\.a\.retention: there is no retention class b/,
    ],
    [
      'policy:\n  tools:\n    - match: [x]\n      resource: { type: a, id: [order_id] }',
      /line 5, .*: a path begins at arguments or at result/,
    ],
    [
      'policy:\n  tools:\n    - match: [x]\n      resource: { type: a, id: ["arguments.a[?(@)]"] }',
      /line 5, .*: write a path/,
    ],
    ['policy:\n  tools:\n    - match: []', /line 4, policy\.tools\.0\.match/],
    [
      'policy:\n  tools:\n    - match: [x]\n      clasification: public',
      /line 5, policy\.tools\.0: Unrecognized key: "clasification"/,
    ],
    [
      'policy:\n  retention:\n    classes:\n      a: { days: 0, archive: none }',
      /line 5, policy\.retention\.classes\.a\.days/,
    ],
    [
      'policy:\n  tools:\n    - { id: a, match: [x] }\n    - { id: a, match: [y] }',
      /line 4, policy\.tools: two rules have the same id/,
    ],
    ['policy:\n  builtin: maybe', /line 3, policy\.builtin/],
    [
      'policy:\n  prompt:\n    ignore:\n      - session \\w+\n      - "(a"',
      /line 6, policy\.prompt\.ignore\.1: missing closing \).*RE2/,
    ],
    [
      'policy:\n  prompt:\n    ignore: ["x?"]',
      /line 4, policy\.prompt\.ignore\.0: it matches the empty text/,
    ],
    [
      'policy:\n  retention:\n    classes: { research: { days: 3650, archive: none } }\n  domains:\n    lab: { classification: internal, retention: research }',
      /line 4, policy\.retention\.classes\.research\.archive: .* not be archived as hipaa must be: write archive: required/,
    ],
    [
      'policy:\n  retention:\n    classes: { hipaa: { days: 300, archive: required }, soc2: { days: 400, archive: none } }',
      /line 4, policy\.retention\.classes\.soc2\.archive: .* as hipaa must be/,
    ],
    [
      'policy:\n  patterns:\n    - { name: a, kind: x, expression: ok }\n    - name: b\n      kind: x\n      expression: (?<=a)b',
      /line 7, policy\.patterns\.1\.expression: .*look-around/,
    ],
    [
      'policy:\n  patterns:\n    - { name: a, kind: x, expression: "a*" }',
      /line 4, policy\.patterns\.0\.expression: it matches the empty text/,
    ],
    [
      `policy:\n  patterns:\n    - { name: a, kind: x, expression: ${'a'.repeat(501)} }`,
      /line 4, policy\.patterns\.0\.expression/,
    ],
    [
      `policy:\n  patterns: [${Array.from({ length: 51 }, (_, i) => `{ name: a${i}, kind: x, expression: b }`).join()}]`,
      /line 3, policy\.patterns: Too big/,
    ],
    [
      'policy:\n  patterns:\n    - { name: a, kind: x, expression: b }\n    - { name: a, kind: x, expression: c }',
      /line 4, policy\.patterns: two patterns have the same name/,
    ],
    [
      'policy:\n  patterns:\n    - { name: a, kind: x, expression: b, flags: gi }',
      /line 4, policy\.patterns\.0\.flags: flags are i, m and s/,
    ],
  ])('%j is refused with its place', (yaml, message) => {
    expect(mistakeIn(yaml)).toMatch(message);
  });

  it('may leave out an archive where no shorter class of a domain wants one, and where none of its own does', () => {
    for (const yaml of [
      'policy: { retention: { classes: { research: { days: 3650, archive: none } } } }',
      'policy: { retention: { classes: { brief: { days: 30, archive: none } } }, domains: { lab: { classification: internal, retention: brief } } }',
      'policy: { builtin: false, retention: { classes: { a: { days: 9, archive: none } } }, domains: { a: { classification: internal, retention: a } } }',
      'policy: { retention: { classes: { hipaa: { days: 1, archive: none }, financial: { days: 2, archive: none }, soc2: { days: 3, archive: none } } } }',
    ])
      expect(mistakeIn(yaml)).toBe('none');
  });
});
