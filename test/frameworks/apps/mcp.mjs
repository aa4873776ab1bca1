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
// Some versions know tasks, and say so where they are asked for.
const tasks = steps.includes('task') ? await import(`${v1}/experimental/tasks`) : undefined;
const options = tasks && {
  capabilities: { tasks: { requests: { tools: { call: {} } } } },
  taskStore: new tasks.InMemoryTaskStore(),
};
const server = new McpServer({ name: 'records', version: '1.0.0' }, options);
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
if (tasks !== undefined)
  server.experimental.tasks.registerToolTask(
    'long',
    { description: 'long', inputSchema },
    {
      async createTask({ patient_id }, { taskStore }) {
        const task = await taskStore.createTask({ ttl: 60_000, pollInterval: 10 });
        const text = `{"patient_id":"${patient_id}"}`;
        await taskStore.storeTaskResult(task.taskId, 'completed', { content: [{ type: 'text', text }] });
        return { task };
      },
      getTask: (_, { taskId, taskStore }) => taskStore.getTask(taskId),
      getTaskResult: (_, { taskId, taskStore }) => taskStore.getTaskResult(taskId),
    },
  );

const [here, there] = InMemoryTransport.createLinkedPair();
await server.connect(there);
const client = new Client({ name: 'ward-agent', version: '1.2.0' });
await client.connect(here);
// The same for many calls.
const input = { patient_id: 'P-1042' };
const call = (name, options) => {
  const params = { name, arguments: input };
  return version === '1' ? client.callTool(params, undefined, options) : client.callTool(params, options);
};

const said = {};
for (const step of steps.split('+')) {
  if (step === 'parallel')
    said.parallel = (await Promise.all([call('lookup_patient'), call('lookup_patient')])).length;
  else if (step === 'raw') {
    const request = { method: 'tools/call', params: { name: 'lookup_patient', arguments: input } };
    const schema = version === '1' ? [(await import(`${v1}/types.js`)).CallToolResultSchema] : [];
    said.raw = [await client.request(request, ...schema), await client.request(request, ...schema)];
  } else if (step === 'task') {
    said.task = [];
    const streamed = async (name) => {
      const params = { name, arguments: input };
      for await (const { type, result, error } of client.experimental.tasks.callToolStream(params))
        said.task.push([name, type, result?.content, error?.message]);
    };
    // Tools that are tasks are known by their list.
    await client.listTools();
    for (const name of ['long', 'lookup_patient']) await streamed(name);
  } else if (step === 'abort') {
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
// It waits for what it keeps to expire.
options?.taskStore.cleanup();
