import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { appEnv, REGISTER, recordedIn, runApp, told } from '../support/app.ts';
import { spanledger, temporaryFolder } from '../support/cli.ts';

const AGENT = 'test/instrumentation/apps/agent.mjs';
const SPANS = [
  'agent_invoked event',
  'agent_response_generated event',
  'conversation_started event',
  'tool_invoked intent look',
  'tool_invoked outcome look',
];

interface Said {
  spans: { name: string; attributes: { [key: string]: unknown } }[];
}

async function agent(steps: string, options: Parameters<typeof runApp>[2] = {}) {
  const dir = temporaryFolder();
  const ran = await runApp(dir, [AGENT, steps], options);
  expect(ran.code, ran.stderr).toBe(0);
  return { dir, ran, said: JSON.parse(ran.stdout) as Said, records: await recordedIn(dir) };
}

describe("an app's spans are recorded, wherever its provider comes from", () => {
  it.each([
    ['never registers one', 'spans', {}],
    ['registers its own afterwards', 'basic+spans', {}],
    ['has got its tracer before', 'before+basic+spans', {}],
    ['registers NodeTracerProvider', 'node+spans', {}],
    ['starts NodeSDK', 'sdk+spans', {}],
    ['starts NodeSDK, disabled', 'sdk+spans', { OTEL_SDK_DISABLED: 'true' }],
    ['registers one with a sampler that leaves all out', 'node+off+spans', {}],
  ])('%s', async (_, steps, env) => {
    const { records, ran } = await agent(steps, { env });
    expect(told(records)).toEqual(SPANS);
    expect(ran.stderr).not.toContain('Warning');
    // With a provider and nothing that makes one span another's parent, that is the app's own affair.
    if (steps.includes('basic')) return;
    const byTrace = new Set(records.map(({ trace }) => trace?.trace_id));
    expect(byTrace.size, 'one trace').toBe(1);
    for (const { conversation_id } of records) expect(conversation_id).toBe('c-1');
  });

  it('registers one after its first spans: it is not refused, and hears all from then on', async () => {
    const { records, said } = await agent('before+spans+late+spans');
    expect(records.filter(({ action }) => action === 'tool_invoked')).toHaveLength(4);
    expect(said.spans.map(({ name }) => name)).toEqual([
      'chat',
      'execute_tool look',
      'GET /',
      'invoke_agent medrec',
    ]);
  });

  it.each([
    ['before', ['--import', './test/instrumentation/apps/otel.mjs', ...REGISTER]],
    ['after', [...REGISTER, '--import', './test/instrumentation/apps/otel.mjs']],
  ])('registers it in another --import, %s ours', async (_, node) => {
    const { records, said } = await agent('spans', { node });
    expect(told(records)).toEqual(SPANS);
    expect(said.spans).toEqual([]);
  });

  it('uses the processor itself as well: each span is recorded once', async () => {
    const { records } = await agent('spans', {
      node: [...REGISTER, '--import', './test/instrumentation/apps/processor.mjs'],
    });
    expect(told(records)).toEqual(SPANS);
  });
});

describe('an app without a provider', () => {
  it('sends its ordinary spans where OTEL_EXPORTER_OTLP_ENDPOINT says', async () => {
    const paths: string[] = [];
    let body = '';
    const backend = createServer((request, response) => {
      paths.push(request.url ?? '');
      request.on('data', (text: Buffer) => (body += text.toString('latin1')));
      request.on('end', () => response.end());
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void backend.close());
    await once(backend, 'listening');
    const { port } = backend.address() as AddressInfo;
    const { records } = await agent('spans+tool+flush', {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` },
    });
    expect(told(records)).toEqual(expect.arrayContaining(SPANS));
    expect(new Set(paths)).toEqual(new Set(['/v1/traces']));
    for (const seen of ['GET /', 'invoke_agent medrec', 'execute_tool look']) expect(body).toContain(seen);
    for (const secret of ['nurse-17', '10.0.0.9', 'Jane Roe', 'execute_tool find'])
      expect(body).not.toContain(secret);
  });
});

describe("the app's other telemetry", () => {
  it.each(['basic+spans', 'node+spans+tool', 'node+off+spans+tool', 'before+node+within'])(
    'is what it is without us: %s',
    async (steps) => {
      const { said } = await agent(steps);
      const dir = temporaryFolder();
      const without = await runApp(dir, [AGENT, steps], { node: [], env: { SPANLEDGER_DISABLED: '1' } });
      expect(said).toEqual(JSON.parse(without.stdout));
    },
  );

  it('sees no subject, user, address, argument or result of ours', async () => {
    const { said, records } = await agent('node+within+tool');
    expect(said.spans.map(({ name }) => name)).toEqual(['outer']);
    for (const secret of ['nurse-17', '10.0.0.9', 'P-1042', 'Jane Roe', 'TREAT', '078-05'])
      expect(JSON.stringify(said)).not.toContain(secret);
    const [, outcome] = records.filter(({ tool, user }) => tool?.name === 'find' && user?.client_ip);
    expect(outcome).toMatchObject({
      user: { id: 'nurse-17', client_ip: '10.0.0.9' },
      purpose: 'TREAT',
      conversation_id: 'c-1',
      resource: { subject: expect.stringMatching(/^hmac:/) },
      tool: { name: 'find', arguments: { id: 'P-1042' } },
    });
  });
});

describe('a tool call of ours is recorded', () => {
  const CALL = ['tool_invoked intent find', 'tool_invoked outcome find'];
  const calls = (list: string[]) => list.filter((each) => each.startsWith('tool_invoked'));

  it.each([
    ['without a provider', 'tool', {}],
    ['with a sampler that leaves all out', 'node+off+tool', {}],
    ['with a provider that was shut down', 'node+shutdown+tool', {}],
    ['with the SDK disabled', 'sdk+tool', { OTEL_SDK_DISABLED: 'true' }],
    ['where tracing is suppressed', 'node+suppressed', {}],
    ['with span limits that cut everything', 'node+limits+tool', {}],
  ])('%s', async (_, steps, env) => {
    const { records } = await agent(steps, { env });
    expect(calls(told(records))).toEqual(CALL);
    const outcome = records.find(({ phase }) => phase === 'outcome');
    expect(outcome).toMatchObject({
      user: { id: 'nurse-17' },
      tool: { arguments: { id: 'P-1042' }, result: { id: 'P-1042' } },
    });
    expect(outcome?.details ?? {}).not.toHaveProperty('incomplete');
  });

  it('in the trace of the span around it', async () => {
    const { records } = await agent('node+within');
    const [intent] = records.filter(({ action }) => action === 'tool_invoked');
    expect(intent?.trace).toHaveProperty('parent_span_id');
  });
});

describe('register', () => {
  it('says once what is recorded, where, and how far it goes', async () => {
    const { ran, dir } = await agent('tool', { env: { SPANLEDGER_FAIL_MODE: 'closed' } });
    expect(ran.stderr.split('\n')[0]).toMatch(/^spanledger \S+ records this process$/);
    expect(ran.stderr).toContain(join(dir, 'journal', 'app-'));
    expect(ran.stderr).toContain(
      'fail-closed: a tool whose intent is not durable within 2000 ms is not called',
    );
    expect(ran.stderr).toContain('nowhere yet');
  });

  it('is off by SPANLEDGER_DISABLED alone, and warns', async () => {
    const dir = temporaryFolder();
    const ran = await runApp(dir, [AGENT, 'node+spans+tool'], { env: { SPANLEDGER_DISABLED: '1' } });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('SPANLEDGER_DISABLED is set: nothing this process does is recorded');
    await expect(recordedIn(dir)).rejects.toThrow();
    const again = await runApp(dir, [AGENT, 'tool'], { env: { SPANLEDGER_DISABLED: 'false' } });
    expect(again.stderr).not.toContain('SPANLEDGER_DISABLED');
    expect(await recordedIn(dir)).not.toEqual([]);
  });

  it('is loud about what keeps it from recording, and fail-closed the app does not start', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const open = await runApp(file, [AGENT, 'node+spans']);
    expect(open.code).toBe(0);
    expect(open.stderr).toMatch(/^spanledger: NOT RECORDING: cannot write in /);
    const closed = await runApp(file, [AGENT, 'node+spans'], { env: { SPANLEDGER_FAIL_MODE: 'closed' } });
    expect(closed.code).toBe(1);
    expect(closed.stdout).toBe('');
    expect(closed.stderr).toContain('config_invalid');
    const odd = await runApp(temporaryFolder(), [AGENT, 'tool'], { env: { SPANLEDGER_FAIL_MODE: 'yes' } });
    expect(odd.code).toBe(1);
    expect(odd.stderr).toContain('SPANLEDGER_FAIL_MODE is yes, and must be open or closed');
  });

  it('refuses edge runtimes, by what a bundler for one gets', async () => {
    const { code, stderr } = await runApp(
      temporaryFolder(),
      ['--input-type=module', '--eval', "(await import('spanledger/register')).register()"],
      { node: ['--conditions', 'edge-light'] },
    );
    expect(code).toBe(1);
    expect(stderr).toContain('spanledger records in Node.js alone, and this is an edge runtime');
  });

  it('loads no engine', async () => {
    const dir = temporaryFolder();
    const { stdout } = await runApp(dir, ['test/instrumentation/apps/loaded.mjs']);
    const { chdb, clickhouse } = JSON.parse(stdout) as { chdb: string[]; clickhouse: string[] };
    expect(chdb).toEqual([]);
    expect(clickhouse).toEqual([]);
  });

  it('leaves a ledger that verifies', async () => {
    const { dir } = await agent('node+spans+tool');
    const verified = await spanledger(['verify', '--dir', dir, '--json'], { env: appEnv(dir) });
    expect(JSON.parse(verified.stdout)).toMatchObject({ status: 'valid' });
  });
});
