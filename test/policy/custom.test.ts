import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import type { PatternRule } from '../../src/policy/custom.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import { Redactions } from '../../src/policy/redactions.ts';

const MASTER = { id: 'k1', secret: new Uint8Array(32) };
const EMPLOYEE: PatternRule = { name: 'employee', kind: 'employee_id', expression: 'EMP-\\d{6}' };

function redactorWith(...patterns: PatternRule[]) {
  return compilePolicy(MASTER, { ...BUILTIN_POLICY, patterns }).redactor;
}

function redact(value: unknown, ...patterns: PatternRule[]) {
  const redactions = new Redactions();
  const redacted = redactorWith(...patterns).redact(value, {
    tenant: 'default',
    redactions,
    at: '/tool/arguments',
  });
  return { value: redacted.value, ...redactions.said() };
}

describe("a policy's own pattern", () => {
  it('takes out what it matches, wherever it stands, and says by which rule', () => {
    const { value, redactions } = redact(
      { note: 'for EMP-123456 and EMP-654321', nested: [{ 'EMP-111111': 'x' }], id: 'EMP-222222' },
      EMPLOYEE,
    );
    expect(value).toEqual({
      note: 'for ***REDACTED*** and ***REDACTED***',
      nested: [{ '***REDACTED***': 'x' }],
      id: '***REDACTED***',
    });
    expect(redactions).toContainEqual({
      pointer: '/tool/arguments/note',
      kind: 'employee_id',
      rule: 'custom:employee',
      count: 2,
    });
  });

  it('sees through what the built-in ones see through', () => {
    for (const text of [
      'EMP-１２３４５６',
      'EMP\u200b-123456',
      'EMP%2D123456',
      'EMP&#45;123456',
      '{"a":"{\\"b\\":\\"EMP-123456\\"}"}',
      Buffer.from('the badge is EMP-123456, thank you').toString('base64'),
    ])
      expect(JSON.stringify(redact({ text }, EMPLOYEE).value)).toContain('***REDACTED***');
  });

  it('is looked for in short words and in numbers too', () => {
    const badge: PatternRule = { name: 'badge', kind: 'badge', expression: '\\b7\\d{4}\\b' };
    expect(redact({ a: '71234', b: 71234, c: 712345, d: [71234] }, badge).value).toEqual({
      a: '***REDACTED***',
      b: '***REDACTED***',
      c: 712345,
      d: ['***REDACTED***'],
    });
    expect(redact({ a: '71234', b: 71234 }).value).toEqual({ a: '71234', b: 71234 });
  });

  it('takes all that is left of a text it would take too long to look through', () => {
    const slow: PatternRule = { name: 'slow', kind: 'x', expression: 'a.*z|a' };
    const before = process.cpuUsage();
    const { value } = redact({ text: `b${'a'.repeat(1_000_000)}` }, slow);
    expect(value).toEqual({ text: 'b***REDACTED***…' });
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(5_000);
  });

  it('leaves the marks and pseudonyms of the ledger alone', () => {
    const greedy: PatternRule[] = [
      { name: 'capitals', kind: 'x', expression: '[A-Z]{4,}' },
      { name: 'stars', kind: 'x', expression: 'x?\\*+' },
      { name: 'runs', kind: 'x', expression: '[\\w-]{22}' },
      { name: 'key', kind: 'x', expression: 'hmac' },
    ];
    const own = 'is ***REDACTED*** and hmac:k1:AAAAAAAAAAAAAAAAAAAAAA';
    expect(redact({ own }, ...greedy).value).toEqual({ own });
    // Half of a mark would be none.
    expect(redact({ text: 'x***REDACTED***' }, ...greedy).value).toEqual({ text: '***REDACTED***' });
  });

  it('changes nothing when it is done again', () => {
    const pattern = fc.constantFrom(
      'EMP-\\d{6}',
      '[A-Z]{3,}',
      '\\*+',
      '\\d+',
      'a.',
      '[^a]{3}',
      'x\\*',
      '\\*x',
      'hmac:\\w',
      '(?s).{5}',
    );
    const pieces = [
      'EMP-123456',
      ' ',
      '***REDACTED***',
      'x',
      '*',
      'a',
      '12',
      'AB',
      'hmac:k1:AAAAAAAAAAAAAAAAAAAAAA',
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 10 }).map((all) => all.join(''));
    fc.assert(
      fc.property(pattern, text, (expression, said) => {
        const redactor = redactorWith({ name: 'own', kind: 'x', expression });
        const once = redactor.scan(said);
        expect(redactor.scan(once)).toBe(once);
      }),
      { numRuns: 500 },
    );
  });
});
