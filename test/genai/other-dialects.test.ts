import { describe, expect, it } from 'vitest';
import type { Activity } from '../../src/genai/activity.ts';
import { readSpan } from '../../src/genai/dialects.ts';
import { endingOf } from '../../src/genai/outcome.ts';
import { type AttributeValue, blankSpan, type Span } from '../../src/span.ts';

/** Dialects and forms of which no capture is kept here: as their published instrumentations write them. */

interface Said {
  name?: string;
  scope?: string;
  parent?: string;
  status?: number;
  events?: [name: string, attributes: { [key: string]: AttributeValue }][];
}

function span(attributes: { [key: string]: AttributeValue }, said: Said = {}): Span {
  const blank = blankSpan({ name: said.scope ?? 'test', version: '' }, new Map());
  return {
    ...blank,
    name: said.name ?? 'span',
    parentSpanId: said.parent,
    status: { code: said.status ?? 0, message: '' },
    attributes: new Map(Object.entries(attributes)),
    events: (said.events ?? []).map(([name, values]) => ({
      name,
      timeUnixNano: 0n,
      attributes: new Map(Object.entries(values)),
    })),
  };
}

const read = (attributes: { [key: string]: AttributeValue }, said: Said = {}) =>
  readSpan(span(attributes, said));
const ending = (of: Span) => endingOf(of, readSpan(of) as Activity).status;
const json = JSON.stringify;

describe("Google's ADK", () => {
  const scope = 'gcp.vertex.agent';
  const tool = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'lookup_patient',
    'gen_ai.tool.call.id': 'adk-1',
    'gen_ai.agent.name': 'medrec',
    'gcp.vertex.agent.tool_call_args': '{"patient_id":"P-1"}',
    'gcp.vertex.agent.tool_response': '{"error":"LIS timeout"}',
    'gcp.vertex.agent.event_id': 'e1',
  };

  it('gives a tool, whose answer says that it failed', () => {
    expect(read(tool, { scope })).toMatchObject({
      kind: 'tool',
      dialect: 'google_adk',
      toolName: 'lookup_patient',
      toolCallId: 'adk-1',
      toolArguments: { patient_id: 'P-1' },
      toolResult: { error: 'LIS timeout' },
      agentName: 'medrec',
    });
    expect(ending(span(tool, { scope }))).toBe('failure');
  });

  it('takes no placeholder for an id or an answer', () => {
    const placeholders = {
      ...tool,
      'gen_ai.tool.call.id': '<not specified>',
      'gcp.vertex.agent.tool_response': '{"result":"<not specified>"}',
    };
    const reading = read(placeholders, { scope });
    expect(reading.toolCallId).toBe('');
    expect(reading.toolResult).toBeUndefined();
  });

  it('tells merged tools once', () => {
    const merged = {
      ...tool,
      'gen_ai.tool.name': '(merged tools)',
      'gcp.vertex.agent.tool_call_args': 'N/A',
    };
    expect(read(merged, { scope }).kind).toBe('wrapper');
    expect(read({}, { scope, name: 'execute_tool (merged)' }).kind).toBe('wrapper');
  });

  it('knows a tool that raised by its name alone', () => {
    const bare = span({}, { scope, name: 'execute_tool delete_record' });
    expect(readSpan(bare)).toMatchObject({ kind: 'tool', toolName: 'delete_record', failed: true });
    expect(ending(bare)).toBe('failure');
  });

  it('gives a model call by its name, with the whole request', () => {
    const call = {
      'gen_ai.system': 'gcp.vertex.agent',
      'gen_ai.request.model': 'gemini-2.5-flash',
      'gcp.vertex.agent.session_id': 'sess-1',
      'gcp.vertex.agent.llm_request': json({
        model: 'gemini-2.5-flash',
        config: { system_instruction: 'Be brief.' },
        contents: [
          { role: 'user', parts: [{ text: 'Who is P-1?' }] },
          {
            role: 'model',
            parts: [{ function_call: { id: 'adk-1', name: 'lookup_patient', args: { patient_id: 'P-1' } } }],
          },
          {
            role: 'user',
            parts: [{ function_response: { id: 'adk-1', name: 'lookup_patient', response: { ok: true } } }],
          },
        ],
      }),
      'gcp.vertex.agent.llm_response': json({ content: { role: 'model', parts: [{ text: 'Jane' }] } }),
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.response.finish_reasons': ['stop'],
    };
    expect(read(call, { scope, name: 'call_llm' })).toMatchObject({
      kind: 'model',
      conversationId: 'sess-1',
      requestModel: 'gemini-2.5-flash',
      systemInstructions: 'Be brief.',
      usage: { input_tokens: 12 },
      input: [
        { role: 'user', text: 'Who is P-1?' },
        { role: 'model', toolCalls: [{ id: 'adk-1', name: 'lookup_patient' }] },
        { role: 'user', toolResults: [{ id: 'adk-1', name: 'lookup_patient', result: { ok: true } }] },
      ],
      output: [{ role: 'model', text: 'Jane' }],
    });
  });

  it.each([
    ['invocation', 'wrapper'],
    ['agent_run [medrec]', 'agent'],
    ['send_data', 'wrapper'],
  ])('%s is %s', (name, kind) => {
    expect(read({}, { scope, name }).kind).toBe(kind);
  });
});

describe('LangSmith', () => {
  const base = {
    'langsmith.trace.name': 'MedRec',
    'langsmith.metadata.user_id': 'nurse-17',
    'langsmith.metadata.thread_id': 't-1',
  };
  const run = (
    kind: string,
    operation: string,
    more: { [key: string]: AttributeValue } = {},
    said: Said = {},
  ) =>
    read(
      { ...base, 'langsmith.span.kind': kind, 'gen_ai.operation.name': operation, ...more },
      { parent: 'p', ...said },
    );

  it.each([
    ['llm', 'chat', 'model'],
    ['tool', 'execute_tool', 'tool'],
    ['retriever', 'embeddings', 'retrieval'],
    ['prompt', 'chat', 'wrapper'],
    ['embedding', 'embeddings', 'wrapper'],
    ['chain', 'chain', 'wrapper'],
    ['parser', 'parser', 'wrapper'],
  ])('a run of type %s (%s) is %s', (kind, operation, expected) => {
    expect(run(kind, operation)).toMatchObject({
      kind: expected,
      dialect: 'langsmith',
      userId: 'nurse-17',
      conversationId: 't-1',
    });
  });

  it('takes the chain at the root for the agent', () => {
    const root = { ...base, 'langsmith.span.kind': 'chain', 'gen_ai.operation.name': 'chain' };
    expect(read(root)).toMatchObject({ kind: 'agent', agentName: 'MedRec' });
  });

  it('gives a tool by its run, and its failure from the exception beside an OK', () => {
    const tool = {
      'langsmith.span.kind': 'tool',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.prompt': json({ input: '{"patient_id":"P-1"}' }),
      'gen_ai.completion': json({
        output: {
          lc: 1,
          id: ['langchain_core', 'messages', 'ToolMessage'],
          kwargs: { content: '{"ok":true}', tool_call_id: 'c1', name: 'lookup_patient' },
        },
      }),
    };
    expect(read(tool, { name: 'lookup_patient', parent: 'p' })).toMatchObject({
      kind: 'tool',
      toolName: 'lookup_patient',
      toolCallId: 'c1',
      toolArguments: { patient_id: 'P-1' },
      toolResult: { ok: true },
    });
    const { 'gen_ai.completion': _, ...unanswered } = tool;
    const failed = span(unanswered, {
      status: 1,
      events: [['exception', { 'exception.type': 'Error', 'exception.message': 'LIS timeout' }]],
    });
    expect(ending(failed)).toBe('failure');
  });

  it("gives a model call in OpenAI's words and in LangChain's", () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ];
    const choices = [
      {
        finish_reason: 'tool_calls',
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'lookup_patient', arguments: '{}' } }],
        },
      },
    ];
    const openai = run('llm', 'chat', {
      'gen_ai.prompt': json({ messages, model: 'gpt-4o' }),
      'gen_ai.completion': json({ choices }),
    });
    expect(openai).toMatchObject({
      systemInstructions: 'Be brief.',
      input: [{ role: 'system' }, { role: 'user', text: 'Hi' }],
      output: [{ toolCalls: [{ id: 'c1', name: 'lookup_patient', arguments: {} }] }],
    });
    const lc = (type: string, kwargs: object) => ({
      lc: 1,
      type: 'constructor',
      id: ['langchain_core', 'messages', type],
      kwargs,
    });
    const langchain = run('llm', 'chat', {
      'gen_ai.prompt': json({
        messages: [[lc('SystemMessage', { content: 'Be brief.' }), lc('HumanMessage', { content: 'Hi' })]],
      }),
      'gen_ai.completion': json({
        generations: [
          [
            {
              text: '',
              message: lc('AIMessage', {
                content: 'Ho',
                tool_calls: [{ id: 'c1', name: 'lookup_patient', args: {} }],
              }),
            },
          ],
        ],
      }),
    });
    expect(langchain).toMatchObject({
      systemInstructions: 'Be brief.',
      input: [{ role: 'system' }, { role: 'user', text: 'Hi' }],
      output: [
        { role: 'assistant', text: 'Ho', toolCalls: [{ id: 'c1', name: 'lookup_patient', arguments: {} }] },
      ],
    });
  });
});

describe("Traceloop's SDK", () => {
  const entity = (kind: string, more: { [key: string]: AttributeValue } = {}) => ({
    'traceloop.span.kind': kind,
    'traceloop.entity.name': 'lookup_patient',
    'traceloop.association.properties.user_id': 'nurse-17',
    'traceloop.association.properties.session_id': 'sess-1',
    ...more,
  });

  it.each([
    ['tool', 'tool'],
    ['agent', 'agent'],
    ['workflow', 'agent'],
    ['task', 'wrapper'],
    ['session', 'wrapper'],
  ])('a %s is %s', (kind, expected) => {
    expect(read(entity(kind))).toMatchObject({
      kind: expected,
      dialect: 'traceloop',
      userId: 'nurse-17',
      conversationId: 'sess-1',
    });
  });

  it.each([
    [{ args: [{ patient_id: 'P-1' }], kwargs: {} }, { patient_id: 'P-1' }],
    [{ args: [], kwargs: { patient_id: 'P-1' } }, { patient_id: 'P-1' }],
    [{ args: ['P-1', true] }, ['P-1', true]],
    [{ input_str: "{'patient_id': 'P-1'}", inputs: { patient_id: 'P-1' }, tags: [] }, { patient_id: 'P-1' }],
  ])('a tool given %j was called with %j', (input, args) => {
    const tool = entity('tool', {
      'traceloop.entity.input': json(input),
      'traceloop.entity.output': json('{"ok":true}'),
    });
    expect(read(tool)).toMatchObject({
      toolName: 'lookup_patient',
      toolArguments: args,
      toolResult: { ok: true },
    });
  });

  it('lends its properties to spans of other dialects', () => {
    const chat = { 'gen_ai.operation.name': 'chat', 'traceloop.association.properties.user_id': 'nurse-17' };
    expect(read(chat)).toMatchObject({ kind: 'model', dialect: 'gen_ai', userId: 'nurse-17' });
  });
});

describe('Traceloop for Python', () => {
  it('has ids in its flattened prompts and completions', () => {
    const reading = read({
      'llm.request.type': 'chat',
      'gen_ai.system': 'OpenAI',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.prompt_tokens': 5,
      'gen_ai.prompt.0.role': 'user',
      'gen_ai.prompt.0.content': 'Hi',
      'gen_ai.prompt.1.role': 'assistant',
      'gen_ai.prompt.1.tool_calls.0.id': 'c1',
      'gen_ai.prompt.1.tool_calls.0.name': 'lookup_patient',
      'gen_ai.prompt.1.tool_calls.0.arguments': '{"patient_id":"P-1"}',
      'gen_ai.prompt.2.role': 'tool',
      'gen_ai.prompt.2.tool_call_id': 'c1',
      'gen_ai.prompt.2.content': '{"ok":true}',
      'gen_ai.completion.0.role': 'assistant',
      'gen_ai.completion.0.content': 'Ho',
      'gen_ai.completion.0.finish_reason': 'stop',
    });
    expect(reading).toMatchObject({
      kind: 'model',
      dialect: 'traceloop_legacy',
      provider: 'openai',
      usage: { input_tokens: 5 },
      finishReasons: ['stop'],
      input: [
        { role: 'user', text: 'Hi' },
        { toolCalls: [{ id: 'c1', name: 'lookup_patient', arguments: { patient_id: 'P-1' } }] },
        { toolResults: [{ id: 'c1', result: { ok: true } }] },
      ],
      output: [{ role: 'assistant', text: 'Ho' }],
    });
  });

  it.each([['embedding'], ['rerank']])('an %s is no answer', (type) => {
    expect(read({ 'llm.request.type': type }).kind).toBe('wrapper');
  });
});

describe('the MCP conventions', () => {
  it('give a tool call, named by the span where no attribute does', () => {
    expect(read({ 'mcp.method.name': 'tools/call' }, { name: 'tools/call lookup_patient' })).toMatchObject({
      kind: 'tool',
      dialect: 'mcp',
      toolName: 'lookup_patient',
    });
  });

  it('give a resource read, and nothing for the rest', () => {
    const resource = { 'mcp.method.name': 'resources/read', 'mcp.resource.uri': 'file:///p.json' };
    expect(read(resource)).toMatchObject({ kind: 'retrieval', resourceId: 'file:///p.json' });
    for (const method of ['initialize', 'tools/list', 'ping'])
      expect(read({ 'mcp.method.name': method }).kind).toBe('wrapper');
  });

  it('fail by the error type that a result gives', () => {
    const call = { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 't', 'error.type': 'tool_error' };
    expect(ending(span(call, { status: 2 }))).toBe('failure');
  });
});

describe('Mastra before it had inferences', () => {
  it.each([
    ['llm_generation', { 'gen_ai.usage.input_tokens': 12 }, 'model'],
    ['model_generation', { 'gen_ai.response.model': 'gpt-4o' }, 'model'],
    ['model_generation', {}, 'wrapper'],
    ['llm_chunk', {}, 'wrapper'],
    ['mcp_tool_call', { 'gen_ai.tool.name': 't' }, 'tool'],
    ['workflow_run', {}, 'agent'],
  ])('%s with %j is %s', (type, more, kind) => {
    expect(read({ 'mastra.span.type': type, ...more }).kind).toBe(kind);
  });
});

describe("content in a span's own events", () => {
  it('is a message an event', () => {
    const reading = readSpan(
      span(
        { 'gen_ai.operation.name': 'chat', 'gen_ai.system': 'strands-agents' },
        {
          events: [
            ['gen_ai.user.message', { content: '[{"text":"Hi"}]' }],
            [
              'gen_ai.assistant.message',
              { content: '[{"toolUse":{"toolUseId":"c1","name":"t","input":{"a":1}}}]' },
            ],
            [
              'gen_ai.tool.message',
              {
                content: '[{"toolResult":{"toolUseId":"c1","status":"success","content":[{"text":"done"}]}}]',
              },
            ],
            ['gen_ai.choice', { message: '[{"text":"Ho"}]', finish_reason: 'end_turn' }],
          ],
        },
      ),
    );
    expect(reading.input).toMatchObject([
      { role: 'user', text: 'Hi' },
      { role: 'assistant', toolCalls: [{ id: 'c1', name: 't', arguments: { a: 1 } }] },
      { role: 'tool', toolResults: [{ id: 'c1', result: 'done' }] },
    ]);
    expect(reading.output).toMatchObject([{ role: 'assistant', text: 'Ho' }]);
  });

  it('is all of an operation in one', () => {
    const event: [string, { [key: string]: AttributeValue }] = [
      'gen_ai.client.inference.operation.details',
      {
        'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
        'gen_ai.output.messages': [{ role: 'assistant', parts: [{ type: 'text', content: 'Ho' }] }],
      },
    ];
    const reading = read({ 'gen_ai.operation.name': 'chat' }, { events: [event] });
    expect(reading.input).toMatchObject([{ role: 'user', text: 'Hi' }]);
    expect(reading.output).toMatchObject([{ text: 'Ho' }]);
  });

  it("is a tool's arguments and result", () => {
    const reading = read(
      { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 't' },
      {
        events: [
          ['gen_ai.tool.message', { id: 'c1', content: '{"a":1}' }],
          ['gen_ai.choice', { id: 'c1', message: '{"ok":true}' }],
        ],
      },
    );
    expect(reading).toMatchObject({ toolArguments: { a: 1 }, toolResult: { ok: true } });
  });
});

describe('OpenInference', () => {
  it('has a guardrail that was triggered refuse, and any other only watch', () => {
    const guardrail = { 'openinference.span.kind': 'GUARDRAIL', 'tool.name': 'pii_guard' };
    const triggered = span({ ...guardrail, 'guardrail.triggered': true });
    expect(readSpan(triggered)).toMatchObject({ kind: 'tool', toolName: 'pii_guard' });
    expect(ending(triggered)).toBe('denied');
    expect(read({ ...guardrail, 'guardrail.triggered': false }).kind).toBe('wrapper');
  });

  it.each([
    ['RETRIEVER', 'retrieval'],
    ['EMBEDDING', 'wrapper'],
    ['RERANKER', 'wrapper'],
    ['EVALUATOR', 'wrapper'],
    ['anything', 'wrapper'],
  ])('%s is %s', (kind, expected) => {
    expect(read({ 'openinference.span.kind': kind }).kind).toBe(expected);
  });

  it('takes user and conversation from its metadata', () => {
    const metadata = json({ user_id: 'nurse-17', thread_id: 't-1', trigger: 'scheduled' });
    expect(read({ 'openinference.span.kind': 'CHAIN', metadata })).toMatchObject({
      kind: 'agent',
      userId: 'nurse-17',
      conversationId: 't-1',
      trigger: 'scheduled',
    });
  });
});

describe('what else instrumentations write', () => {
  it('LangChain for Python: the message as type and data, arguments beside options', () => {
    const message = {
      type: 'tool',
      data: {
        content: 'Permission denied: POL-7',
        tool_call_id: 'c1',
        name: 'delete_record',
        status: 'success',
      },
    };
    const openinference = span({
      'openinference.span.kind': 'TOOL',
      'tool.name': 'delete_record',
      'input.value': 'P-1',
      'output.value': json(message),
    });
    expect(readSpan(openinference)).toMatchObject({
      toolCallId: 'c1',
      toolResult: 'Permission denied: POL-7',
    });
    expect(ending(openinference)).toBe('denied');
    const built = {
      lc: 1,
      id: ['langchain_core', 'messages', 'ToolMessage'],
      kwargs: { content: 'boom', status: 'error', tool_call_id: 'c1', name: 't' },
    };
    const traceloop = span({
      'traceloop.span.kind': 'tool',
      'traceloop.entity.name': 't',
      'traceloop.entity.input': json({
        input_str: '{}',
        inputs: { a: 1 },
        kwargs: { color: 'green', tool_call_id: 'c1' },
      }),
      'traceloop.entity.output': json({ output: built, kwargs: { tool_call_id: 'c1' } }),
    });
    expect(readSpan(traceloop)).toMatchObject({
      toolCallId: 'c1',
      toolArguments: { a: 1 },
      toolResult: { error: 'boom' },
    });
    expect(ending(traceloop)).toBe('failure');
  });

  it('MCP for Python: the method inside the name of the span', () => {
    expect(
      read({ 'mcp.method.name': 'tools/call' }, { name: 'MCP send tools/call lookup_patient' }).toolName,
    ).toBe('lookup_patient');
  });

  it('Traceloop for OpenAI Agents: a name by the conventions, or in the name of the span', () => {
    const kind = { 'traceloop.span.kind': 'tool' };
    expect(read({ ...kind, 'gen_ai.tool.name': 't' }, { name: 'x.tool' }).toolName).toBe('t');
    expect(read(kind, { name: 'x.tool' }).toolName).toBe('x');
  });

  it('Azure: an event whose whole body is one attribute', () => {
    const events: Said['events'] = [
      ['gen_ai.user.message', { 'gen_ai.event.content': '{"content":"Hi"}' }],
      [
        'gen_ai.assistant.message',
        {
          'gen_ai.event.content':
            '{"tool_calls":[{"id":"c1","type":"function","function":{"name":"t","arguments":"{}"}}]}',
        },
      ],
      ['gen_ai.tool.message', { 'gen_ai.event.content': '{"content":"done","id":"c1"}' }],
    ];
    expect(read({ 'gen_ai.operation.name': 'chat' }, { events }).input).toMatchObject([
      { role: 'user', text: 'Hi' },
      { toolCalls: [{ id: 'c1', name: 't' }] },
      { toolResults: [{ id: 'c1', result: 'done' }] },
    ]);
  });

  it('pydantic-ai and Mastra of before: arguments and results by other names', () => {
    const tool = {
      'gen_ai.tool.name': 't',
      tool_arguments: '{"a":1}',
      tool_response: 'The tool call was denied.',
    };
    expect(read(tool)).toMatchObject({ kind: 'tool', toolArguments: { a: 1 } });
    expect(ending(span(tool))).toBe('denied');
    const mastra = {
      'mastra.span.type': 'tool_call',
      'gen_ai.tool.input': '{"a":1}',
      'gen_ai.tool.output': '{"x":1}',
      'gen_ai.tool.success': false,
    };
    expect(read(mastra)).toMatchObject({ toolArguments: { a: 1 }, toolResult: { x: 1 } });
    expect(ending(span(mastra))).toBe('failure');
  });

  it.each([
    [{ result: 'Permission denied: policy POL-7' }, 'denied'],
    [[{ text: 'Permission denied: policy POL-7' }], 'denied'],
    [{ blocks: [{ text: 'Error: boom' }], is_error: false }, 'failure'],
    ['User rejected the tool call for `delete_record`. The tool was not executed.', 'denied'],
    ['Function call was rejected by the user', 'denied'],
    ['Tool call was declined: not now', 'denied'],
    ['Manual approval denied: no', 'denied'],
    ['403 Forbidden', 'denied'],
    ["You don't have permission to do that", 'denied'],
    ['Error executing tool fetch_labs: LIS timeout', 'failure'],
    ['ValueError: bad', 'failure'],
    ['The claim was denied in March, see the letter', 'success'],
    ['3 records found', 'success'],
  ])('a tool that answers %j is %s', (result, status) => {
    const text = typeof result === 'string' ? result : json(result);
    expect(
      ending(
        span({
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 't',
          'gen_ai.tool.call.result': text,
        }),
      ),
    ).toBe(status);
  });
});
