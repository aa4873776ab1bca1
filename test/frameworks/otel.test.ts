import { resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { REGISTER, type RunOptions, runApp, told } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { startIngestion } from './ingestion.ts';
import { HERE, nodes, placeFor } from './places.ts';
import { appIn, recordedRun } from './run.ts';

/** What an agent with one model's call and one tool's comes to, as its spans tell it. */
const SPANS = [
  'agent_invoked event',
  'agent_response_generated event',
  'conversation_started event',
  'tool_invoked intent look',
  'tool_invoked outcome look',
];
const CALL = ['tool_invoked intent find', 'tool_invoked outcome find'];

/** Of our tool calls alone. */
const SECRETS = ['nurse-17', '10.0.0.9', 'P-1042', 'Jane Roe', 'TREAT', '078-05'];

interface Said {
  spans: { name: string; events: unknown[]; links: unknown[] }[];
}

const versions = nodes().flatMap((node) => [
  { sdk: '2.0', node, place: placeFor('otel-2.0', node) },
  { sdk: '2.12', node, place: HERE },
  { sdk: '3.1', node, place: placeFor('otel-3', node) },
]);

describe.each(versions)('OpenTelemetry SDK $sdk on Node.js $node.major', ({ node, place }) => {
  if ('missing' in place) {
    it.skip(place.missing);
    return;
  }
  const { dir } = place;

  const app = (name = 'agent.mjs') =>
    appIn(dir, `test/instrumentation/apps/${name}`, { beside: ['sdk.mjs'] });
  const here: RunOptions = { exec: node.path, cwd: resolve(dir) };

  /** What the app's other processor saw, and what is recorded. */
  async function agent(steps: string, options: RunOptions = {}, path = app()) {
    const ran = await recordedRun([path, steps], { ...here, ...options });
    expect(ran.stderr).not.toContain('Warning');
    return { ...ran, said: ran.stdout === '' ? undefined : (JSON.parse(ran.stdout) as Said) };
  }

  const calls = (list: string[]) => list.filter((each) => each.startsWith('tool_invoked'));

  it.each([
    ['never registers a provider', 'spans', {}],
    ['registers it afterwards', 'basic+spans', {}],
    ['has got its tracer before', 'before+basic+spans', {}],
    ['registers it with what makes one span the parent of another', 'node+spans', {}],
    ['starts NodeSDK', 'sdk+spans', {}],
    ['starts NodeSDK, disabled', 'sdk+spans', { OTEL_SDK_DISABLED: 'true' }],
    ['leaves all out by its sampler', 'node+off+spans', {}],
  ])('hears the spans of an app that %s', async (_, steps, env) => {
    const { records } = await agent(steps, { env });
    expect(told(records)).toEqual(SPANS);
  });

  it.each([
    ['before+spans+late+spans', resolve(dir)],
    ['spans+node+spans', resolve(dir)],
    // Where it is started, another copy of the API is found than the app's own, maybe of another version.
    ['spans+node+spans', resolve('.')],
  ])('is not refused what it registers after the first spans: %s in %s', async (steps, cwd) => {
    const { records, said } = await agent(steps, { cwd });
    expect(calls(told(records))).toHaveLength(4);
    expect(said!.spans).toHaveLength(4);
    if (steps.includes('late')) return;
    expect(new Set(records.map(({ trace }) => trace!.trace_id)).size, 'a trace each').toBe(2);
  });

  it.each([
    ['before', (other: string) => ['--import', other, ...REGISTER]],
    ['after', (other: string) => [...REGISTER, '--import', other]],
  ])('takes a provider that another --import registers, %s ours', async (_, imports) => {
    const { records } = await agent('spans', { node: imports(app('otel.mjs')) });
    expect(told(records)).toEqual(SPANS);
  });

  it('sends the spans of an app without a provider where the environment says', async () => {
    const backend = await startIngestion();
    onTestFinished(() => backend.stop());
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: backend.url };
    const { records } = await agent('spans+tool+flush', { env });
    expect(told(records)).toEqual(expect.arrayContaining(SPANS));
    const sent = JSON.stringify(backend.take());
    for (const name of ['GET /', 'invoke_agent medrec', 'execute_tool look']) expect(sent).toContain(name);
    for (const secret of SECRETS) expect(sent).not.toContain(secret);
  });

  it.each([
    ['without a provider', 'tool', {}],
    ['with a sampler that leaves all out', 'node+off+tool', {}],
    ['with a provider that was shut down', 'node+shutdown+tool', {}],
    ['with the SDK disabled', 'sdk+tool', { OTEL_SDK_DISABLED: 'true' }],
    ['where tracing is suppressed', 'node+suppressed', {}],
    ['with span limits that cut everything', 'node+limits+tool', {}],
  ])('records a tool call of ours %s', async (_, steps, env) => {
    const { records } = await agent(steps, { env });
    expect(calls(told(records))).toEqual(CALL);
    expect(records.find(({ phase }) => phase === 'outcome')).toMatchObject({
      user: { id: 'nurse-17' },
      tool: { arguments: { id: 'P-1042' }, result: { id: 'P-1042' } },
    });
  });

  it.each(['basic+spans+rich', 'node+spans+tool+rich', 'node+off+spans+tool+rich', 'before+node+within'])(
    "leaves the app's own telemetry what it is without us: %s",
    async (steps) => {
      const path = app();
      const { said, stdout } = await agent(steps, {}, path);
      const options = { ...here, node: [], env: { SPANLEDGER_DISABLED: '1' } };
      const without = await runApp(temporaryFolder(), [path, steps], options);
      expect(said).toEqual(JSON.parse(without.stdout));
      for (const secret of SECRETS) expect(stdout).not.toContain(secret);
    },
  );

  it('reads links, events and the status, and says what the limits have cut', async () => {
    const { records, said } = await agent('node+rich');
    expect(records.find(({ phase }) => phase === 'outcome')).toMatchObject({
      tool: { name: 'look', call_id: 'call-rich' },
      outcome: { status: 'failure', error_type: 'TypeError', error_message: 'no such person' },
      details: { incomplete: true },
    });
    const [, rich] = said!.spans;
    expect(rich).toMatchObject({ links: [{ why: 'batch' }, { why: 'batch' }] });
    expect(rich!.events).toHaveLength(2);
  });

  it.each(['burst+exit', 'node+burst+exit'])('loses nothing of 10,000 spans: %s', async (steps) => {
    const { records } = await agent(steps);
    const outcomes = records.filter(({ phase }) => phase === 'outcome');
    expect(new Set(outcomes.map(({ tool }) => tool?.call_id)).size).toBe(10_000);
    expect(records).toHaveLength(20_000);
  });

  it('takes the processor by hand, with the flag or without', async () => {
    for (const flag of [[], REGISTER]) {
      const { records, dir: ledger } = await agent('own+node+spans+tool', { node: flag });
      // `find` is no span: in its conversation, which has begun.
      expect(told(records)).toEqual([...SPANS, 'data_accessed event find', ...CALL].sort());
      const verified = await spanledger(['verify', '--dir', ledger, '--json']);
      expect(documentOf(verified)).toMatchObject({ status: 'valid' });
    }
  });
});
