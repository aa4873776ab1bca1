import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';

const models = createOpenAICompatible({
  name: 'openai',
  baseURL: process.env.OPENAI_BASE_URL ?? 'https://api.openai.com/v1',
  apiKey: process.env.OPENAI_API_KEY,
});

const lookupPatient = tool({
  description: 'What is known of a patient',
  inputSchema: z.object({ patient_id: z.string() }),
  execute: async ({ patient_id }) => ({ patient_id, allergies: ['penicillin'] }),
});

async function ask(question) {
  const { text } = await generateText({
    model: models('gpt-5-mini'),
    prompt: question,
    tools: { lookup_patient: lookupPatient },
    stopWhen: stepCountIs(5),
    experimental_telemetry: { functionId: 'ward-agent' },
  });
  return text;
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
