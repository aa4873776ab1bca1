import { Agent } from '@mastra/core/agent';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';

const lookupPatient = createTool({
  id: 'lookup-patient',
  description: 'What is known of a patient',
  inputSchema: z.object({ patient_id: z.string() }),
  execute: async ({ patient_id }) => ({ patient_id, allergies: ['penicillin'] }),
});

const agent = new Agent({
  id: 'ward-agent',
  name: 'ward-agent',
  instructions: 'Answer from the record.',
  model: { id: 'openai/gpt-5-mini', url: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY },
  tools: { lookup_patient: lookupPatient },
});

async function ask(question) {
  const { text } = await agent.generate(question, { memory: { thread: 'visit-9', resource: 'ward-3' } });
  return text;
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
