import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AccessReport } from '../../src/report/access.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { complaints, documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { HttpClickHouse } from '../support/clickhouse-http.ts';

interface Demo {
  records: number;
  verify: Verification;
  report: AccessReport;
  tampered: Verification;
}

describe('spanledger demo', () => {
  it('records, verifies, reports, and finds the forgery', async () => {
    const ran = await spanledger(['demo', '--json']);
    expect(complaints(ran)).toBe('');
    expect(ran.code).toBe(0);
    const { records, verify, report, tampered } = documentOf<Demo>(ran);
    expect(verify).toMatchObject({
      status: 'valid',
      records_checked: records,
      findings: [],
      broken_at_record: null,
    });
    expect(report).toMatchObject({ patient_id: 'P-1042', unique_users: 2, integrity_verified: true });
    expect(report.total_accesses).toBe(report.accesses.length);
    expect(tampered.status).toBe('tampered');
    expect(tampered.findings.map((finding) => finding.code)).toEqual(['schema_mismatch', 'record_mismatch']);
    expect(tampered.broken_at_record).not.toBeNull();
  });

  it('prints a story a log can hold', async () => {
    const ran = await spanledger(['demo']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).not.toContain('\u001b');
    expect(ran.stdout).toMatch(/valid: \d+ records in 2 chains/);
    expect(ran.stdout).toMatch(/tampered: \d+ records/);
    // The record first, then how it was done.
    expect(ran.stdout).toMatch(
      /critical +record_mismatch +\w+:\d+ .*\n +critical +schema_mismatch +the ledger +a mutation of audit_records/,
    );
  });

  it('leaves a server that the environment names alone', async () => {
    const server = await HttpClickHouse.start();
    const ran = await spanledger(['demo', '--json'], { env: { CLICKHOUSE_URL: `http://${server.host}` } });
    expect(server.asked).toEqual([]);
    expect(ran.code).toBe(0);
    expect(documentOf<Demo>(ran).tampered.status).toBe('tampered');
  });

  it('leaves the ledger with --keep, and never touches one that is there', async () => {
    const dir = join(temporaryFolder(), 'ledger');
    expect((await spanledger(['demo', '--keep', '--dir', dir, '--json'])).code).toBe(0);
    expect(existsSync(join(dir, 'ledger.json'))).toBe(true);
    const again = await spanledger(['demo', '--keep', '--dir', dir]);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('is not empty');
  });
});
