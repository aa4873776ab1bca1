import OpenAI from 'openai';
import { steps, tools } from './steps.mjs';

const client = new OpenAI({ maxRetries: 0 });

await steps(async (question, { stream, signal }) => {
  const runner = client.chat.completions.runTools(
    {
      model: 'gpt-5-mini',
      stream,
      messages: [{ role: 'user', content: question }],
      tools: Object.entries(tools).map(([name, run]) => ({
        type: 'function',
        function: {
          name,
          parameters: { type: 'object', properties: {} },
          parse: JSON.parse,
          function: (args, runner) => run(args, runner.controller.signal),
        },
      })),
    },
    { signal },
  );
  return await runner.finalContent();
});
