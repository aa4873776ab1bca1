import { describe, expect, it } from 'vitest';
import { isActivity, looksLikeGenAi, readSpan } from '../../src/genai/dialects.ts';
import { type AttributeValue, blankSpan, type Span } from '../../src/span.ts';

type Values = { [key: string]: AttributeValue };

function span(attributes: Values, resource: Values = {}): Span {
  const blank = blankSpan({ name: 'test', version: '' }, new Map(Object.entries(resource)));
  return { ...blank, attributes: new Map(Object.entries(attributes)) };
}

const CHAT = { 'gen_ai.operation.name': 'chat' };
const TOOL = { 'gen_ai.operation.name': 'execute_tool' };
const GENERATE = { 'ai.operationId': 'ai.generateText.doGenerate' };

describe('what a span is', () => {
  it.each<[Values, string | undefined, string]>([
    [CHAT, 'model', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'generate_content' }, 'model', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'text_completion' }, 'model', 'gen_ai'],
    [TOOL, 'tool', 'gen_ai'],
    [{ 'gen_ai.tool.name': 'lookup_patient' }, 'tool', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'invoke_agent' }, 'agent', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'invoke_workflow' }, 'agent', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'retrieval' }, 'retrieval', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'agent_step' }, 'wrapper', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'embeddings' }, 'wrapper', 'gen_ai'],
    [{ 'gen_ai.operation.name': 'constructor' }, undefined, ''],
    [{ 'gen_ai.operation.name': 'to_come' }, undefined, ''],
    [{ 'gen_ai.request.model': 'gpt-4o' }, undefined, ''],
    [GENERATE, 'model', 'vercel'],
    [{ 'ai.operationId': 'ai.streamText.doStream' }, 'model', 'vercel'],
    [{ 'ai.operationId': 'ai.generateText' }, 'agent', 'vercel'],
    [{ 'ai.operationId': 'ai.streamObject' }, 'agent', 'vercel'],
    [{ 'ai.operationId': 'ai.toolCall' }, 'tool', 'vercel'],
    [{ 'ai.operationId': 'ai.embed' }, 'wrapper', 'vercel'],
    [{ 'ai.operationId': 'ai.toolCall', ...CHAT }, 'tool', 'vercel'],
    [{ 'audit.action': 'access_granted' }, 'declared', 'audit'],
    [{ 'audit.action': 'tool_invoked' }, undefined, ''],
    [{ 'audit.action': 'data_modified', ...TOOL }, 'tool', 'gen_ai'],
    [{ 'db.query.text': 'SELECT 1' }, undefined, ''],
    [{}, undefined, ''],
  ])('%o is %s', (attributes, kind, dialect) => {
    const reading = readSpan(span(attributes));
    expect(reading.kind).toBe(kind);
    expect(reading.dialect).toBe(dialect);
    expect(isActivity(reading)).toBe(kind !== undefined);
    expect(reading.why).toEqual(kind === undefined ? '' : expect.stringMatching(/./));
  });

  it.each<[Values, boolean]>([
    [{ 'gen_ai.request.model': 'gpt-4o' }, true],
    [{ 'openinference.span.kind': 'LLM' }, true],
    [{ 'traceloop.span.kind': 'tool' }, true],
    [{ 'genkit:type': 'action' }, true],
    [{ 'ai.operationId': 'x' }, true],
    [{ 'aim.score': 1 }, false],
    [{ 'http.request.method': 'GET' }, false],
    [{}, false],
  ])('%o looks like an agent: %s', (attributes, expected) => {
    expect(looksLikeGenAi(span(attributes))).toBe(expected);
  });
});

describe('the provider', () => {
  it.each([
    ['openai', 'openai'],
    ['OpenAI', 'openai'],
    ['openai.chat', 'openai'],
    ['openai.responses', 'openai'],
    ['anthropic.messages', 'anthropic'],
    ['google.generative-ai', 'google'],
    ['azure-openai.chat', 'azure-openai'],
    ['aws.bedrock', 'aws.bedrock'],
    ['gcp.vertex_ai', 'gcp.vertex_ai'],
    ['azure.ai.openai', 'azure.ai.openai'],
  ])('%s is %s', (said, provider) => {
    expect(readSpan(span({ ...CHAT, 'gen_ai.provider.name': said })).provider).toBe(provider);
    expect(readSpan(span({ ...CHAT, 'gen_ai.system': said })).provider).toBe(provider);
    expect(readSpan(span({ ...GENERATE, 'ai.model.provider': said })).provider).toBe(provider);
  });
});

describe('the GenAI conventions', () => {
  it('give a model call', () => {
    const reading = readSpan(
      span({
        ...CHAT,
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.response.id': 'chatcmpl_1',
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.conversation.id': 'conv-1',
        'gen_ai.agent.name': 'medrec',
        'gen_ai.agent.id': 'a1',
        'gen_ai.agent.version': '2',
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.output_tokens': '24',
        'gen_ai.usage.cache_read.input_tokens': 64,
        'gen_ai.system_instructions':
          '[{"type":"text","content":"Be brief."},{"type":"text","content":"Be kind."}]',
        'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
        'gen_ai.output.messages':
          '[{"role":"assistant","parts":[{"type":"text","content":"Ho"}],"finish_reason":"stop"}]',
      }),
    );
    expect(reading).toEqual({
      kind: 'model',
      why: 'gen_ai.operation.name is chat',
      dialect: 'gen_ai',
      provider: 'openai',
      requestModel: 'gpt-4o-mini',
      responseModel: 'gpt-4o-mini-2024-07-18',
      responseId: 'chatcmpl_1',
      finishReasons: ['stop'],
      conversationId: 'conv-1',
      agentName: 'medrec',
      agentId: 'a1',
      agentVersion: '2',
      usage: { input_tokens: 120, output_tokens: 24, cache_read_input_tokens: 64 },
      systemInstructions: 'Be brief.\nBe kind.',
      input: [{ role: 'user', text: 'Hi', toolCalls: [], toolResults: [] }],
      output: [{ role: 'assistant', text: 'Ho', toolCalls: [], toolResults: [] }],
    });
  });

  it('give a tool call, its arguments structured or in text', () => {
    const structured = readSpan(
      span({
        ...TOOL,
        'gen_ai.tool.name': 't',
        'gen_ai.tool.call.id': 'c1',
        'gen_ai.tool.call.arguments': { id: 'P-1' },
      }),
    );
    const text = readSpan(
      span({
        ...TOOL,
        'gen_ai.tool.name': 't',
        'gen_ai.tool.call.id': 'c1',
        'gen_ai.tool.call.arguments': '{"id":"P-1"}',
      }),
    );
    expect(structured).toMatchObject({ toolName: 't', toolCallId: 'c1', toolArguments: { id: 'P-1' } });
    expect(text).toEqual(structured);
  });

  it('take the system prompt from plain text, or from the messages when it stands only there', () => {
    const input = '[{"role":"system","content":"from messages"}]';
    const alone = { ...CHAT, 'gen_ai.input.messages': input };
    expect(readSpan(span(alone)).systemInstructions).toBe('from messages');
    expect(readSpan(span({ ...alone, 'gen_ai.system_instructions': 'plain' })).systemInstructions).toBe(
      'plain',
    );
  });

  it('take the names tokens had before', () => {
    const usage = { 'gen_ai.usage.prompt_tokens': 3, 'gen_ai.usage.completion_tokens': 4 };
    expect(readSpan(span({ ...CHAT, ...usage })).usage).toEqual({ input_tokens: 3, output_tokens: 4 });
    expect(readSpan(span({ ...CHAT, 'gen_ai.usage.input_tokens': -1 })).usage).toBeUndefined();
  });
});

describe('Vercel AI SDK', () => {
  it('gives user and conversation from its free-form metadata, however they are spelt', () => {
    const of = (key: string, value: string) =>
      readSpan(span({ ...GENERATE, [`ai.telemetry.metadata.${key}`]: value }));
    for (const key of ['userId', 'user_id', 'user.id']) expect(of(key, 'u1').userId, key).toBe('u1');
    for (const key of [
      'sessionId',
      'session_id',
      'session.id',
      'conversationId',
      'conversation_id',
      'threadId',
      'chatId',
    ])
      expect(of(key, 's1').conversationId, key).toBe('s1');
  });

  it('gives the calls a model asked for, their input as text or as an object', () => {
    const of = (input: unknown) => {
      const calls = JSON.stringify([{ toolCallId: 'c1', toolName: 't', input }]);
      return readSpan(span({ ...GENERATE, 'ai.response.toolCalls': calls })).output;
    };
    const toolCalls = [{ id: 'c1', name: 't', arguments: { id: 'P-1' } }];
    expect(of({ id: 'P-1' })).toEqual([{ role: 'assistant', text: '', toolCalls, toolResults: [] }]);
    expect(of('{"id":"P-1"}')).toEqual(of({ id: 'P-1' }));
  });

  it('gives tokens under the names of every version', () => {
    const usage = { input_tokens: 3, output_tokens: 4 };
    const five = { 'ai.usage.inputTokens': 3, 'ai.usage.outputTokens': 4 };
    const four = { 'ai.usage.promptTokens': 3, 'ai.usage.completionTokens': 4 };
    expect(readSpan(span({ ...GENERATE, ...five })).usage).toEqual(usage);
    expect(readSpan(span({ ...GENERATE, ...four })).usage).toEqual(usage);
  });
});

describe('a span that speaks several dialects', () => {
  it("takes each field from the first that knows it: Vercel's, then the conventions', then any span's", () => {
    const reading = readSpan(
      span(
        {
          'ai.operationId': 'ai.toolCall',
          'ai.toolCall.name': 'vercel',
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 'conventions',
          'gen_ai.tool.call.id': 'c1',
          'gen_ai.conversation.id': 'conv-1',
          'session.id': 'session-1',
          'enduser.id': 'u1',
          'error.type': 'timeout',
        },
        { 'user.id': 'of the resource' },
      ),
    );
    expect(reading).toMatchObject({
      dialect: 'vercel',
      toolName: 'vercel',
      toolCallId: 'c1',
      conversationId: 'conv-1',
      userId: 'u1',
      errorType: 'timeout',
    });
  });

  it('takes the user from the resource when no span says', () => {
    expect(readSpan(span(CHAT, { 'enduser.id': 'u9' })).userId).toBe('u9');
  });

  it('takes from OpenInference what the conventions leave out', () => {
    const dual = {
      ...TOOL,
      'gen_ai.tool.name': 't',
      'openinference.span.kind': 'TOOL',
      'tool.name': 't',
      'input.value': '{}',
    };
    const { dialect, toolName, toolArguments } = readSpan(span(dual));
    expect({ dialect, toolName, toolArguments }).toEqual({
      dialect: 'gen_ai',
      toolName: 't',
      toolArguments: {},
    });
  });
});
