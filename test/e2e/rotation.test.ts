import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { type Serving, serve } from '../support/serve.ts';

const PATIENT = 'P-1042';

/** The same every time it is sent. */
function lookup(made: number): string {
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const span = {
    traceId: String(made).padStart(32, '0'),
    spanId: String(made).padStart(16, '0'),
    name: 'execute_tool lookup_patient',
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000038000000',
    attributes: [
      text('gen_ai.operation.name', 'execute_tool'),
      text('gen_ai.tool.name', 'lookup_patient'),
      text('gen_ai.tool.call.arguments', JSON.stringify({ patient_id: PATIENT, ssn: '123-45-6789' })),
    ],
  };
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
}

async function send(serving: Serving, made: number): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${serving.otlp}/v1/traces`, { method: 'POST', headers, body: lookup(made) });
  expect(answer.status).toBe(200);
}

async function logged(serving: Serving, text: string, times = 1): Promise<void> {
  while (serving.log().split(text).length <= times) await new Promise((resolve) => setTimeout(resolve, 10));
}

it('a key is rotated, asked for and retired while everything is recorded, each chain under one key', async () => {
  const dir = join(temporaryFolder(), 'ledger');
  const json = async <T>(...args: string[]): Promise<T> => {
    const ran = await spanledger([...args, '--dir', dir, '--json']);
    expect(ran.code, ran.stderr).toBe(0);
    return documentOf<T>(ran);
  };
  const serving = await serve(dir);
  for (let i = 1; i <= 5; i++) await send(serving, i);

  let sent = 5;
  let isOver = false;
  const sending = (async () => {
    while (!isOver) await send(serving, ++sent);
  })();
  // By itself: nobody signals it.
  expect(await json('pseudonym', 'rotate')).toMatchObject({ old: 'k1', writes: 'k2' });
  await logged(serving, 'the keys have changed');
  isOver = true;
  await sending;
  await send(serving, ++sent);
  // Of before the rotation, all come again.
  for (let i = 1; i <= sent; i++) await send(serving, i);

  const subjects = ['pseudonym', 'resolve', PATIENT, '--kind', 'subject', '--reason', 'a test'];
  const { resolved } = await json<{ resolved: { key: string; as_subject: number }[] }>(...subjects);
  expect(resolved.map(({ key }) => key)).toEqual(['k2', 'k1']);
  // Each call and its access.
  expect(resolved.reduce((sum, { as_subject }) => sum + as_subject, 0)).toBe(2 * sent);
  expect(resolved[1]!.as_subject).toBeGreaterThanOrEqual(10);

  await json('pseudonym', 'rotate', '--retire', 'k1', '--reason', 'a test');
  process.kill(serving.pid, 'SIGHUP');
  await logged(serving, 'the keys have changed', 2);
  await send(serving, sent);
  await send(serving, ++sent);
  const after = await json<{ resolved: { key: string; as_subject: number }[] }>(...subjects);
  expect(after.resolved).toMatchObject([{ key: 'k2', as_subject: resolved[0]!.as_subject + 2 }]);
  expect(await serving.stop('SIGTERM')).toBe(0);

  const rows = (sql: string) => json<{ [column: string]: string | number }[]>('sql', sql);
  const changed = await rows(
    `SELECT JSONExtractString(o.payload, 'control', 'writer') AS writer, JSONExtractRaw(c.payload, 'control', 'pseudonym_key') AS keys
     FROM spanledger.audit_records AS c INNER JOIN spanledger.audit_records AS o ON o.chain_id = c.chain_id AND o.seq = 0
     WHERE c.action = 'policy_changed' ORDER BY c.occurred_at`,
  );
  expect(changed.map(({ writer, keys }) => [writer, JSON.parse(String(keys)) as object])).toEqual([
    ['cli', { old: 'k1', new: 'k2' }],
    ['serve', { old: 'k1', new: 'k2' }],
    ['cli', { old: 'k2', new: 'k2', retired: 'k1' }],
  ]);
  const chains = await rows(
    `SELECT chain_id, groupUniqArrayArray(extractAll(payload, 'hmac:([^:]+):')) AS keys, countIf(action = 'tool_invoked') AS calls
     FROM spanledger.audit_records WHERE trace_id != '' GROUP BY chain_id`,
  );
  for (const { keys } of chains) expect(keys).toHaveLength(1);
  expect(chains.reduce((sum, { calls }) => sum + Number(calls), 0)).toBe(sent);
  expect(
    await rows(
      "SELECT count() AS n FROM spanledger.audit_records WHERE JSONHas(payload, 'details', 'conflicts_with')",
    ),
  ).toEqual([{ n: 0 }]);
  expect(await json<Verification>('verify')).toMatchObject({ status: 'valid', findings: [] });
});
