// An agent whose tools Mastra makes spans of itself, and the same tool in a workflow and called by the app.
import { Mastra } from '@mastra/core';
import { Agent } from '@mastra/core/agent';
import { createTool } from '@mastra/core/tools';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { Observability } from '@mastra/observability';
import { OtelBridge } from '@mastra/otel-bridge';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { z } from 'zod';

new NodeTracerProvider().register();
const inputSchema = z.object({ patient_id: z.string() });
const outputSchema = z.object({ patient_id: z.string() });
const lookupPatient = createTool({
  id: 'lookup-patient',
  description: 'What is known of a patient',
  inputSchema,
  outputSchema,
  execute: async ({ patient_id }) => ({ patient_id }),
});
const openChart = createTool({
  id: 'open-chart',
  description: 'The chart, which begins with what is known',
  inputSchema,
  execute: async (input) => lookupPatient.execute(input),
});
const agent = new Agent({
  id: 'ward-agent',
  name: 'ward-agent',
  instructions: 'Answer from the record.',
  model: { id: 'openai/gpt-5-mini', url: process.env.OPENAI_BASE_URL, apiKey: 'none' },
  tools: { lookup_patient: lookupPatient, open_chart: openChart },
});
const round = createWorkflow({ id: 'round', inputSchema, outputSchema })
  .then(createStep(lookupPatient))
  .commit();
const mastra = new Mastra({
  agents: { agent },
  workflows: { round },
  logger: false,
  observability: new Observability({
    configs: { default: { serviceName: 'ward', bridge: new OtelBridge() } },
  }),
});

const { text } = await mastra
  .getAgent('agent')
  .generate('Do it. [lookup_patient, lookup_patient, open_chart]');
const run = await mastra.getWorkflow('round').createRun();
const { status } = await run.start({ inputData: { patient_id: 'P-7' } });
const { patient_id } = await lookupPatient.execute({ patient_id: 'P-9' });
console.log(text, status, patient_id);
