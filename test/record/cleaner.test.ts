import { describe, expect, it } from 'vitest';
import { REDACTED } from '../../src/policy/redact.ts';
import { Cleaner } from '../../src/record/cleaner.ts';
import { POLICY } from '../support/spans.ts';

const clean = new Cleaner(POLICY, 'default');
const pseudonym = (id: string) => POLICY.keyring.pseudonym('default', 'id', id);

describe('an id', () => {
  it.each([
    'call_7f3a',
    'P-1042',
    '0af7651916cd43dd8448eb211c80319c',
    'dr.lee@example.com',
    '',
    'x'.repeat(500),
  ])('%j stays', (id) => {
    expect(clean.id(id)).toBe(id);
  });

  it.each(['123-45-6789', 'conv-123-45-6789', '4111111111111111', 'Bearer abcdefghijkl', 'x'.repeat(501)])(
    '%j becomes a pseudonym',
    (id) => {
      expect(clean.id(id)).toBe(pseudonym(id));
    },
  );

  it('is another for another id, however long, and for another tenant', () => {
    const ids = ['123-45-6789', '123-45-6780', '4111111111111111', '5555555555554444', `${'x'.repeat(501)}1`];
    const seen = [...ids, `${'x'.repeat(501)}2`].map((id) => clean.id(id));
    seen.push(new Cleaner(POLICY, 'north').id('123-45-6789'));
    expect(new Set(seen).size).toBe(7);
    for (const id of seen) expect(id.length).toBeLessThanOrEqual(500);
  });

  it('that nobody told is unknown', () => {
    expect(clean.id(undefined)).toBeUndefined();
  });
});

describe('the name of a member', () => {
  it('stays when it is an identifier, without a secret in it', () => {
    expect(clean.key('patient_id')).toBe('patient_id');
    expect(clean.key('Jane Doe')).toBe(pseudonym('Jane Doe'));
    expect(clean.key(`AKIA${'ABCDEFGH'.repeat(2)}`)).toBe(REDACTED);
  });
});

describe('what is said', () => {
  const secrets = ['123-45-6789', 'password=hunter2', `ghp_${'aB3d'.repeat(9)}`];

  it.each(secrets)('has at most 500 characters, and no part of %s at their end', (secret) => {
    for (let before = 470; before < 500; before++) {
      const said = clean.said(`${'x'.repeat(before)} ${secret} and so on`);
      expect(said.length).toBeLessThanOrEqual(500);
      expect(said).not.toMatch(/123|hunt|ghp_./);
    }
  });

  it('of an error is cut after it was read, its type too', () => {
    for (const secret of secrets) {
      for (let before = 470; before < 500; before++) {
        const { error_message, error_type } = clean.outcome({
          status: 'failure',
          errorMessage: `${'x'.repeat(before)} ${secret} and so on`,
          errorType: `${'x'.repeat(before - 400)} ${secret} and so on`,
        });
        expect(`${error_message} ${error_type}`).not.toMatch(/123|hunt|ghp_./);
        expect(error_message!.length).toBeLessThanOrEqual(501);
        expect(error_type!.length).toBeLessThanOrEqual(100);
      }
    }
  });
});
