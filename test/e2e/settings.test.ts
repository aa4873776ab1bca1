import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { type Serving, serve } from '../support/serve.ts';

const SETTINGS = 'version: 1\n';
const RULE = `policy:
  tools: [{ match: ['zap*'], classification: restricted, domains: [hipaa], tags: [zapped] }]
`;

let made = 0;
/** A call of the tool, recorded when it returns. */
async function zap(serving: Serving): Promise<void> {
  made += 1;
  const span = {
    traceId: String(made).padStart(32, '0'),
    spanId: String(made).padStart(16, '0'),
    name: 'execute_tool zap_all',
    attributes: [
      { key: 'gen_ai.operation.name', value: { stringValue: 'execute_tool' } },
      { key: 'gen_ai.tool.name', value: { stringValue: 'zap_all' } },
    ],
  };
  const answer = await fetch(`${serving.otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  });
  expect(answer.status).toBe(200);
}

async function logged(serving: Serving, text: string): Promise<void> {
  while (!serving.log().includes(text)) await new Promise((resolve) => setTimeout(resolve, 10));
}

it('a changed policy closes the chain, and the next says what changed, while everything is recorded', async () => {
  const dir = join(temporaryFolder(), 'ledger');
  await spanledger(['init', '--dir', dir]);
  const file = join(dir, 'spanledger.yaml');
  writeFileSync(file, SETTINGS);
  const serving = await serve(dir);
  await zap(serving);

  appendFileSync(file, RULE);
  const sending = (async () => {
    for (let i = 0; i < 50; i++) await zap(serving);
  })();
  process.kill(serving.pid, 'SIGHUP');
  await logged(serving, 'the policy has changed');
  await sending;
  await zap(serving);

  appendFileSync(file, 'polcy: {}\n');
  process.kill(serving.pid, 'SIGHUP');
  await logged(serving, 'the settings are not taken over');
  expect(serving.log()).toContain('Unrecognized key');
  await zap(serving);

  rmSync(file);
  await logged(serving, 'ENOENT');
  await zap(serving);
  expect(await serving.stop('SIGTERM')).toBe(0);

  const query = (sql: string) => spanledger(['sql', sql, '--dir', dir, '--json']);
  const opened = documentOf<{ chain: string; digest: string }[]>(
    await query(
      `SELECT chain_id AS chain, JSONExtractString(payload, 'control', 'policy_digest') AS digest FROM spanledger.audit_records WHERE action = 'chain_opened' AND JSONExtractString(payload, 'control', 'role') = 'records' ORDER BY JSONExtractString(payload, 'recorded_at')`,
    ),
  );
  expect(opened).toHaveLength(2);
  const [before, after] = opened as [(typeof opened)[0], (typeof opened)[0]];
  const changed = documentOf<object[]>(
    await query(
      `SELECT chain_id AS chain, toInt32(seq) AS seq, JSONExtractString(payload, 'control', 'old') AS old, JSONExtractString(payload, 'control', 'new') AS new FROM spanledger.audit_records WHERE action = 'policy_changed'`,
    ),
  );
  expect(changed).toEqual([{ chain: after.chain, seq: 1, old: before.digest, new: after.digest }]);
  const calls = documentOf<{ chain: string; level: string; n: string }[]>(
    await query(
      `SELECT chain_id AS chain, data_classification AS level, count() AS n FROM spanledger.audit_records WHERE action = 'tool_invoked' GROUP BY chain, level`,
    ),
  );
  const levels = Object.fromEntries(calls.map(({ chain, level }) => [chain, level]));
  expect(levels).toEqual({ [before.chain]: 'confidential', [after.chain]: 'restricted' });
  expect(calls.reduce((sum, { n }) => sum + Number(n), 0)).toBe(54);
  const verified = await spanledger(['verify', '--dir', dir, '--json']);
  expect(documentOf<Verification>(verified)).toMatchObject({ status: 'valid', findings: [] });
});
