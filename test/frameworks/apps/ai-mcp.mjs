// An AI SDK tool that asks an MCP server in this process: by its own name, and by another.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { McpServer } from '@modelcontextprotocol/server';
import { generateText, stepCountIs } from 'ai';
import { z } from 'zod';

const inputSchema = z.object({ patient_id: z.string() });
const server = new McpServer({ name: 'records', version: '1.0.0' });
for (const name of ['lookup_patient', 'read_chart'])
  server.registerTool(name, { description: name, inputSchema }, async ({ patient_id }) => ({
    content: [{ type: 'text', text: JSON.stringify({ patient_id, status: name }) }],
  }));
const [here, there] = InMemoryTransport.createLinkedPair();
await server.connect(there);
const client = new Client({ name: 'ward-agent', version: '1.2.0' });
await client.connect(here);

const ofServer = (name) => ({ inputSchema, execute: (input) => client.callTool({ name, arguments: input }) });
const baseURL = process.env.OPENAI_BASE_URL;
const { text } = await generateText({
  model: createOpenAICompatible({ name: 'openai', baseURL, apiKey: 'none' })('gpt-5-mini'),
  prompt: 'Do it. [lookup_patient, lookup_patient, open_chart]',
  tools: { lookup_patient: ofServer('lookup_patient'), open_chart: ofServer('read_chart') },
  stopWhen: stepCountIs(3),
  experimental_telemetry: { isEnabled: process.argv[2] === 'traced', functionId: 'ward-agent' },
});
console.log(text);
await client.close();
