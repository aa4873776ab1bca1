import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

/** What the model asks for: a person's number among the arguments. */
export const TOOL_CALL = {
  id: 'call_7Hq2',
  type: 'function',
  function: { name: 'lookup_patient', arguments: '{"patient_id":"P-1042","ssn":"078-05-1120"}' },
};

export const ANSWER = 'Patient P-1042 is allergic to penicillin.';

interface ChatRequest {
  model: string;
  messages: { role: string }[];
}

/** A model behind OpenAI's chat completions: it asks for its tool, and with the result it answers. */
export async function startModel(): Promise<string> {
  const server = createServer(async (request, response) => {
    const { model, messages } = (await json(request)) as ChatRequest;
    const knows = messages.some(({ role }) => role === 'tool');
    const message = knows
      ? { role: 'assistant', content: ANSWER }
      : { role: 'assistant', content: null, tool_calls: [TOOL_CALL] };
    response.setHeader('content-type', 'application/json').end(
      JSON.stringify({
        id: `chatcmpl-${messages.length}`,
        object: 'chat.completion',
        created: 1_767_225_600,
        model: `${model}-2024-07-18`,
        choices: [{ index: 0, message, finish_reason: knows ? 'stop' : 'tool_calls' }],
        usage: { prompt_tokens: 90, completion_tokens: 12, total_tokens: 102 },
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}
