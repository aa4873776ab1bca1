import { describe, expect, it } from 'vitest';
import { actions, assistant, modelSpan, NOW, Settled, span, toolSpan, user } from '../support/spans.ts';

/** In microseconds. */
const HOUR = 3_600_000_000;

const inConversation = (id = 'c1') => ({ 'gen_ai.conversation.id': id });
const instructions = (text: string) => ({ 'gen_ai.system_instructions': [{ type: 'text', content: text }] });

describe('a conversation', () => {
  it('starts once, with whichever span first carries its id', () => {
    const settled = new Settled();
    settled.take(toolSpan('list_files', {}, inConversation()));
    settled.take(modelSpan([user('hello')], inConversation(), { id: '2' }));
    settled.take(toolSpan('list_files', {}, inConversation('c2'), { id: '3' }));
    const started = settled.records.filter(({ action }) => action === 'conversation_started');
    expect(started.map((record) => record.conversation_id)).toEqual(['c1', 'c2']);
  });

  it('starts before all else of its span, when the span starts, and is an act of the user', () => {
    const records = new Settled().take(
      modelSpan([user('hello')], { ...inConversation(), 'user.id': 'u1', 'user.role': 'nurse' }),
    );
    expect(actions(records)).toEqual([
      'conversation_started',
      'user_message_received',
      'agent_response_generated',
    ]);
    expect(records[0]).toMatchObject({
      phase: 'event',
      actor: { type: 'user', id: 'u1' },
      user: { id: 'u1', role: 'nurse' },
      occurred_at: '2026-03-01T11:59:58.000000000Z',
    });
  });

  it('is started by an intent and by a wrapper too, which leave no other record or none', () => {
    const settled = new Settled();
    const intent = settled.take(toolSpan('list_files', {}, inConversation()), { phase: 'intent' });
    expect(actions(intent)).toEqual(['conversation_started', 'tool_invoked']);
    const wrapper = { 'gen_ai.operation.name': 'plan', ...inConversation('c2') };
    expect(actions(settled.take(span('plan', wrapper, { id: '2' })))).toEqual(['conversation_started']);
  });

  it('of the same id is another one for another tenant', () => {
    const settled = new Settled();
    for (const tenant of ['north', 'south', 'north'])
      settled.take(toolSpan('list_files', {}, { ...inConversation(), 'audit.tenant': tenant }));
    const started = settled.records.filter(({ action }) => action === 'conversation_started');
    expect(started.map((record) => record.tenant)).toEqual(['north', 'south']);
  });

  it('does not start without an id', () => {
    expect(actions(new Settled().take(modelSpan([user('hello')])))).toEqual([
      'user_message_received',
      'agent_response_generated',
    ]);
  });
});

describe('a user message', () => {
  const received = (settled: Settled) =>
    settled.records.filter(({ action }) => action === 'user_message_received');

  it('is recorded once per conversation and turn, however often the call is repeated', () => {
    const settled = new Settled();
    settled.take(modelSpan([user('hello')], inConversation()));
    settled.take(modelSpan([user('hello')], inConversation(), { id: '2', trace: '2' }));
    expect(received(settled)).toHaveLength(1);
    settled.take(modelSpan([user('hello'), assistant('hi'), user('hello')], inConversation(), { id: '3' }));
    expect(received(settled).map(({ turn }) => turn)).toEqual([1, 2]);
    settled.take(modelSpan([user('hello')], inConversation('c2'), { id: '4' }));
    expect(received(settled)).toHaveLength(3);
  });

  it('is recorded only when the input ends in it', () => {
    const settled = new Settled();
    settled.take(modelSpan([user('hello'), assistant('hi')], inConversation()));
    expect(received(settled)).toEqual([]);
  });

  it('is kept as a keyed digest and its length, never as text', () => {
    const settled = new Settled();
    settled.take(modelSpan([user('my door code is 4711')], inConversation()));
    const [record] = received(settled);
    expect(record?.content).toEqual({
      prompt: { digest: expect.stringMatching(/^hmac:k1:[\w-]{22}$/), size: 20 },
    });
    expect(record?.details).toMatchObject({ message_length: 20 });
    expect(JSON.stringify(settled.records)).not.toContain('4711');
  });

  it('without a conversation is one per trace', () => {
    const settled = new Settled();
    settled.take(modelSpan([user('hello')], {}, { trace: 'a', id: '1' }));
    settled.take(modelSpan([user('hello')], {}, { trace: 'a', id: '2' }));
    settled.take(modelSpan([user('hello')], {}, { trace: 'b', id: '3' }));
    expect(received(settled)).toHaveLength(2);
  });
});

describe('the turn', () => {
  it('is the number of user messages in the input; what follows without an input has the last one known', () => {
    const settled = new Settled();
    const turnOf = (records: { turn?: number }[]) => records.at(-1)?.turn;
    const conversation = [user('one'), assistant('1'), user('two')];
    expect(turnOf(settled.take(toolSpan('list_files', {}, inConversation(), { id: '1' })))).toBeUndefined();
    expect(turnOf(settled.take(modelSpan(conversation, inConversation(), { id: '2' })))).toBe(2);
    expect(turnOf(settled.take(toolSpan('list_files', {}, inConversation(), { id: '3' })))).toBe(2);
    expect(turnOf(settled.take(modelSpan(undefined, inConversation(), { id: '4' })))).toBe(2);
    const invocation = { 'gen_ai.operation.name': 'invoke_agent', ...inConversation() };
    expect(turnOf(settled.take(span('invoke_agent', invocation, { id: '5' })))).toBe(2);
  });
});

describe('prompt and model', () => {
  const call = (text: string, model: string, id: string, agent = 'triage') =>
    modelSpan(
      undefined,
      { ...instructions(text), 'gen_ai.request.model': model, 'gen_ai.agent.name': agent },
      { id },
    );

  it('are a first sight once per agent, and no change', () => {
    const settled = new Settled();
    expect(settled.take(call('be kind', 'm-1', '1'))).toMatchObject([{ first_sight: true }]);
    const [again] = settled.take(call('be kind', 'm-1', '2'));
    expect(again).not.toHaveProperty('first_sight');
    expect(settled.take(call('be kind', 'm-1', '3', 'billing'))).toMatchObject([{ first_sight: true }]);
    expect(actions(settled.records)).toEqual(Array(3).fill('agent_response_generated'));
  });

  it('changed are told before the answer, with what they were', () => {
    const settled = new Settled();
    const [first] = settled.take(call('be kind', 'm-1', '1'));
    const changed = settled.take(call('be strict', 'm-2', '2'));
    expect(actions(changed)).toEqual(['prompt_changed', 'model_changed', 'agent_response_generated']);
    expect(changed[0]).toMatchObject({
      actor: { type: 'agent', id: 'triage' },
      occurred_at: '2026-03-01T11:59:58.000000000Z',
      details: {
        previous_prompt_digest: first?.details?.prompt_digest,
        prompt_digest: changed[2]?.details?.prompt_digest,
      },
    });
    expect(changed[0]?.details?.prompt_digest).not.toBe(first?.details?.prompt_digest);
    expect(changed[1]).toMatchObject({ model: { request: 'm-2' }, details: { previous_request: 'm-1' } });
    expect(changed[2]).not.toHaveProperty('first_sight');
    expect(actions(settled.take(call('be strict', 'm-2', '3')))).toEqual(['agent_response_generated']);
  });

  it('change back is a change too, and a call that names neither is none', () => {
    const settled = new Settled();
    for (const [id, model] of ['m-1', 'm-2', 'm-1'].entries())
      settled.take(modelSpan(undefined, { 'gen_ai.request.model': model }, { id: String(id) }), {
        now: NOW + id * HOUR,
      });
    settled.take(modelSpan(undefined, {}, { id: '9' }));
    expect(actions(settled.records).filter((action) => action === 'model_changed')).toHaveLength(2);
  });

  it('answered by another model than asked for is a change, when it answered otherwise before', () => {
    const settled = new Settled();
    for (const [id, response] of ['m-1-a', 'm-1-b'].entries())
      settled.take(
        modelSpan(
          undefined,
          { 'gen_ai.request.model': 'm-1', 'gen_ai.response.model': response },
          { id: String(id) },
        ),
      );
    expect(settled.records.find(({ action }) => action === 'model_changed')?.details).toEqual({
      previous_response: 'm-1-a',
    });
  });
});

describe('a model call', () => {
  it('tells what was asked for, used and answered, without text', () => {
    const settled = new Settled();
    const [record] = settled.take(
      modelSpan(undefined, {
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'm-1',
        'gen_ai.usage.input_tokens': 12,
        'gen_ai.usage.output_tokens': 3,
        'gen_ai.response.finish_reasons': ['tool_calls'],
        'gen_ai.output.messages': [
          {
            role: 'assistant',
            parts: [
              { type: 'text', content: 'one moment' },
              { type: 'tool_call', id: 't1', name: 'list_files', arguments: { path: '/secret' } },
            ],
          },
        ],
      }),
    );
    expect(record).toMatchObject({
      action: 'agent_response_generated',
      occurred_at: '2026-03-01T11:59:59.500000000Z',
      model: { provider: 'openai', request: 'm-1' },
      usage: { input_tokens: 12, output_tokens: 3 },
      tool_calls: [{ id: 't1', name: 'list_files', arguments_digest: expect.stringMatching(/^hmac:/) }],
      content: { answer: { size: 10 } },
      outcome: { status: 'success', duration_ms: 1_500 },
      details: { response_length: 10, tools_used: ['list_files'], finish_reasons: ['tool_calls'] },
    });
    expect(JSON.stringify(record)).not.toMatch(/one moment|secret/);
  });

  it('of which only the start is known leaves no record', () => {
    expect(new Settled().take(modelSpan([user('hello')]), { phase: 'intent' })).toEqual([]);
  });
});
