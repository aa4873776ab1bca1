import { tool } from '@langchain/core/tools';
import { interrupt, MemorySaver } from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import { steps, tools } from './steps.mjs';

const schema = z.object({ patient_id: z.string() });
const agent = createReactAgent({
  name: 'ward-agent',
  llm: new ChatOpenAI({ model: 'gpt-5-mini', maxRetries: 0 }),
  tools: Object.entries(tools).map(([name, run]) =>
    tool(async (input, { signal }) => JSON.stringify(await run(input, signal)), {
      name,
      description: name,
      schema,
    }),
  ),
});

const approve = tool(async () => interrupt('may it?'), { name: 'approve', description: 'approve', schema });
const llm = new ChatOpenAI({ model: 'gpt-5-mini', maxRetries: 0 });
const pausing = createReactAgent({
  name: 'ward-agent',
  llm,
  tools: [approve],
  checkpointer: new MemorySaver(),
});

await steps(async (question, { stream, signal }) => {
  const input = { messages: [{ role: 'user', content: question }] };
  const config = {
    signal,
    configurable: { thread_id: 'visit-9' },
    metadata: { lc_agent_name: 'ward-agent' },
  };
  if (question.includes('approve')) return Object.keys(await pausing.invoke(input, config)).join();
  if (!stream)
    return (await agent.invoke(input, config)).messages
      .slice(1)
      .map(({ content }) => content)
      .join('|');
  let said = '';
  for await (const [message] of await agent.stream(input, { ...config, streamMode: 'messages' }))
    said += message.content;
  return said;
});
