import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Grants, NEEDED, NEEDED_TO_VAULT, TOO_MUCH } from '../../src/doctor/grants.ts';

const RECORDS = 'spanledger.audit_records';
const may = (right: string, ...lines: string[]) => new Grants(lines).has({ right, table: RECORDS });

describe('what a user may do', () => {
  it.each([
    ['SELECT', 'GRANT SELECT ON spanledger.audit_records TO u'],
    ['INSERT', 'GRANT SELECT, INSERT ON spanledger.* TO u WITH GRANT OPTION'],
    ['INSERT', 'GRANT ALL ON *.* TO u'],
    ['DROP TABLE', 'GRANT CREATE, DROP, TRUNCATE ON *.* TO u'],
    ['ALTER DELETE', 'GRANT ALTER ON `spanledger`.`audit_records` TO u'],
    ['ALTER UPDATE', 'GRANT ALTER TABLE ON spanledger.audit* TO u'],
    ['SELECT', 'GRANT ALTER UPDATE(a, b), SELECT ON spanledger.* TO u'],
  ])('%s, by %s', (right, line) => {
    expect(may(right, line)).toBe(true);
  });

  it.each([
    ['SELECT', 'GRANT SELECT(chain_id, seq) ON spanledger.audit_records TO u'],
    ['SELECT', 'GRANT SELECT ON spanledger.audit_tombstones TO u'],
    ['SELECT', 'GRANT SELECT ON other.* TO u'],
    ['SELECT', 'GRANT spanledger_writer TO u'],
    ['INSERT', 'GRANT SELECT ON *.* TO u'],
    ['ALTER DELETE', 'GRANT ALTER VIEW ON *.* TO u'],
    ['TRUNCATE', 'GRANT DROP ON *.* TO u'],
  ])('not %s, by %s', (right, line) => {
    expect(may(right, line)).toBe(false);
  });

  it('is less what was taken away again', () => {
    expect(may('INSERT', 'GRANT ALL ON *.* TO u', 'REVOKE INSERT ON spanledger.* FROM u')).toBe(false);
    expect(may('SELECT', 'GRANT ALL ON *.* TO u', 'REVOKE INSERT ON spanledger.* FROM u')).toBe(true);
  });

  it('some columns are too much too, but for the one that retention sets', () => {
    const some = (line: string) => new Grants([line]).hasSome({ right: 'ALTER UPDATE', table: RECORDS });
    expect(some('GRANT ALTER UPDATE(payload) ON spanledger.audit_records TO u')).toBe(true);
    expect(some('GRANT SELECT, ALTER UPDATE(purge_after) ON spanledger.audit_records TO u')).toBe(false);
  });

  const grantsOf = (role: string, file = 'grants.sql') =>
    new Grants(
      readFileSync(`deploy/clickhouse/${file}`, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith(` TO ${role};`)),
    );

  it('by the roles of deploy/clickhouse/grants.sql, is what each is for', () => {
    const writer = grantsOf('spanledger_writer');
    expect(NEEDED.filter((each) => !writer.has(each))).toEqual([]);
    expect(NEEDED_TO_VAULT.filter((each) => writer.has(each))).toEqual([]);
    const vaulting = grantsOf('spanledger_writer', 'content-grants.sql');
    expect(NEEDED_TO_VAULT.filter((each) => !vaulting.has(each))).toEqual([]);
    for (const role of ['spanledger_writer', 'spanledger_reader', 'spanledger_retention'])
      expect(TOO_MUCH.filter((each) => grantsOf(role).hasSome(each))).toEqual([]);
    expect(TOO_MUCH.some((each) => grantsOf('spanledger_migrator').hasSome(each))).toBe(true);
    expect(grantsOf('spanledger_reader').has({ right: 'INSERT', table: RECORDS })).toBe(false);
  });
});
