import Anthropic from '@anthropic-ai/sdk';
import { steps, tools } from './steps.mjs';

const client = new Anthropic({ maxRetries: 0 });

await steps(async (question, { stream, signal }) => {
  const runner = client.beta.messages.toolRunner(
    {
      model: 'claude-sonnet-5',
      max_tokens: 1000,
      stream,
      messages: [{ role: 'user', content: question }],
      tools: Object.entries(tools).map(([name, run]) => ({
        name,
        input_schema: { type: 'object' },
        parse: (input) => input,
        run: async (input, around) => JSON.stringify(await run(input, around.signal)),
      })),
    },
    { signal },
  );
  let last;
  for await (const each of runner) {
    last = stream ? await each.finalMessage() : each;
    if (signal.aborted) throw signal.reason;
  }
  return last.content.map(({ text }) => text).join('');
});
