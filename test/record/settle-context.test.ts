import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/record/facts.ts';
import { settle } from '../../src/record/settle.ts';
import {
  actions,
  asked,
  factsFrom,
  modelSpan,
  NOW,
  POLICY,
  Settled,
  type SpanSaid,
  span,
  told,
  toolSpan,
  user,
} from '../support/spans.ts';

const DAY = 86_400_000_000;

describe('whom a span is about', () => {
  const root = {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.conversation.id': 'c1',
    'gen_ai.agent.name': 'triage',
    'user.id': 'u1',
    'user.role': 'nurse',
    'audit.purpose': 'TREAT',
    'audit.trigger': 'user_request',
  };

  it('is inherited through several spans, as far as they do not say', () => {
    const settled = new Settled();
    settled.take(span('invoke_agent', root, { id: 'a' }));
    settled.take(span('plan', { 'gen_ai.operation.name': 'plan' }, { id: 'b', parent: 'a' }));
    settled.take(
      span(
        'plan',
        { 'gen_ai.operation.name': 'plan', 'gen_ai.agent.name': 'planner' },
        { id: 'c', parent: 'b' },
      ),
    );
    const [record] = settled.take(toolSpan('list_files', {}, {}, { id: 'd', parent: 'c' }));
    expect(record).toMatchObject({
      conversation_id: 'c1',
      user: { id: 'u1', role: 'nurse' },
      agent: { name: 'planner' },
      actor: { type: 'agent', id: 'planner' },
      purpose: 'TREAT',
      trigger: 'user_request',
      trigger_basis: 'declared',
    });
  });

  it('is what the span itself says, first', () => {
    const settled = new Settled();
    settled.take(span('invoke_agent', root, { id: 'a' }));
    const own = { 'gen_ai.conversation.id': 'c2', 'user.id': 'u2' };
    const records = settled.take(toolSpan('list_files', {}, own, { id: 'b', parent: 'a' }));
    expect(records.at(-1)).toMatchObject({ conversation_id: 'c2', user: { id: 'u2' }, purpose: 'TREAT' });
  });

  it('is not inherited across traces, tenants, or a span nobody has seen', () => {
    const settled = new Settled();
    settled.take(span('invoke_agent', root, { id: 'a' }));
    const elsewhere: [SpanSaid, { [key: string]: string }][] = [
      [{ id: 'b', parent: 'a', trace: '2' }, {}],
      [{ id: 'b', parent: 'a' }, { 'audit.tenant': 'north' }],
      [{ id: 'c', parent: 'unseen' }, {}],
    ];
    for (const [said, more] of elsewhere)
      expect(settled.take(toolSpan('list_files', {}, more, said))[0]).not.toHaveProperty('conversation_id');
  });

  it('ends where ancestors go in a circle', () => {
    const settled = new Settled();
    const plan = { 'gen_ai.operation.name': 'plan' };
    settled.take(span('plan', plan, { id: 'a', parent: 'b' }));
    settled.take(span('plan', plan, { id: 'b', parent: 'a' }));
    expect(settled.take(toolSpan('list_files', {}, {}, { id: 'c', parent: 'b' }))).toHaveLength(1);
  });

  it('by another word for a trigger is that trigger; by a word nobody knows, it is kept as said', () => {
    const trigger = (said: string) =>
      new Settled().take(toolSpan('list_files', {}, { 'audit.trigger': said }))[0]!;
    expect(trigger('Cron')).toMatchObject({ trigger: 'system', trigger_basis: 'declared' });
    expect(trigger('follow-up')).toMatchObject({ trigger: 'follow_up' });
    expect(trigger('full moon')).toMatchObject({ details: { trigger: 'full moon' } });
    expect(trigger('full moon')).not.toHaveProperty('trigger');
    expect(trigger('constructor')).not.toHaveProperty('trigger');
  });

  it("of a user's act whose user nobody told is the agent, counted", () => {
    const settled = new Settled();
    const nobody = settled.take(modelSpan([user('hi')], { 'gen_ai.conversation.id': 'c1' }));
    expect(settled.unattributed).toBe(2);
    expect(nobody.map(({ actor, details }) => [actor.type, details?.unattributed])).toEqual([
      ['agent', true],
      ['agent', true],
      ['agent', undefined],
    ]);
    expect(nobody[0]?.actor.id).toBe('clinic');
    settled.take(modelSpan([user('ho')], { 'gen_ai.conversation.id': 'c2', 'user.id': 'u1' }, { id: '2' }));
    expect(settled.unattributed).toBe(2);
  });
});

describe('a clock', () => {
  const at = (start: bigint, end = start): SpanSaid => ({ start, end });
  const micro = (offset: number) => BigInt(NOW + offset) * 1_000n;

  it.each<[string, SpanSaid, boolean]>([
    ['of 1970', at(0n), true],
    ['of the last moment of 1999', at(946_684_799_999_999_999n), true],
    ['of 2000', at(946_684_800_000_000_000n), false],
    ['of now', at(micro(0)), false],
    ['of half a day ahead', at(micro(DAY / 2)), false],
    ['of a day and a second ahead', at(micro(DAY + 1_000_000)), true],
    ['of 2262', at(2n ** 63n - 1n), true],
    ['of 2554', at(2n ** 64n - 1n), true],
  ])('%s', (_, said, suspect) => {
    const [record] = new Settled().take(toolSpan('list_files', {}, {}, said));
    expect(record?.details?.clock_suspect).toBe(suspect ? true : undefined);
  });

  it('is judged by each record on its own: a span that began in 1970 and ended now', () => {
    const said = at(0n, micro(0));
    const records = new Settled().take(modelSpan([user('hi')], {}, said));
    expect(records.map(({ action, details }) => [action, details?.clock_suspect])).toEqual([
      ['user_message_received', true],
      ['agent_response_generated', undefined],
    ]);
  });

  it('that runs backwards gives no negative duration', () => {
    const [record] = new Settled().take(toolSpan('list_files', {}, {}, at(micro(0), micro(-5))));
    expect(record?.outcome).toEqual({ status: 'success' });
  });
});

describe('an event the application declares', () => {
  it.each([
    ['conversation_ended', { 'user.id': 'u1' }, { type: 'user', id: 'u1' }],
    ['conversation_ended', {}, { type: 'agent', id: 'clinic' }],
    ['access_granted', { 'audit.actor.id': 'root' }, { type: 'admin', id: 'root' }],
    ['access_revoked', {}, { type: 'admin', id: 'unknown' }],
    ['prompt_changed', { 'audit.actor.type': 'agent', 'audit.actor.id': 'a' }, { type: 'agent', id: 'a' }],
    ['prompt_changed', { 'audit.actor.type': 'wizard', 'user.id': 'u1' }, { type: 'admin', id: 'u1' }],
  ])('%s with %o', (action, attributes, actor) => {
    const records = new Settled().take(span('event', { 'audit.action': action, ...attributes }));
    expect(records).toMatchObject([{ action, actor, phase: 'event', details: { declared: true } }]);
  });

  it('of data is confidential, and names its resource', () => {
    const attributes = {
      'audit.action': 'data_accessed',
      'audit.resource.type': 'chart',
      'audit.resource.id': 'C-9',
      'audit.subject.id': 'P-1',
    };
    const [record] = new Settled().take(span('event', attributes));
    expect(record).toMatchObject({
      data_classification: 'confidential',
      resource: { type: 'chart', id: 'C-9', subject: expect.stringMatching(/^hmac:k1:/) },
    });
  });

  it('in a word of its own is none', () => {
    expect(() => new Settled().take(span('event', { 'audit.action': 'chain_closed' }))).toThrow(/no agent/);
  });
});

describe('settling', () => {
  it('marks what the sender dropped, and tells no tenant where there is none', () => {
    const [record] = new Settled().take(toolSpan('list_files', {}, {}, { dropped: 2 }));
    expect(record?.details?.incomplete).toBe(true);
    expect(record).not.toHaveProperty('tenant');
  });

  it('leaves no field empty: what is unknown is absent', () => {
    const settled = new Settled();
    settled.take(span('invoke_agent', { 'gen_ai.operation.name': 'invoke_agent' }));
    settled.take(modelSpan([user('hi')], { 'user.id': '', 'gen_ai.request.model': '' }, { id: '2' }));
    const empty = JSON.stringify(settled.records, (key, value: unknown) =>
      // Filled in when the record is sealed.
      key === 'salt' || key === 'recorded_at' ? 'sealed' : value,
    );
    expect(empty).not.toMatch(/null|""|\{\}/);
  });

  it('is a function of its input alone', () => {
    fc.assert(
      fc.property(fc.array(anySpan(), { maxLength: 12 }), (spans) => {
        const told = () => {
          const settled = new Settled();
          for (const [facts, phase] of spans) settled.take(facts, { phase });
          return { records: settled.records, memory: [...settled.memory] };
        };
        expect(told()).toEqual(told());
      }),
      { numRuns: 200 },
    );
  });

  it('does not change the facts it is given', () => {
    const facts = factsFrom(
      modelSpan([user('go'), asked('t1', 'get_patient', { patient_id: 'P-1' }), told('t1', { ok: true })]),
    );
    const before = structuredClone(facts);
    const memory = new Map<string, unknown>();
    const records = settle(
      facts,
      { get: (key) => memory.get(key), set: (key, value) => void memory.set(key, value) },
      NOW,
      POLICY.registry,
    ).records;
    expect(facts).toEqual(before);
    expect(actions(records)).toEqual(['tool_invoked', 'agent_response_generated']);
  });
});

function anySpan(): fc.Arbitrary<[ReturnType<typeof span>, Facts['phase']]> {
  const id = fc.constantFrom('1', '2', '3');
  const attributes = fc.record(
    {
      'gen_ai.conversation.id': id,
      'user.id': id,
      'gen_ai.agent.name': id,
      'gen_ai.request.model': id,
      'audit.tenant': id,
    },
    { requiredKeys: [] },
  );
  const said = fc.record({ id, parent: id, trace: id, service: id }, { requiredKeys: ['id'] });
  const messages = fc.constantFrom(
    [user('a')],
    [user('a'), asked('1', 'get_patient', { patient_id: 'P-1' }), told('1', { ok: true })],
    [user('a'), { role: 'assistant', content: 'b' }, user('c')],
  );
  const one = fc.oneof(
    fc.tuple(messages, attributes, said).map(([input, more, where]) => modelSpan(input, more, where)),
    fc
      .tuple(id, attributes, said)
      .map(([call, more, where]) =>
        toolSpan('get_patient', { call, args: { patient_id: call } }, more, where),
      ),
  );
  return fc.tuple(one, fc.constantFrom('intent' as const, 'end' as const));
}
