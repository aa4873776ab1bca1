import { describe, expect, it } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { ANSWER, callId, startModel } from './model-server.ts';
import { placeOf } from './places.ts';
import { appIn, recordedRun, toolCallsOf } from './run.ts';

/** Of version 0 only a storage keeps what waits for a person, and tools are written in another way than the example's. */
const WAITING = { wait: 'wait interrupted', ask_first: 'ask_first denied' };

describe.each([
  ['0', [], {}],
  ['1', ['esm', 'cjs'], WAITING],
] as const)('Mastra %s', (major, formats, waiting) =>
  agentSuite(
    {
      name: 'mastra',
      adapter: 'mastra',
      formats,
      knows: { agent: { id: 'ward-agent', name: 'ward-agent' }, conversation_id: 'visit-9' },
      steps: {
        lookup_patient: 'lookup_patient success',
        stream: 'lookup_patient success',
        parallel: ['lookup_patient success', 'lookup_patient success'],
        fail: 'fail failure',
        deny: 'deny denied',
        abort: 'hang interrupted',
        strict: 'strict failure',
        ...waiting,
      },
      refused: /the tool lookup_patient was not called/,
    },
    placeOf(`mastra-${major}`),
  ),
);

const place = placeOf('mastra-1');

it.skipIf('missing' in place)(
  'a call that Mastra makes a span of is recorded once, and so is one in a workflow, by the app, or by a tool',
  async () => {
    const model = await startModel();
    const { dir, exec } = place as { dir: string; exec?: string };
    const app = appIn(dir, 'test/frameworks/apps/mastra-traced.mjs');
    const env = { OPENAI_BASE_URL: `${model.url}/v1`, MASTRA_TELEMETRY_DISABLED: '1' };
    const { records, stdout } = await recordedRun([app], { exec, env });
    await model.stop();
    expect(stdout).toBe(`${ANSWER} success P-9`);
    const calls = toolCallsOf(records);
    expect(calls.map(({ tool, source }) => [tool!.name, tool!.call_id, source!.scope])).toEqual([
      ['lookup_patient', callId('lookup_patient'), 'spanledger/mastra'],
      ['lookup_patient', callId('lookup_patient', 1), 'spanledger/mastra'],
      ['lookup-patient', undefined, 'spanledger/mastra'],
      ['open_chart', callId('open_chart', 2), 'spanledger/mastra'],
      ['lookup-patient', undefined, 'spanledger/mastra'],
      ['lookup-patient', undefined, 'spanledger/mastra'],
    ]);
    const heard = records.filter(({ source }) => source?.scope === '@mastra/otel-bridge');
    expect(heard.map(({ action }) => action)).toContain('agent_invoked');
    for (const { trace } of calls.slice(0, 4)) expect(trace!.trace_id).toBe(heard[0]!.trace!.trace_id);
  },
);
