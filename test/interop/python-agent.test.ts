import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, inject, it } from 'vitest';
import type { AuditRecord } from '../../src/record/record.ts';
import { temporaryFolder } from '../support/cli.ts';
import { Collector } from './collector.ts';
import { ANSWER, startModel, TOOL_CALL } from './model-server.ts';
import { placesFor } from './places.ts';
import { INSTRUMENTATIONS, type Instrumentation } from './prepare.ts';
import { answer, expectValid } from './same-ledger.ts';
import { Sidecar } from './sidecar.ts';

const SSN = '078-05-1120';
const QUESTION = `Which allergies has patient P-1042, SSN ${SSN}?`;

type Transport = 'http' | 'grpc';

/** Where this version's instrumentations put prompts and answers; only openai-v2 asks, and here it is log records. */
const CONTENT = { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'EVENT_ONLY' };

/** Runs the agent of test/interop/python until it has exported everything. */
async function ask(instrumentation: Instrumentation, transport: Transport, endpoint: string): Promise<void> {
  const found = inject('pythons')[instrumentation];
  if ('missing' in found) throw new Error(found.missing);
  const agent = spawn(
    found.path,
    [
      'test/interop/python/agent.py',
      ...['--instrumentation', instrumentation, '--transport', transport, '--endpoint', endpoint],
      ...['--model-url', await startModel(), '--question', QUESTION],
    ],
    { env: { ...process.env, ...CONTENT }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [said, warned] = await Promise.all([text(agent.stdout), text(agent.stderr)]);
  expect(said.trim(), warned).toBe(ANSWER);
}

/** What the ledger must tell of the question, whoever told it and however it came. */
async function expectToldOnce(dir: string): Promise<void> {
  expect(await answer(dir, 'query', 'by_tool')).toMatchObject([
    { tool: 'lookup_patient', total_calls: 1, success_rate: 1, unique_users: 1 },
  ]);
  const rows = await answer<{ payload: string }>(
    dir,
    'sql',
    'SELECT payload FROM spanledger.audit_records ORDER BY chain_id, seq',
  );
  const payloads = rows.map(({ payload }) => payload);
  for (const payload of payloads) {
    expect(payload).not.toContain(SSN);
    expect(payload).not.toContain('allergic');
    expect(payload).not.toContain('penicillin');
  }
  const records = payloads.map((payload) => JSON.parse(payload) as AuditRecord);
  const of = (action: AuditRecord['action']) => records.filter((record) => record.action === action);
  expect(of('user_message_received')).toMatchObject([
    { actor: { type: 'user', id: 'nurse-17' }, details: { message_length: QUESTION.length } },
  ]);
  expect(of('tool_invoked')).toMatchObject([
    {
      phase: 'outcome',
      user: { id: 'nurse-17' },
      tool: {
        name: TOOL_CALL.function.name,
        call_id: TOOL_CALL.id,
        evidence: 'reported',
        arguments: { patient_id: 'P-1042', ssn: expect.stringMatching(/^hmac:/) },
      },
      resource: { type: 'patient', id: 'P-1042' },
    },
  ]);
  // Log records tell a second time of a response; they name the span whose content they hold.
  const responses = of('agent_response_generated');
  expect(responses.filter(({ details }) => details?.content_of === undefined)).toHaveLength(2);
  expect(responses.some(({ content }) => content?.answer?.size === ANSWER.length)).toBe(true);
  await expectValid(dir);
}

describe.each(INSTRUMENTATIONS)('a Python agent instrumented by %s', (instrumentation) => {
  beforeEach(({ skip }) => {
    const found = inject('pythons')[instrumentation];
    if ('missing' in found) skip(found.missing);
  });

  it.each(['http', 'grpc'] as const)('straight to spanledger by %s', async (transport) => {
    const sidecar = await Sidecar.start(join(temporaryFolder(), 'ledger'));
    await ask(instrumentation, transport, transport === 'http' ? sidecar.http : `http://${sidecar.grpc}`);
    await sidecar.stop();
    await expectToldOnce(sidecar.dir);
  });

  it.for(['http', 'grpc'] as const)('through a Collector by %s', async (transport, { skip }) => {
    const found = inject('collector');
    if ('missing' in found) skip(found.missing);
    const sidecar = await Sidecar.start(join(temporaryFolder(), 'ledger'));
    const places = await placesFor(sidecar);
    const collector = await Collector.start('in-front', places);
    const to = transport === 'http' ? places.OTLP_HTTP_LISTEN : places.OTLP_GRPC_LISTEN;
    await ask(instrumentation, transport, `http://${to}`);
    await collector.drained();
    await sidecar.stop();
    await expectToldOnce(sidecar.dir);
  });
});
