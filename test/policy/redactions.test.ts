import { describe, expect, it } from 'vitest';
import { REDACTED, type RedactionContext } from '../../src/policy/redact.ts';
import { Redactions, together } from '../../src/policy/redactions.ts';
import { summariseResult } from '../../src/policy/summary.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import { POLICY } from '../support/spans.ts';

function said(value: unknown, at = '/tool/arguments') {
  const redactions = new Redactions();
  const context: RedactionContext = { tenant: 'default', redactions, at };
  const clean = POLICY.redactor.redact(value, context).value;
  return { clean, ...redactions.said() };
}

const entry = (pointer: string, kind: string, rule: string, count = 1) => ({ count, kind, pointer, rule });

describe('what was taken out', () => {
  it('is told by place, kind and rule', () => {
    const { redactions } = said({
      password: 'hunter2',
      list: [{ n: 4111111111111111 }, 'write to jane@example.org or joe@example.org'],
      'a/b~c': 'DOB 1984-02-29',
      note: Buffer.from('my ssn is 123-45-6789').toString('base64'),
      log: 'user_password=x SSN 123-45-6789',
      body: JSON.stringify({ a: [{ api_key: 'x' }, '123-45-6789'] }),
    });
    expect(redactions).toEqual([
      entry('/tool/arguments/password', 'secret', 'name'),
      entry('/tool/arguments/list/0/n', 'card', 'pattern'),
      entry('/tool/arguments/list/1', 'email', 'pattern', 2),
      entry('/tool/arguments/a~1b~0c', 'date_of_birth', 'label'),
      entry('/tool/arguments/note', 'secret', 'base64'),
      entry('/tool/arguments/log', 'secret', 'name'),
      entry('/tool/arguments/log', 'ssn', 'pattern'),
      // What lies in JSON in a text has the text's place.
      entry('/tool/arguments/body', 'secret', 'name'),
      entry('/tool/arguments/body', 'ssn', 'pattern'),
    ]);
    expect(() => canonicalJson(redactions)).not.toThrow();
  });

  it('points at the replacement, and is nothing where nothing was taken out or a pseudonym tells it', () => {
    const { clean, redactions } = said({ a: { b: [0, { pin: 1 }] } }, '');
    expect(redactions).toEqual([entry('/a/b/1/pin', 'secret', 'name')]);
    const at = redactions![0]!.pointer.split('/').slice(1);
    expect(at.reduce((value, step) => (value as Record<string, unknown>)[step], clean)).toBe(REDACTED);
    expect(said({ a: 'b', ssn: '123-45-6789', n: 5 }).redactions).toBeUndefined();
  });

  it('never holds what was taken out, nor a name that is not shown', () => {
    const secret = `ghp_${'aB3d'.repeat(9)}`;
    const { redactions } = said({ [secret]: secret, 'jane@example.org': { password: secret } });
    expect(JSON.stringify(redactions)).not.toMatch(/aB3d|jane/);
    const told = new Redactions();
    summariseResult({ 'Jane Doe_id': '123-45-6789', id: '123-45-6789' }, POLICY.redactor, {
      tenant: 'default',
      redactions: told,
      at: '/tool/result',
    });
    const id = POLICY.keyring.pseudonym('default', 'id', 'Jane Doe_id');
    expect(told.said()?.redactions).toEqual([
      entry(`/tool/result/${id}`, 'ssn', 'pattern'),
      entry('/tool/result/id', 'ssn', 'pattern'),
    ]);
  });

  it('is the same each time, and nothing new when it is done again', () => {
    const value = { a: 'jane@example.org, password=x', b: ['4111 1111 1111 1111', { secret: 1 }] };
    expect(said(value)).toEqual(said(value));
    expect(said(said(value).clean).redactions).toEqual([
      entry('/tool/arguments/b/1/secret', 'secret', 'name'),
    ]);
  });

  it('is bounded: of more than fifty places only the number is told', () => {
    const many = said(Array.from({ length: 70 }, () => 'jane@example.org and joe@example.org'));
    expect(many.redactions).toHaveLength(50);
    expect(many.redactions_left_out).toBe(40);
    const both = together({ redactions: many.redactions!, redactions_left_out: 40 }, said({ pin: 1 }));
    expect(both?.redactions).toHaveLength(50);
    expect(both?.redactions_left_out).toBe(41);
    const deep = said({ [`k${'e'.repeat(300)}`]: 'jane@example.org' });
    expect([deep.redactions, deep.redactions_left_out]).toEqual([undefined, 1]);
  });
});
