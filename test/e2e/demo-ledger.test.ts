import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PATIENT } from '../../src/cli/demo-agent.ts';
import { documentOf, spanledger } from '../support/cli.ts';

const ACTIONS = [
  'conversation_started',
  'user_message_received',
  'agent_response_generated',
  'tool_invoked',
  'data_accessed',
  'data_modified',
  'prompt_changed',
  'model_changed',
  'access_granted',
  'access_revoked',
  'conversation_ended',
];

describe("the demo's ledger", () => {
  let dir: string;

  beforeAll(async () => {
    dir = join(mkdtempSync(join(tmpdir(), 'spanledger-test-')), 'ledger');
    expect((await spanledger(['demo', '--dir', dir, '--json'])).code).toBe(0);
  });
  afterAll(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

  const query = async <Row>(sql: string) =>
    documentOf<Row[]>(await spanledger(['sql', sql, '--dir', dir, '--json']));

  it('holds each of the eleven actions, four actors and five triggers', async () => {
    const [seen] = await query<{ actions: string[]; actors: string[]; triggers: string[] }>(
      "SELECT groupUniqArray(toString(action)) AS actions, groupUniqArray(toString(actor_type)) AS actors, groupUniqArrayIf(toString(`trigger`), `trigger` != '') AS triggers FROM spanledger.audit_records",
    );
    expect(seen!.actions).toEqual(expect.arrayContaining(ACTIONS));
    expect(seen!.actors.sort()).toEqual(['admin', 'agent', 'system', 'user']);
    expect(seen!.triggers.sort()).toEqual(['follow_up', 'proactive', 'retry', 'system', 'user_request']);
  });

  it('knows one patient by one pseudonym in two conversations', async () => {
    const rows = await query<{ subject: string; conversations: number }>(
      "SELECT subject, uniqExact(conversation_id) AS conversations FROM spanledger.audit_records WHERE resource_type = 'patient' AND subject != '' GROUP BY subject",
    );
    expect(rows).toEqual([{ subject: expect.stringMatching(/^hmac:k1:[\w-]{22}$/), conversations: 2 }]);
    const names = await query<{ name: string }>(
      "SELECT DISTINCT JSONExtractString(payload, 'tool', 'arguments', 'patient_name') AS name FROM spanledger.audit_records WHERE name != ''",
    );
    expect(names).toHaveLength(1);
  });

  it('holds no raw name, number, date of birth, address or phone: in no file, and in no column', async () => {
    const secrets = [
      PATIENT.patient_name,
      PATIENT.ssn,
      PATIENT.date_of_birth,
      PATIENT.address,
      PATIENT.phone,
      '4111 1111 1111 1111',
    ];
    const tables = ['audit_records', 'audit_tombstones', 'schema_migrations'];
    const dumps: string[] = [];
    for (const table of tables) dumps.push(JSON.stringify(await query(`SELECT * FROM spanledger.${table}`)));
    dumps.push(JSON.stringify(await query('SELECT fields FROM spanledger.audit_records')));
    const files = filesIn(dir);
    expect(files.length).toBeGreaterThan(20);
    for (const secret of secrets) {
      for (const dump of dumps) expect(dump).not.toContain(secret);
      for (const file of files)
        expect(readFileSync(file).includes(secret), `${secret} in ${file}`).toBe(false);
    }
    // The search itself works: what may be there is found.
    expect(dumps[0]).toContain(PATIENT.patient_id);
    expect(files.some((file) => readFileSync(file).includes(PATIENT.patient_id))).toBe(true);
  });
});

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}
