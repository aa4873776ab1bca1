import { describe, expect, it } from 'vitest';
import { REDACTED } from '../../src/policy/redact.ts';
import { summariseResult } from '../../src/policy/summary.ts';
import { POLICY } from '../support/spans.ts';

const summary = (result: unknown, pseudonyms?: { [name: string]: string }) =>
  summariseResult(result, POLICY.redactor, {
    tenant: 'default',
    ...(pseudonyms === undefined ? {} : { pseudonyms }),
  });

const rows = (count: number) => Array.from({ length: count }, (_, i) => ({ id: i, diagnosis: 'J45.909' }));

describe('of a result is kept', () => {
  it.each<[string, unknown, unknown]>([
    [
      'whether it succeeded',
      { success: true, ok: false, isError: false, text: 'x' },
      { success: true, ok: false, isError: false },
    ],
    ['a plain answer of yes or no', false, { success: false }],
    ['its error as text', { error: 'not found', stack: 'at x' }, { error: 'not found' }],
    ["an error object's message", { error: { message: 'not found', detail: 'x' } }, { error: 'not found' }],
    ['else its code', { error: { code: 'E404' } }, { error: 'E404' }],
    ['nothing of an error nobody can name', { error: { at: 1 } }, {}],
    [
      'its status and counts',
      { status: 'paid', code: 200, count: 3, total: 9.5 },
      { status: 'paid', code: 200, count: 3, total: 9.5 },
    ],
    [
      'its key identifiers',
      { id: 7, uuid: 'u', order_id: 'o', customerId: 'c', 'x-id': 'x', traceID: 't', reference: 'r' },
      { id: 7, uuid: 'u', order_id: 'o', customerId: 'c', 'x-id': 'x', traceID: 't', reference: 'r' },
    ],
    ['none that only look like one', { paid: true, idea: 'x', ids: 'x', _id: 'x' }, {}],
    ['of a list, how many', rows(3), { count: 3 }],
    [
      'of lists in it, how many',
      { id: 1, allergies: ['latex', 'nuts'], visits: [] },
      { id: 1, allergies_count: 2, visits_count: 0 },
    ],
    ['of text, its size', 'The patient is well.', { size: 20 }],
    ['of nothing, nothing', undefined, {}],
    ['of null, nothing', null, {}],
  ])('%s', (_, result, expected) => {
    expect(summary(result)).toEqual(expected);
  });

  it('what is wrapped once, unless the wrapper says something itself', () => {
    expect(summary({ data: { id: 1, x: 'y' } })).toEqual({ id: 1 });
    expect(summary({ structuredContent: rows(2) })).toEqual({ count: 2 });
    expect(summary({ status: 'ok', data: { id: 1 } })).toEqual({ status: 'ok' });
  });

  it('at most twenty members', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}_id`, i]));
    expect(Object.keys(summary(many))).toHaveLength(20);
  });
});

describe('size', () => {
  it.each<[string, unknown, unknown]>([
    ['of 1,000 characters of text is told', 'x'.repeat(1_000), { size: 1_000 }],
    ['of more is told, and that it was cut', 'x'.repeat(1_001), { size: 1_001, truncated: true }],
    ['of a short list is not', [1, 2], { count: 2 }],
    ['of a long one is, with its count', rows(40), { count: 40, size: 1_271, truncated: true }],
  ])('%s', (_, result, expected) => {
    expect(summary(result)).toEqual(expected);
  });
});

describe('a summary keeps no secret', () => {
  it('under a name it would keep', () => {
    expect(summary({ error: 'password=hunter2 refused', status: '123-45-6789' })).toEqual({
      error: `password=${REDACTED} refused`,
      status: REDACTED,
    });
    expect(summary({ id: '4111 1111 1111 1111', customer_id: 'Bearer abcdefghijklm' })).toEqual({
      id: REDACTED,
      customer_id: REDACTED,
    });
  });

  it('of a person: identifiers that are pseudonyms for the tool are pseudonyms here', () => {
    expect(summary({ patient_id: 'P-1042' }, { patientid: 'subject' })).toEqual({
      patient_id: POLICY.keyring.pseudonym('default', 'subject', 'P-1042'),
    });
  });

  it('in the names of its members, of which those that are no identifiers are pseudonyms', () => {
    const id = (name: string) => POLICY.keyring.pseudonym('default', 'id', name);
    const long = 'k'.repeat(50_000);
    const awsKey = `AKIA${'ABCDEFGH'.repeat(2)}`;
    expect(
      summary({ 'Jane Doe': [1, 2], 'Jane Doe_id': 'x', '123-45-6789': [], [long]: [], [awsKey]: [] }),
    ).toEqual({
      [`${id('Jane Doe')}_count`]: 2,
      [id('Jane Doe_id')]: 'x',
      [`${id('123-45-6789')}_count`]: 0,
      [`${id(long)}_count`]: 0,
      [`${REDACTED}_count`]: 0,
      size: 50_085,
      truncated: true,
    });
  });

  it('under a name that only ends as an identifier does', () => {
    expect(summary({ ssn_id: '123-45-6789', order_id: 'o' })).toEqual({
      ssn_id: POLICY.keyring.pseudonym('default', 'ssn', '123456789'),
      order_id: 'o',
    });
  });

  it('in text that is long', () => {
    const { error } = summary({ error: `${'x'.repeat(290)} 4111 1111 1111 1111 ${'y'.repeat(900)}` });
    expect(error).toHaveLength(301);
    expect(error).not.toContain('4111');
  });
});
