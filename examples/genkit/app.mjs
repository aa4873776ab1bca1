import { openAI } from '@genkit-ai/compat-oai/openai';
import { genkit, z } from 'genkit';

const options = { apiKey: process.env.OPENAI_API_KEY, baseURL: process.env.OPENAI_BASE_URL };
const ai = genkit({ plugins: [openAI(options)], model: openAI.model('gpt-4o-mini') });

const lookupPatient = ai.defineTool(
  {
    name: 'lookup_patient',
    description: 'What is known of a patient',
    inputSchema: z.object({ patient_id: z.string() }),
  },
  async ({ patient_id }) => ({ patient_id, allergies: ['penicillin'] }),
);

async function ask(question) {
  const { text } = await ai.generate({ prompt: question, tools: [lookupPatient] });
  return text;
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
