import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';

const lookupPatient = tool(
  async ({ patient_id }) => JSON.stringify({ patient_id, allergies: ['penicillin'] }),
  {
    name: 'lookup_patient',
    description: 'What is known of a patient',
    schema: z.object({ patient_id: z.string() }),
  },
);

const agent = createReactAgent({
  name: 'ward-agent',
  llm: new ChatOpenAI({ model: 'gpt-5-mini' }),
  tools: [lookupPatient],
});

async function ask(question) {
  const config = { configurable: { thread_id: 'visit-9' }, metadata: { lc_agent_name: 'ward-agent' } };
  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: question }] }, config);
  return messages.at(-1).content;
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
