import OpenAI from 'openai';

const client = new OpenAI();

function lookupPatient({ patient_id }) {
  return { patient_id, allergies: ['penicillin'] };
}

async function ask(question) {
  const runner = client.chat.completions.runTools({
    model: 'gpt-5-mini',
    messages: [{ role: 'user', content: question }],
    tools: [
      {
        type: 'function',
        function: {
          name: 'lookup_patient',
          description: 'What is known of a patient',
          parameters: { type: 'object', properties: { patient_id: { type: 'string' } } },
          parse: JSON.parse,
          function: lookupPatient,
        },
      },
    ],
  });
  return await runner.finalContent();
}

const answer = await ask('Which allergies has patient P-1042? [lookup_patient]');
console.log(answer);
