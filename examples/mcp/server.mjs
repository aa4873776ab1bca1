import { McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const server = new McpServer({ name: 'records', version: '1.0.0' });

server.registerTool(
  'lookup_patient',
  { description: 'What is known of a patient', inputSchema: z.object({ patient_id: z.string() }) },
  async ({ patient_id }) => ({
    content: [{ type: 'text', text: JSON.stringify({ patient_id, allergies: ['penicillin'] }) }],
  }),
);

await server.connect(new StdioServerTransport());
