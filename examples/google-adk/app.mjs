import { FunctionTool, InMemoryRunner, LlmAgent, LogLevel, setLogLevel } from '@google/adk';
import { z } from 'zod';

setLogLevel(LogLevel.WARN);

const lookupPatient = new FunctionTool({
  name: 'lookup_patient',
  description: 'What is known of a patient',
  parameters: z.object({ patient_id: z.string() }),
  execute: async ({ patient_id }) => ({ patient_id, allergies: ['penicillin'] }),
});

const agent = new LlmAgent({
  name: 'ward_agent',
  model: 'gemini-2.5-flash',
  instruction: 'Answer from the record.',
  tools: [lookupPatient],
});
const runner = new InMemoryRunner({ agent, appName: 'ward' });

async function ask(question) {
  const session = { appName: 'ward', userId: 'ward-3', sessionId: 'visit-9' };
  await runner.sessionService.createSession(session);
  const newMessage = { role: 'user', parts: [{ text: question }] };
  let answer;
  for await (const { content } of runner.runAsync({ ...session, newMessage }))
    answer = content?.parts?.[0]?.text;
  return answer;
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
