import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

// An agent's half: it starts a server and calls its tools. Node flags for the server can follow its name.
const client = new Client({ name: 'ward-agent', version: '1.2.0' });
const server = {
  command: process.execPath,
  args: [...process.argv.slice(2), `${import.meta.dirname}/server.mjs`],
};
await client.connect(new StdioClientTransport({ ...server, env: process.env }));

async function ask(patientId) {
  const { content } = await client.callTool({ name: 'lookup_patient', arguments: { patient_id: patientId } });
  return content[0].text;
}

const answer = await ask('P-1042');
console.log(answer);
await client.close();
