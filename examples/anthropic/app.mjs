import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic();

const lookupPatient = {
  name: 'lookup_patient',
  description: 'What is known of a patient',
  input_schema: { type: 'object', properties: { patient_id: { type: 'string' } } },
  parse: (input) => input,
  run: async ({ patient_id }) => JSON.stringify({ patient_id, allergies: ['penicillin'] }),
};

async function ask(question) {
  const message = await client.beta.messages.toolRunner({
    model: 'claude-sonnet-5',
    max_tokens: 1000,
    messages: [{ role: 'user', content: question }],
    tools: [lookupPatient],
  });
  return message.content.map(({ text }) => text).join('');
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
