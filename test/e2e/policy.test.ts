import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const SETTINGS = `version: 1
policy:
  patterns: [{ name: employee, kind: employee_id, expression: 'EMP-\\d{6}' }]
  domains: { care: { classification: restricted, retention: hipaa, fail: closed } }
  tools: [{ id: charts, match: ['chart_*'], domains: [care], purpose: required }]
  prompt: { ignore: ['queue length: \\d+'] }
`;

const TRACE = '0af7651916cd43dd8448eb211c80319c';
let made = 0;

function span(attributes: { [key: string]: unknown }) {
  made += 1;
  return {
    traceId: TRACE,
    spanId: made.toString(16).padStart(16, 'a'),
    name: 'x',
    startTimeUnixNano: String(1_772_366_400_000_000_000n + BigInt(made) * 1_000_000_000n),
    endTimeUnixNano: String(1_772_366_400_500_000_000n + BigInt(made) * 1_000_000_000n),
    attributes: Object.entries(attributes).map(([key, value]) => ({
      key,
      value: { stringValue: typeof value === 'string' ? value : JSON.stringify(value) },
    })),
  };
}

const text = (role: string, content: string) => ({ role, parts: [{ type: 'text', content }] });
const chat = (prompt: string, question: string, answer: string) =>
  span({
    'gen_ai.operation.name': 'chat',
    'gen_ai.agent.name': 'triage',
    'gen_ai.conversation.id': 'c-1',
    'gen_ai.system_instructions': [{ type: 'text', content: prompt }],
    'gen_ai.input.messages': [text('user', question)],
    'gen_ai.output.messages': [text('assistant', answer)],
  });
const tool = (name: string, args: unknown) =>
  span({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name,
    'gen_ai.tool.call.arguments': args,
  });

it("a policy's detection, patterns and prompts hold from the file to the ledger, which verifies", async () => {
  const folder = temporaryFolder();
  const dir = join(folder, 'ledger');
  await spanledger(['init', '--dir', dir]);
  writeFileSync(join(dir, 'spanledger.yaml'), SETTINGS);
  const prompt = (day: number, queue: number) =>
    `You are kind. Today is 2026-03-0${day}, 10:4${day} AM UTC; queue length: ${queue}.`;
  const ingest = async (spans: unknown[]) => {
    const file = join(folder, `traces-${made}.json`);
    writeFileSync(file, JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }));
    expect(await spanledger(['ingest', file, '--dir', dir])).toMatchObject({ code: 0 });
  };
  await ingest([
    chat(prompt(1, 3), 'what of MRN: 00123456?', 'it is EMP-123456 who knows'),
    tool('web_search', { query: 'EMP-654321', trace: TRACE, note: 'write to jane@example.org' }),
    tool('chart_read', { chart: 'C-1' }),
  ]);
  // Another process, another day: still the same prompt. Then others, within the hour.
  await ingest([chat(prompt(2, 17), 'and now?', 'nothing')]);
  await ingest(['You are strict.', 'You are stern.'].map((other) => chat(other, 'so?', 'so')));

  const rows = documentOf<{ action: string; level: string; details: string; payload: string }[]>(
    await spanledger([
      'sql',
      "SELECT action, data_classification AS level, JSONExtractRaw(payload, 'details') AS details, payload FROM spanledger.audit_records WHERE actor_type != 'system' ORDER BY seq",
      '--dir',
      dir,
      '--json',
    ]),
  );
  const told = rows.map(({ action, level, details }) => {
    const said = JSON.parse(details || '{}') as { [key: string]: unknown };
    return [action, level, said.detected, said.contains_phi, said.purpose_missing];
  });
  const no = undefined;
  expect(told).toEqual(
    expect.arrayContaining([
      ['user_message_received', 'restricted', ['health_id'], true, no],
      ['agent_response_generated', 'confidential', ['employee_id'], no, no],
      ['tool_invoked', 'confidential', ['email', 'employee_id'], no, no],
      ['tool_invoked', 'restricted', no, no, true],
      ['user_message_received', 'internal', no, no, no],
    ]),
  );
  expect(rows.filter(({ action }) => action === 'prompt_changed')).toHaveLength(1);
  const all = rows.map(({ payload }) => payload).join('\n');
  expect(all).not.toMatch(/EMP-\d|00123456|jane@/);
  // The pattern took out what it matches and nothing of ids, digests and hashes.
  expect(all).toContain(`"trace":"${TRACE}"`);
  expect(all.match(new RegExp(`"trace_id":"${TRACE}"`, 'g'))).toHaveLength(rows.length);
  expect(all).toContain('"rule":"custom:employee"');

  const verified = await spanledger(['verify', '--dir', dir, '--json']);
  expect(verified.code).toBe(0);
  expect(documentOf<Verification>(verified).status).toBe('valid');

  const explain = async (...more: string[]) =>
    documentOf<{ admission: unknown; demands: unknown }>(
      await spanledger(['policy', 'explain', 'chart_read', '--dir', dir, '--json', ...more]),
    );
  expect(await explain('--purpose', 'TREAT')).toMatchObject({
    demands: { archive: 'required', erasure: 'on_request', fail: 'closed', purposeRequired: true },
    admission: {
      without_purpose: { allowed: false, code: 'purpose_required' },
      with_purpose: { allowed: true, findings: [] },
    },
  });
  const plain = await spanledger(['policy', 'explain', 'chart_read', '--dir', dir]);
  expect(plain.stdout).toContain('Without a purpose of use the call is refused (purpose_required)');
});
