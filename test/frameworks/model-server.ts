import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export const ANSWER = 'Patient P-1042 is allergic to penicillin.';
/** What the model asks every tool with. */
export const ARGUMENTS = { patient_id: 'P-1042', ssn: '078-05-1120' };
/** The id of its call of a tool, the `at`th of its answer. */
export const callId = (tool: string, at = 0): string => `call_${at}_${tool}`;

/** Frameworks take an answer of an id they have for the same. */
let answers = 0;

interface Asked {
  model: string;
  stream?: boolean;
  messages?: Message[];
  input?: string | Message[];
  contents?: Message[];
}

interface Message {
  role?: string;
  type?: string;
  content?: unknown;
}

interface Call {
  id: string;
  name: string;
}

interface Event {
  type?: string;
  [field: string]: unknown;
}

/**
 * A model behind OpenAI's chat completions and responses, Anthropic's messages and Gemini's `generateContent`,
 * streamed or not. It asks for the tools that the user names in brackets, `Look it up. [lookup_patient,
 * lookup_patient]`, all at once, and answers when it has their results.
 */
export async function startModel(): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = (await json(request)) as Asked;
  const calls = callsIn(asked);
  const path = request.url ?? '';
  const of = path.includes('/chat/completions')
    ? chatCompletion
    : path.includes('/responses')
      ? responses
      : path.includes('/messages')
        ? anthropicMessage
        : /:(generate|streamGenerate)Content/.test(path)
          ? geminiContent
          : undefined;
  if (of === undefined) return void response.writeHead(404).end();
  const { whole, events } = of(asked, calls);
  if (asked.stream !== true && !path.includes(':streamGenerateContent')) {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(whole));
    return;
  }
  response.setHeader('content-type', 'text/event-stream');
  for (const event of events) {
    if (event.type !== undefined) response.write(`event: ${event.type}\n`);
    response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
  response.end(of === chatCompletion ? 'data: [DONE]\n\n' : '');
}

/** None where the last thing it was told is a tool's result. */
function callsIn({ messages, contents = messages, input }: Asked): Call[] {
  const said = contents ?? (typeof input === 'string' ? [{ role: 'user', content: input }] : (input ?? []));
  const text = JSON.stringify(said.at(-1) ?? '');
  if (/"(tool_result|function_call_output|functionResponse)"|"role":"tool"/.test(text)) return [];
  const named = /\[([\w, ]+)\]/.exec(
    JSON.stringify(said.filter(({ role }) => role === 'user').at(-1) ?? '').replace(/"\s*:\s*\[/g, ''),
  )?.[1];
  return (named ?? '')
    .split(/, ?/)
    .flatMap((name, i) => (name === '' ? [] : [{ id: callId(name, i), name }]));
}

function chatCompletion({ model }: Asked, calls: Call[]): { whole: object; events: Event[] } {
  const toolCalls = calls.map(({ id, name }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(ARGUMENTS) },
  }));
  const isDone = calls.length === 0;
  const head = { id: `chatcmpl-${++answers}`, created: 1_767_225_600, model };
  const usage = { prompt_tokens: 90, completion_tokens: 12, total_tokens: 102 };
  const chunk = (delta: object, finish_reason: string | null = null): Event => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason }],
  });
  return {
    whole: {
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: isDone
            ? { role: 'assistant', content: ANSWER, refusal: null }
            : { role: 'assistant', content: null, refusal: null, tool_calls: toolCalls },
          finish_reason: isDone ? 'stop' : 'tool_calls',
          logprobs: null,
        },
      ],
      usage,
    },
    events: [
      chunk({ role: 'assistant', content: isDone ? ANSWER : null }),
      ...toolCalls.map((call, index) => chunk({ tool_calls: [{ index, ...call }] })),
      chunk({}, isDone ? 'stop' : 'tool_calls'),
      { ...head, object: 'chat.completion.chunk', choices: [], usage },
    ],
  };
}

function responses({ model }: Asked, calls: Call[]): { whole: object; events: Event[] } {
  const output =
    calls.length === 0
      ? [
          {
            type: 'message',
            id: `msg_${++answers}`,
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: ANSWER, annotations: [] }],
          },
        ]
      : calls.map(({ id, name }) => ({
          type: 'function_call',
          id: `fc_${id}`,
          call_id: id,
          name,
          arguments: JSON.stringify(ARGUMENTS),
          status: 'completed',
        }));
  const usage = {
    input_tokens: 90,
    output_tokens: 12,
    total_tokens: 102,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
  const head = {
    id: `resp_${++answers}`,
    object: 'response',
    created_at: 1_767_225_600,
    model,
    error: null,
    usage,
  };
  const whole = { ...head, status: 'completed', output, output_text: calls.length === 0 ? ANSWER : '' };
  return {
    whole,
    events: [
      { type: 'response.created', response: { ...head, status: 'in_progress', output: [] } },
      ...output.flatMap((item, output_index) => [
        { type: 'response.output_item.added', output_index, item },
        { type: 'response.output_item.done', output_index, item },
      ]),
      { type: 'response.completed', response: whole },
    ],
  };
}

function anthropicMessage({ model }: Asked, calls: Call[]): { whole: object; events: Event[] } {
  const content =
    calls.length === 0
      ? [{ type: 'text', text: ANSWER }]
      : calls.map(({ id, name }) => ({ type: 'tool_use', id, name, input: ARGUMENTS }));
  const stop_reason = calls.length === 0 ? 'end_turn' : 'tool_use';
  const usage = { input_tokens: 90, output_tokens: 12 };
  const head = {
    id: `msg_${++answers}`,
    type: 'message',
    role: 'assistant',
    model,
    stop_sequence: null,
    usage,
  };
  return {
    whole: { ...head, content, stop_reason },
    events: [
      { type: 'message_start', message: { ...head, content: [], stop_reason: null } },
      ...content.flatMap((block, index) => [
        {
          type: 'content_block_start',
          index,
          content_block: 'input' in block ? { ...block, input: {} } : { type: 'text', text: '' },
        },
        {
          type: 'content_block_delta',
          index,
          delta:
            'input' in block
              ? { type: 'input_json_delta', partial_json: JSON.stringify(block.input) }
              : { type: 'text_delta', text: ANSWER },
        },
        { type: 'content_block_stop', index },
      ]),
      { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 12 } },
      { type: 'message_stop' },
    ],
  };
}

function geminiContent(_: Asked, calls: Call[]): { whole: object; events: Event[] } {
  const parts =
    calls.length === 0
      ? [{ text: ANSWER }]
      : calls.map(({ id, name }) => ({ functionCall: { id, name, args: ARGUMENTS } }));
  const head = {
    responseId: `gemini-${++answers}`,
    modelVersion: 'gemini-2.5-flash',
    usageMetadata: { promptTokenCount: 90, candidatesTokenCount: 12, totalTokenCount: 102 },
  };
  const told = (part: object[], more: object = {}): Event => ({
    ...head,
    candidates: [{ index: 0, content: { role: 'model', parts: part }, ...more }],
  });
  return {
    whole: told(parts, { finishReason: 'STOP' }),
    events: [
      ...parts.slice(0, -1).map((part) => told([part])),
      told(parts.slice(-1), { finishReason: 'STOP' }),
    ],
  };
}
