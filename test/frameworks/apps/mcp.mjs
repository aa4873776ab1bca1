// A client and a server in one process, and what can become of a call between them: `node mcp.mjs 1|2 step+step`.
import { z } from 'zod';

const [version, steps] = process.argv.slice(2);
const v1 = '@modelcontextprotocol/sdk';
const [{ Client, InMemoryTransport: ofClient }, { McpServer }, { InMemoryTransport = ofClient }] =
  version === '1'
    ? await Promise.all(['client/index.js', 'server/mcp.js', 'inMemory.js'].map((f) => import(`${v1}/${f}`)))
    : await Promise.all(
        ['client', 'server', 'client'].map((each) => import(`@modelcontextprotocol/${each}`)),
      );

const calls = [];
const server = new McpServer({ name: 'records', version: '1.0.0' });
const inputSchema = version === '1' ? { patient_id: z.string() } : z.object({ patient_id: z.string() });
const tool = (name, run) => server.registerTool(name, { description: name, inputSchema }, run);
tool('lookup_patient', async ({ patient_id }) => {
  calls.push('lookup_patient');
  return { content: [{ type: 'text', text: `{"patient_id":"${patient_id}"}` }] };
});
tool('fail', async () => {
  throw new Error('the records are being moved');
});
tool('deny', async () => ({
  isError: true,
  content: [{ type: 'text', text: 'Permission denied: not your ward' }],
}));
tool('hang', async (_, { signal, mcpReq }) => {
  calls.push('hang');
  await new Promise((resolve) => (signal ?? mcpReq.signal).addEventListener('abort', resolve));
  throw new Error('given up');
});

const [here, there] = InMemoryTransport.createLinkedPair();
await server.connect(there);
const client = new Client({ name: 'ward-agent', version: '1.2.0' });
await client.connect(here);
const call = (name, options) => {
  const params = { name, arguments: { patient_id: 'P-1042' } };
  return version === '1' ? client.callTool(params, undefined, options) : client.callTool(params, options);
};

const said = {};
for (const step of steps.split('+')) {
  if (step === 'parallel')
    said.parallel = (await Promise.all([call('lookup_patient'), call('lookup_patient')])).length;
  else if (step === 'abort') {
    const giveUp = new AbortController();
    const hanging = call('hang', { signal: giveUp.signal });
    while (!calls.includes('hang')) await new Promise((resolve) => setImmediate(resolve));
    giveUp.abort(new Error('the nurse left'));
    said.abort = await hanging.then(
      () => 'answered',
      (error) => error.constructor.name,
    );
  } else
    said[step] = await call(step).then(
      ({ content, isError }) => ({ content, isError }),
      (error) => `${error.code}: ${error.message}`,
    );
}
said.calls = calls;
said.shape = [Client.prototype.callTool.name, Client.prototype.callTool.length];
console.log(JSON.stringify(said));
await client.close();
