import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/genai/activity.ts';
import { newToolResults, readMessages, systemText, userMessages } from '../../src/genai/messages.ts';

const message = (role: string, more: Partial<Message> = {}): Message => ({
  role,
  text: '',
  toolCalls: [],
  toolResults: [],
  ...more,
});

const ARGUMENTS = { patient_id: 'P-1' };
const RESULT = { name: 'Jane Roe' };
const call = { id: 'c1', name: 'lookup_patient', arguments: ARGUMENTS };

/** One exchange: asked, called, answered. As every dialect should read it, but for names in results. */
const exchange = [
  message('user', { text: 'Who is P-1?' }),
  message('assistant', { toolCalls: [call] }),
  message('tool', { toolResults: [{ id: 'c1', result: RESULT }] }),
];

const DIALECTS: { [dialect: string]: unknown[] } = {
  'the GenAI conventions': [
    { role: 'user', parts: [{ type: 'text', content: 'Who is P-1?' }] },
    {
      role: 'assistant',
      parts: [{ type: 'tool_call', id: 'c1', name: 'lookup_patient', arguments: ARGUMENTS }],
    },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: RESULT }] },
  ],
  "the conventions' own example, with result for response": [
    { role: 'user', parts: [{ type: 'text', content: 'Who is P-1?' }] },
    {
      role: 'assistant',
      parts: [{ type: 'tool_call', id: 'c1', name: 'lookup_patient', arguments: ARGUMENTS }],
    },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', result: RESULT }] },
  ],
  'the conventions, values as JSON in text': [
    { role: 'user', parts: [{ type: 'text', content: 'Who is P-1?' }] },
    {
      role: 'assistant',
      parts: [{ type: 'tool_call', id: 'c1', name: 'lookup_patient', arguments: '{"patient_id":"P-1"}' }],
    },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: '{"name":"Jane Roe"}' }] },
  ],
  'OpenAI chat': [
    { role: 'user', content: 'Who is P-1?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        {
          id: 'c1',
          type: 'function',
          function: { name: 'lookup_patient', arguments: '{"patient_id":"P-1"}' },
        },
      ],
    },
    { role: 'tool', tool_call_id: 'c1', content: '{"name":"Jane Roe"}' },
  ],
  'OpenAI chat, in parts': [
    { role: 'user', content: [{ type: 'text', text: 'Who is P-1?' }] },
    {
      role: 'assistant',
      tool_calls: [{ id: 'c1', function: { name: 'lookup_patient', arguments: ARGUMENTS } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: [{ type: 'text', text: '{"name":"Jane Roe"}' }] },
  ],
  'OpenAI responses': [
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Who is P-1?' }] },
    {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'c1',
      name: 'lookup_patient',
      arguments: '{"patient_id":"P-1"}',
    },
    { type: 'function_call_output', call_id: 'c1', output: '{"name":"Jane Roe"}' },
  ],
};

describe('readMessages reads one exchange', () => {
  it.each(Object.entries(DIALECTS))('in %s', (_, messages) => {
    expect(readMessages(messages)).toEqual(exchange);
  });

  it.each([
    ['5 and later', { input: ARGUMENTS }, { output: { type: 'json', value: RESULT } }],
    [
      '5, input in text',
      { input: '{"patient_id":"P-1"}' },
      { output: { type: 'text', value: '{"name":"Jane Roe"}' } },
    ],
    ['4', { args: ARGUMENTS }, { result: RESULT }],
  ])('in Vercel AI SDK %s', (_, asked, answered) => {
    const named = { toolCallId: 'c1', toolName: 'lookup_patient' };
    const read = readMessages([
      { role: 'user', content: [{ type: 'text', text: 'Who is P-1?' }] },
      { role: 'assistant', content: [{ type: 'tool-call', ...named, ...asked }] },
      { role: 'tool', content: [{ type: 'tool-result', ...named, ...answered }] },
    ]);
    const results = [{ id: 'c1', name: 'lookup_patient', result: RESULT }];
    expect(read).toEqual([...exchange.slice(0, 2), message('tool', { toolResults: results })]);
  });

  it.each([
    ['text', '{"name":"Jane Roe"}'],
    ['blocks', [{ type: 'text', text: '{"name":"Jane Roe"}' }]],
    [
      'several blocks',
      [
        { type: 'text', text: '{"name":' },
        { type: 'text', text: '"Jane Roe"}' },
      ],
    ],
  ])("in Anthropic's blocks, the result as %s", (_, content) => {
    const read = readMessages([
      { role: 'user', content: 'Who is P-1?' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me look.' },
          { type: 'tool_use', id: 'c1', name: 'lookup_patient', input: ARGUMENTS },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content }] },
    ]);
    expect(read).toEqual([
      exchange[0],
      message('assistant', { text: 'Let me look.', toolCalls: [call] }),
      message('user', { toolResults: [{ id: 'c1', result: RESULT }] }),
    ]);
    expect(userMessages(read!).map(({ text }) => text)).toEqual(['Who is P-1?']);
  });

  it.each(['OpenAI chat', 'OpenAI responses'])('stuffed as JSON into its one user message: %s', (dialect) => {
    const text = JSON.stringify(DIALECTS[dialect]);
    const parts = [{ type: 'text', content: text }];
    const system = { role: 'system', content: 'Be brief.' };
    expect(readMessages([{ role: 'user', parts }])).toEqual(exchange);
    expect(readMessages([{ role: 'user', content: text }])).toEqual(exchange);
    expect(readMessages([system, { role: 'user', parts }])).toEqual([
      message('system', { text: 'Be brief.' }),
      ...exchange,
    ]);
  });

  it('under a "messages" key', () => {
    expect(readMessages({ messages: DIALECTS['OpenAI chat'] })).toEqual(exchange);
  });

  it('made of plain texts', () => {
    expect(readMessages('Who is P-1?')).toEqual([exchange[0]]);
    expect(readMessages(['Who is P-1?'])).toEqual([exchange[0]]);
  });
});

describe('readMessages', () => {
  it.each([undefined, null, 7, true, '', [], {}, { messages: 'x' }, [1, null]])(
    'gives nothing for %j',
    (value) => {
      expect(readMessages(value)).toBeUndefined();
    },
  );

  it('passes over parts that are neither text nor tool', () => {
    const parts = [
      { type: 'reasoning', content: 'hm' },
      { type: 'blob', modality: 'image', content: 'AAAA' },
      { type: 'text', content: 'one' },
      'two',
      { type: 'thinking', thinking: 'hm' },
      { type: { toString: 1 } },
      null,
    ];
    expect(readMessages([{ role: 'user', parts }])).toEqual([message('user', { text: 'one\ntwo' })]);
  });

  it('gives whole messages for any JSON', () => {
    const type = fc.constantFrom(
      'text',
      'tool_call',
      'tool-result',
      'tool_result',
      'function_call',
      'function_call_output',
    );
    const any = fc.jsonValue({ maxDepth: 2 });
    const part = fc.record(
      { type: fc.oneof(type, any), content: any, text: any, id: any, function: any, output: any },
      { requiredKeys: [] },
    );
    const role = fc.oneof(fc.constantFrom('user', 'assistant', 'tool', 'system'), any);
    const each = fc.record(
      {
        role,
        content: fc.oneof(any, fc.array(part)),
        parts: fc.array(part),
        tool_calls: any,
        type: fc.oneof(type, any),
        output: any,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(any, fc.array(each)), (value) => {
        const read = readMessages(value);
        if (read === undefined) return;
        expect(read.length).toBeGreaterThan(0);
        for (const { role, text, toolCalls, toolResults } of read) {
          expect(typeof role).toBe('string');
          expect(typeof text).toBe('string');
          for (const { id, name } of [...toolCalls, ...toolResults])
            for (const known of [id, name])
              expect(known === undefined || (typeof known === 'string' && known !== '')).toBe(true);
          for (const result of toolResults) expect(result).toHaveProperty('result');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('of messages read', () => {
  const result = (id: string) => ({ id, result: 'x' });
  const history = [
    message('system', { text: 'Be brief.' }),
    message('developer', { text: 'Be kind.' }),
    message('user', { text: 'first' }),
    message('assistant', { toolCalls: [{ id: 'c1', name: 'old' }] }),
    message('tool', { toolResults: [result('c1')] }),
    message('assistant', {
      toolCalls: [
        { id: 'c2', name: 'a' },
        { id: 'c3', name: 'b' },
      ],
    }),
    message('tool', { toolResults: [result('c2')] }),
    message('user', { toolResults: [result('c3')] }),
  ];

  it('systemText joins what system and developer say', () => {
    expect(systemText(history)).toBe('Be brief.\nBe kind.');
    expect(systemText(history.slice(2))).toBeUndefined();
    expect(systemText(undefined)).toBeUndefined();
  });

  it('newToolResults are those after the last word of the model', () => {
    expect(newToolResults(history).map(({ id }) => id)).toEqual(['c2', 'c3']);
    expect(newToolResults([...history, message('assistant', { text: 'done' })])).toEqual([]);
    expect(newToolResults(history.slice(4, 5)).map(({ id }) => id)).toEqual(['c1']);
  });

  it('userMessages are those a person wrote', () => {
    expect(userMessages([...history, message('human', { text: 'second' })]).map(({ text }) => text)).toEqual([
      'first',
      'second',
    ]);
  });

  it('finds the call a result answers: by its id, or without ids by its place', () => {
    expect(newToolResults(history).map(({ call }) => call?.name)).toEqual(['a', 'b']);
    const without = [
      message('user', { text: 'go' }),
      message('assistant', { toolCalls: [{ name: 'a' }, { name: 'b', arguments: {} }] }),
      message('tool', { toolResults: [{ result: 1 }, { result: 2 }, { result: 3 }] }),
    ];
    expect(newToolResults(without).map(({ call, position }) => [call?.name, position])).toEqual([
      ['a', 0],
      ['b', 1],
      [undefined, 2],
    ]);
  });

  it('takes no call of another name, and none that has an id, for a result without', () => {
    const asked = message('assistant', { toolCalls: [{ name: 'a' }, { id: 'c2', name: 'b' }] });
    const told = message('tool', { toolResults: [{ name: 'z', result: 1 }, { result: 2 }] });
    expect(newToolResults([asked, told]).map(({ call }) => call)).toEqual([undefined, undefined]);
  });

  it('finds calls that are items of their own', () => {
    const calls = ['a', 'b'].map((name) => message('assistant', { toolCalls: [{ name }] }));
    const told = message('tool', { toolResults: [{ result: 1 }, { result: 2 }] });
    expect(newToolResults([...calls, told]).map(({ call }) => call?.name)).toEqual(['a', 'b']);
  });
});
