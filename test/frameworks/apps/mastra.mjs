import { Mastra } from '@mastra/core';
import { Agent } from '@mastra/core/agent';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';
import { steps, tools } from './steps.mjs';

const inputSchema = z.object({ patient_id: z.string() });
const made = (name, execute, more = {}) =>
  createTool({ id: name, description: name, inputSchema, execute, ...more });
// Mastra 0 gives a tool's function its arguments as `context`, and its signal beside them.
const given = Object.entries(tools).map(([name, run]) => [
  name,
  made(name, (input, about) => run(input.context ?? input, about?.abortSignal)),
]);
given.push(['wait', made('wait', async (_, { agent }) => void (await agent.suspend({ why: 'ask' })))]);
given.push(['ask_first', made('ask_first', async () => ({ status: 'done' }), { requireApproval: true })]);
given.push(['strict', made('strict', async () => 'never', { inputSchema: z.object({ ward: z.string() }) })]);
const agent = new Agent({
  id: 'ward-agent',
  name: 'ward-agent',
  instructions: 'Answer from the record.',
  model: { id: 'openai/gpt-5-mini', url: process.env.OPENAI_BASE_URL, apiKey: 'none' },
  tools: Object.fromEntries(given),
});
const mastra = new Mastra({ agents: { agent }, logger: false });

await steps(async (question, { stream, signal: abortSignal }) => {
  const ward = mastra.getAgent('agent');
  const options = { abortSignal, memory: { thread: 'visit-9', resource: 'ward-3' } };
  const asked =
    stream || /ask_first/.test(question)
      ? await ward.stream(question, options)
      : await ward.generate(question, options);
  if (!stream && !/ask_first/.test(question)) return said(asked);
  let answer = '';
  for await (const { type, payload } of asked.fullStream) if (type === 'text-delta') answer += payload.text;
  if (stream) return answer;
  const resumed = await ward.declineToolCall({ runId: asked.runId, toolCallId: 'call_0_ask_first' });
  for await (const { type, payload } of resumed.fullStream) if (type === 'text-delta') answer += payload.text;
  return answer;
});

function said({ text, finishReason, steps }) {
  const results = steps.flatMap(({ content }) => content).filter(({ type }) => type === 'tool-result');
  return JSON.stringify({ text, finishReason, results: results.map(({ output }) => output.value) });
}
