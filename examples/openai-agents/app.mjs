import { Agent, run, tool } from '@openai/agents';
import { z } from 'zod';

const lookupPatient = tool({
  name: 'lookup_patient',
  description: 'What is known of a patient',
  parameters: z.object({ patient_id: z.string() }),
  execute: async ({ patient_id }) => ({ patient_id, allergies: ['penicillin'] }),
});

const agent = new Agent({ name: 'ward-agent', model: 'gpt-5-mini', tools: [lookupPatient] });

async function ask(question) {
  const { finalOutput } = await run(agent, question);
  return finalOutput;
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
