import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import * as ai from 'ai';
import { z } from 'zod';
import { steps, tools } from './steps.mjs';

const { generateText, streamText, stepCountIs, ToolLoopAgent = ai.Experimental_Agent } = ai;
const model = createOpenAICompatible({ name: 'openai', baseURL: process.env.OPENAI_BASE_URL, apiKey: 'k' })(
  'gpt-5-mini',
);
const inputSchema = z.object({ patient_id: z.string() });
const [, , , how] = process.argv;
const given = Object.fromEntries(
  Object.entries(tools).map(([name, run]) => [
    name,
    { description: name, inputSchema, execute: (input, { abortSignal }) => run(input, abortSignal) },
  ]),
);
// One that tells how far it is: what it yields last is its result.
given.progress = {
  inputSchema,
  async *execute({ patient_id }) {
    yield { status: 'searching' };
    yield { patient_id, status: 'found' };
  },
};
given.iterable = {
  inputSchema,
  execute: ({ patient_id }) => ({
    async *[Symbol.asyncIterator]() {
      yield* given.progress.execute({ patient_id });
    },
  }),
};
given.ask_first = { inputSchema, needsApproval: true, execute: async () => 'never' };
const settings = { model, tools: given, stopWhen: stepCountIs(3), maxRetries: 0 };
const agent = new ToolLoopAgent({ ...settings, id: 'ward-agent', name: 'ward-agent' });

/** Asks again with a person's no, where one was asked for. */
async function refusing(prompt, result, again) {
  const asked = result.content.find(({ type }) => type === 'tool-approval-request');
  if (asked === undefined) return result;
  const no = {
    type: 'tool-approval-response',
    approvalId: asked.approvalId,
    approved: false,
    reason: 'not now',
  };
  const messages = [
    { role: 'user', content: prompt },
    ...result.response.messages,
    { role: 'tool', content: [no] },
  ];
  return await again(messages);
}

await steps(async (prompt, { stream, signal: abortSignal }) => {
  const call = { prompt, abortSignal };
  if (how === 'agent') {
    const result = stream
      ? await agent.stream(call)
      : await refusing(prompt, await agent.generate(call), (messages) => agent.generate({ messages }));
    return `${await result.text} ${agent.tools === given}`;
  }
  const isTraced = how === 'traced';
  const about = { isEnabled: isTraced, functionId: 'ward-agent', metadata: { sessionId: 'visit-9' } };
  const all = { ...settings, ...call, experimental_telemetry: about };
  const result = stream
    ? streamText({ ...all, onError() {} })
    : await refusing(prompt, await generateText(all), (messages) =>
        generateText({ ...all, prompt: undefined, messages }),
      );
  const text = await result.text;
  const parts = (await result.steps).flatMap(({ content }) => content);
  const preliminary = parts.filter(({ preliminary }) => preliminary).length;
  const results = parts
    .filter(({ type }) => type.startsWith('tool-'))
    .map(({ type, output, error }) => [type, output, error?.code]);
  return `${text} ${preliminary} ${JSON.stringify(results)}`;
});
