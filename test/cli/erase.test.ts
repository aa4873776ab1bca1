import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ErasureTold } from '../../src/retain/erasure/erasure.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { callOf, holding, shopIn } from '../support/person-ledger.ts';
import { serve } from '../support/serve.ts';

const CANARY = 'CUST-CANARY-4711';
const REASON = ['--reason', 'request 17', '--actor', 'ann'];

async function count(dir: string, text: string): Promise<number> {
  const sql = `SELECT toUInt32(count()) AS n FROM spanledger.audit_records WHERE payload LIKE '%${text}%'`;
  const [row] = documentOf<{ n: number }[]>(await spanledger(['sql', sql, '--dir', dir, '--json']));
  return row!.n;
}

async function verified(dir: string): Promise<{ status: string; erased: number; findings: unknown[] }> {
  return documentOf(await spanledger(['verify', '--dir', dir, '--json']));
}

describe('spanledger erase', () => {
  it('plans, erases and certifies; the certificate is checked with a public key alone', async () => {
    const folder = temporaryFolder();
    const dir = shopIn(folder);
    const certificate = join(folder, 'certificate.txt');
    const input = [
      callOf('find_customer', { customer_id: CANARY }),
      callOf('find_customer', { customer_id: 'CUST-OTHER' }),
      callOf('lookup_patient', { patient_id: CANARY }),
    ].join('\n');
    expect((await spanledger(['ingest', '-', '--dir', dir], { input })).code).toBe(0);
    const erase = (...args: string[]) => spanledger(['erase', '--dir', dir, '--json', ...args]);

    for (const [args, message] of [
      [[], 'it is not said what to erase'],
      [['--subject', CANARY], 'it is not said why'],
      [['--subject', CANARY, '--reason', `of ${CANARY}`], '--reason holds a value that is to be erased'],
    ] as const) {
      const refused = await erase(...args);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(message)]);
    }
    expect((await erase('--subject', 'CUST-NOBODY', '--plan')).code).toBe(1);

    const planned = await erase('--subject', CANARY, '--plan');
    expect(planned.code, planned.stderr).toBe(0);
    const plan = documentOf<ErasureTold>(planned);
    expect(plan).toMatchObject({ state: 'planned', kept: [{ why: 'law', basis: 'hipaa' }] });
    expect(plan.erase + plan.kept[0]!.records).toBe(plan.records);
    const before = await count(dir, CANARY);
    expect(before).toBeGreaterThan(0);

    const done = await erase('--subject', CANARY, ...REASON, '--certificate', certificate);
    expect(done.code, done.stderr).toBe(0);
    const told = documentOf<ErasureTold & { files: string[] }>(done);
    expect(told).toMatchObject({
      state: 'complete',
      erased: plan.erase,
      kept: plan.kept,
      files: [certificate],
    });
    expect(await verified(dir)).toMatchObject({ status: 'valid', findings: [], erased: plan.erase });
    expect(await count(dir, 'CUST-OTHER')).toBeGreaterThan(0);

    const trust = join(dir, 'trust');
    const check = (file: string) => spanledger(['check-proof', file, '--trust', trust, '--json']);
    const checked = await check(certificate);
    expect(checked.code, checked.stderr).toBe(0);
    expect(documentOf(checked)).toMatchObject({ status: 'proven', records: plan.erase });
    expect(readFileSync(certificate, 'utf8')).not.toContain(CANARY);

    const refused = await erase('--subject', CANARY, ...REASON);
    expect(refused.code).toBe(4);
    expect(documentOf(refused)).toMatchObject({ state: 'refused', erased: 0, kept: plan.kept });
    const due = await erase('--due');
    expect([due.code, documentOf(due)]).toEqual([0, []]);
  });

  it('is done by a serve that runs, whose journal forgets too', async () => {
    const dir = shopIn(temporaryFolder());
    const running = await serve(dir);
    for (const id of [CANARY, 'CUST-OTHER'])
      await fetch(`${running.otlp}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: callOf('find_customer', { customer_id: id }, { note: `${id}-said` }),
      });
    expect(holding(dir, CANARY)).not.toEqual([]);
    const done = await spanledger(['erase', '--dir', dir, '--json', '--subject', '-', ...REASON], {
      input: `${CANARY}\n`,
    });
    expect(done.code, done.stderr).toBe(0);
    const told = documentOf<ErasureTold>(done);
    expect(told).toMatchObject({ state: 'complete', kept: [], waiting: [] });
    expect(told.erased).toBeGreaterThan(1);
    expect(told.certificates).toHaveLength(1);
    expect(holding(dir, CANARY)).toEqual([]);
    expect(await count(dir, CANARY)).toBe(0);
    expect(await count(dir, 'CUST-OTHER')).toBeGreaterThan(0);
    expect(await verified(dir)).toMatchObject({ status: 'valid', erased: told.erased });
    // It records on, and what it has said since is as sound.
    await fetch(`${running.otlp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: callOf('find_customer', { customer_id: CANARY }),
    });
    expect(await running.stop('SIGTERM')).toBe(0);
    expect(await count(dir, CANARY)).toBeGreaterThan(0);
    expect(await verified(dir)).toMatchObject({ status: 'valid', findings: [], erased: told.erased });
  });
});
