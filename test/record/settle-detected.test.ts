import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../src/record/record.ts';
import { asked, assistant, modelSpan, Settled, span, told, toolSpan, user } from '../support/spans.ts';

const MRN = 'MRN: 00123456';
const of = (records: readonly AuditRecord[], action: string) =>
  records.find((record) => record.action === action)!;
const level = (record: AuditRecord | undefined) => record?.data_classification;
const answered = (text: string) => ({ 'gen_ai.output.messages': [assistant(text)] });

describe("a person's data that nobody declared", () => {
  it('in a message makes its record restricted, and the answer without it is as before', () => {
    const records = new Settled().take(modelSpan([user(`what of ${MRN}?`)], answered('one moment')));
    expect(of(records, 'user_message_received')).toMatchObject({
      data_classification: 'restricted',
      details: { contains_phi: true, detected: ['health_id'], message_length: 22 },
    });
    const answer = of(records, 'agent_response_generated');
    expect(level(answer)).toBe('internal');
    expect(answer.details).not.toHaveProperty('contains_phi');
    expect(answer.details).not.toHaveProperty('detected');
    expect(JSON.stringify(records)).not.toContain('00123456');
  });

  it('in an answer makes that record restricted', () => {
    const records = new Settled().take(modelSpan([user('who is it?')], answered(`it is ${MRN}`)));
    expect(of(records, 'agent_response_generated')).toMatchObject({
      data_classification: 'restricted',
      details: { contains_phi: true, detected: ['health_id'] },
    });
    expect(level(of(records, 'user_message_received'))).toBe('internal');
  });

  it.each([
    ['an address to write to', 'jane@example.org', 'confidential', ['email']],
    ['a card', '4111 1111 1111 1111', 'restricted', ['card']],
    ['nothing', 'hello', 'internal', undefined],
  ])('of %s: the level of its kind, and no word of health', (_, text, classification, detected) => {
    const record = of(new Settled().take(modelSpan([user(text)])), 'user_message_received');
    expect(level(record)).toBe(classification);
    expect(record.details?.detected).toEqual(detected);
    expect(record.details).not.toHaveProperty('contains_phi');
  });

  it.each([
    ['arguments', { args: { note: MRN } }],
    ['a nested argument', { args: { a: [{ b: JSON.stringify({ c: MRN }) }] } }],
    ['a result of which nothing is kept', { result: { rows: [{ note: `seen: ${MRN}` }] } }],
    ['a result that is a text', { result: `it is ${MRN}` }],
    ['a long argument, beyond what is kept', { args: { note: `${'and so on '.repeat(1_000)}${MRN}` } }],
    ['a field of its own name', { args: { patient_name: 'Jane Roe' } }],
    [
      'a person beside a word of health',
      { args: { customer_name: 'Jane Roe' }, result: { diagnosis: 'E11.9' } },
    ],
  ])('in %s raises a tool that is internal by its rule, and each access', (_, said) => {
    const records = new Settled().take(toolSpan('web_search', said));
    const [invoked] = records;
    expect(invoked).toMatchObject({
      data_classification: 'restricted',
      retention_class: 'default',
      details: { contains_phi: true, tags: ['network'] },
    });
    expect(invoked).not.toHaveProperty('domains');
    expect(level(new Settled().take(toolSpan('web_search', { args: { q: 'weather' } }))[0])).toBe('internal');
  });

  it('raises what was accessed with it, and lowers nothing that a rule says', () => {
    const refund = { args: { order_id: 'o-1', note: MRN } };
    const records = new Settled().take(toolSpan('issue_refund', refund));
    expect(records.map(({ action, data_classification }) => [action, data_classification])).toEqual([
      ['tool_invoked', 'restricted'],
      ['data_modified', 'restricted'],
    ]);
    const [read] = new Settled().take(
      toolSpan('get_patient', { args: { patient_id: 'P-1', to: 'a@example.org' } }),
    );
    expect(read).toMatchObject({ data_classification: 'restricted', details: { detected: ['email'] } });
  });

  it('in an error raises the records of that outcome', () => {
    const [failed] = new Settled().take(toolSpan('web_search', {}, {}, { error: `no such patient: ${MRN}` }));
    expect(failed).toMatchObject({ data_classification: 'restricted', details: { contains_phi: true } });
    const invocation = span(
      'invoke_agent',
      { 'gen_ai.operation.name': 'invoke_agent' },
      { error: 'ssn 123-45-6789' },
    );
    const [invoked] = new Settled().take(invocation);
    expect(invoked).toMatchObject({ data_classification: 'restricted', details: { detected: ['ssn'] } });
    expect(invoked?.details).not.toHaveProperty('contains_phi');
  });

  it('in a reported result raises its record, also where an earlier answer tells its name', () => {
    const settled = new Settled();
    const input = [user('who?'), asked('t1', 'web_search', { q: 'x' }), told('t1', `found ${MRN}`)];
    expect(of(settled.take(modelSpan(input)), 'tool_invoked')).toMatchObject({
      data_classification: 'restricted',
      tool: { evidence: 'reported' },
      details: { contains_phi: true },
    });
    const later = new Settled();
    later.take(
      modelSpan([user('who?')], { 'gen_ai.output.messages': [asked('t9', 'web_search', { q: 'x' })] }),
    );
    const records = later.take(modelSpan([user('who?'), told('t9', `found ${MRN}`)], {}, { id: '2' }));
    expect(of(records, 'tool_invoked')).toMatchObject({
      data_classification: 'restricted',
      tool: { name: 'web_search' },
      details: { tags: ['network'], contains_phi: true },
    });
  });
});
