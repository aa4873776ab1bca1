import { Agent, run, tool } from '@openai/agents';
import { z } from 'zod';
import { steps, tools } from './steps.mjs';

const parameters = z.object({ patient_id: z.string() });
const given = Object.entries(tools).map(([name, execute]) =>
  tool({
    name,
    description: name,
    parameters,
    ...(name === 'deny' ? { errorFunction: null } : {}),
    execute: (input, _, details) => execute(input, details?.signal),
  }),
);
given.push(
  tool({
    name: 'approve',
    description: 'approve',
    parameters,
    needsApproval: true,
    execute: async () => 'done',
  }),
);
const agent = new Agent({ name: 'ward-agent', model: 'gpt-5-mini', tools: given });

await steps(async (question, { stream, signal }) => {
  const result = await run(agent, question, { stream, signal });
  if (stream) await result.completed;
  if (result.interruptions?.length > 0) {
    for (const each of result.interruptions) result.state.reject(each);
    return (await run(agent, result.state)).finalOutput;
  }
  return result.finalOutput;
});
