import { openAI } from '@genkit-ai/compat-oai/openai';
import { genkit, z } from 'genkit/beta';
import { steps, tools } from './steps.mjs';

const options = { apiKey: 'none', baseURL: process.env.OPENAI_BASE_URL, maxRetries: 0 };
const ai = genkit({ plugins: [openAI(options)], model: openAI.model('gpt-4o-mini') });
const inputSchema = z.object({ patient_id: z.string() });
const given = Object.entries(tools).map(([name, run]) =>
  ai.defineTool({ name, description: name, inputSchema }, (input, { abortSignal }) =>
    run(input, abortSignal),
  ),
);
given.push(
  ai.dynamicTool({ name: 'dynamic', description: 'dynamic', inputSchema }, async () => ({ status: 'done' })),
);
given.push(
  ai.defineTool({ name: 'approve', description: 'approve', inputSchema }, async (_, { interrupt }) =>
    interrupt({ why: 'ask' }),
  ),
);

await steps(async (prompt, { stream, signal: abortSignal }) => {
  const call = { prompt, tools: given, abortSignal };
  const { text, finishReason } = stream ? await ai.generateStream(call).response : await ai.generate(call);
  return `${text} ${finishReason}`;
});
