import { expect, it } from 'vitest';
import { ANSWER, callId, startModel } from './model-server.ts';
import { placeOf } from './places.ts';
import { appIn, recordedRun, toolCallsOf } from './run.ts';

const place = placeOf('ai-mcp');

it.skipIf('missing' in place).each(['plain', 'traced'])(
  'an MCP call inside a tool is that call where it has its name, and else one of its own below it (%s)',
  async (how) => {
    const model = await startModel();
    const app = appIn((place as { dir: string }).dir, 'test/frameworks/apps/ai-mcp.mjs');
    const env = { OPENAI_BASE_URL: `${model.url}/v1` };
    const { records, stdout } = await recordedRun([app, how], { env });
    await model.stop();
    expect(stdout).toBe(ANSWER);
    const calls = toolCallsOf(records);
    expect(calls.map(({ tool, source }) => [tool!.name, tool!.call_id, source!.scope]).sort()).toEqual([
      ['lookup_patient', callId('lookup_patient'), 'spanledger/vercel-ai'],
      ['lookup_patient', callId('lookup_patient', 1), 'spanledger/vercel-ai'],
      ['open_chart', callId('open_chart', 2), 'spanledger/vercel-ai'],
      ['read_chart', undefined, 'spanledger/mcp-client'],
    ]);
    const [opened, read] = ['open_chart', 'read_chart'].map(
      (name) => calls.find(({ tool }) => tool!.name === name)!,
    );
    expect(read!.trace).toMatchObject({
      trace_id: opened!.trace!.trace_id,
      parent_span_id: opened!.trace!.span_id,
    });
    expect(read!.agent).toEqual({ name: 'ward-agent' });
  },
);
