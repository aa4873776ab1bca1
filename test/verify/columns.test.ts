import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { FIELDS_TYPE } from '../../src/verify/columns.ts';
import { codeOf, memoryFolder, openStore, sealChain } from '../support/ledger-kit.ts';
import { butOfSchema, TamperedLedger, told } from '../support/tampered-ledger.ts';

/* ATTACKS.md, row 4: the columns people query are forged, the payloads are left alone. */

const folder = memoryFolder();
const ledger = new TamperedLedger();

/** A record that has something in every queried column. */
const full = (turn: number) =>
  canonicalJson({
    occurred_at: '2026-01-02T03:04:05.123456789Z',
    action: 'tool_invoked',
    phase: 'outcome',
    actor: { type: 'agent', id: 'a1' },
    user: { id: 'u1', role: 'doctor' },
    agent: { name: 'medrec' },
    conversation_id: 'c1',
    turn,
    tool: { name: 'lookup_patient' },
    resource: { type: 'patient', id: 'P-1', subject: 'hmac:k1:x' },
    data_classification: 'restricted',
    purpose: 'TREAT',
    trigger: 'user_request',
    outcome: { status: 'success', duration_ms: 12.5 },
    model: { response: 'm1' },
    tenant: 't1',
    retention_class: 'ledger',
    trace: { trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) },
  });

beforeAll(async () => {
  ledger.store = await openStore(join(folder, 'ledger'));
  await ledger.put(sealChain('chain', [full(1), full(2), full(3)]));
  await ledger.keep();
});
beforeEach(() => ledger.rebuild());
afterAll(() => ledger.store.close());

const TYPE = FIELDS_TYPE;

/** Makes the engine derive a column from something else, also in the rows it has. */
async function forge(column: string, type: string, expression: string): Promise<void> {
  await ledger.store.command(
    `ALTER TABLE spanledger.audit_records MODIFY COLUMN ${column} ${type} MATERIALIZED ${expression}`,
  );
  await ledger.store.command(
    `ALTER TABLE spanledger.audit_records MATERIALIZE COLUMN ${column} SETTINGS mutations_sync = 2`,
  );
}

const forgeField = (patch: unknown) =>
  forge('fields', TYPE, `JSONExtract(jsonMergePatch(payload, '${JSON.stringify(patch)}'), '${TYPE}')`);

const all = ['derived_mismatch chain:0', 'derived_mismatch chain:1', 'derived_mismatch chain:2'];

describe('a forged column is found in every record', () => {
  it.each([
    ['occurred_at', { occurred_at: '2026-01-02T03:04:05.123456788Z' }],
    ['action', { action: 'data_accessed' }],
    ['phase', { phase: 'intent' }],
    ['actor.type', { actor: { type: 'user' } }],
    ['actor.id', { actor: { id: 'a2' } }],
    ['user.id', { user: { id: 'u2' } }],
    ['user.role', { user: { role: 'nurse' } }],
    ['agent.name', { agent: { name: 'other' } }],
    ['conversation_id', { conversation_id: 'c2' }],
    ['turn', { turn: 9 }],
    ['tool.name', { tool: { name: 'list_files' } }],
    ['resource.type', { resource: { type: 'file' } }],
    ['resource.id', { resource: { id: 'P-2' } }],
    ['resource.subject', { resource: { subject: 'hmac:k1:y' } }],
    ['data_classification', { data_classification: 'public' }],
    ['purpose', { purpose: 'HRESCH' }],
    ['trigger', { trigger: 'system' }],
    ['outcome.status', { outcome: { status: 'failure' } }],
    ['outcome.duration_ms', { outcome: { duration_ms: 12.500001 } }],
    ['model.response', { model: { response: 'm2' } }],
    ['tenant', { tenant: 't2' }],
  ])('fields.%s', async (_, patch) => {
    await forgeField(patch);
    const result = await ledger.verify();
    expect(told(result)).toEqual(all);
    expect(butOfSchema(result).map(({ detail }) => detail)).toEqual(
      Array(3).fill('fields is not what the payload says'),
    );
    expect(result.status).toBe('tampered');
  });

  it('occurred_at, by a nanosecond', async () => {
    await forge(
      'occurred_at',
      `DateTime64(9, 'UTC')`,
      `parseDateTime64BestEffortOrZero(fields.occurred_at, 9, 'UTC') + toIntervalNanosecond(1)`,
    );
    expect(told(await ledger.verify())).toEqual(all);
  });

  it('occurred_at, rounded by another type', async () => {
    await forge(
      'occurred_at',
      `DateTime64(3, 'UTC')`,
      `parseDateTime64BestEffortOrZero(fields.occurred_at, 9, 'UTC')`,
    );
    expect(told(await ledger.verify())).toEqual(all);
  });

  it('both', async () => {
    await forgeField({ action: 'x', occurred_at: '2020-01-01T00:00:00.000000000Z' });
    await forge('occurred_at', `DateTime64(9, 'UTC')`, `toDateTime64('2020-01-01 00:00:00', 9, 'UTC')`);
    expect(told(await ledger.verify())).toEqual(all.flatMap((each) => [each, each]));
  });

  it('for one record only', async () => {
    await forge(
      'fields',
      TYPE,
      `JSONExtract(if(seq = 1, jsonMergePatch(payload, '{"action":"x"}'), payload), '${TYPE}')`,
    );
    expect(told(await ledger.verify())).toEqual([all[1]]);
  });

  it.each([
    ['0', '-0.0', []],
    ['0', '1e-45', ['derived_mismatch chain:0']],
    ['12.5', '12.500000000001', []],
    ['1e39', '2e39', []],
  ])(
    'outcome.duration_ms of %s, from what reads as %s: as the engine compares them',
    async (own, forged, findings) => {
      await ledger.remove('1');
      const payload = full(1).replace('"duration_ms":12.5', `"duration_ms":${own}`);
      await ledger.put(sealChain('chain', [payload]));
      await forge(
        'fields',
        TYPE,
        `JSONExtract(replaceOne(payload, '"duration_ms":${own}', '"duration_ms":${forged}'), '${TYPE}')`,
      );
      const result = await ledger.verify();
      expect(told(result).filter((each) => !each.startsWith('payload_not_canonical'))).toEqual(findings);
    },
  );

  it('retention_class', async () => {
    await ledger.move({ retention_class: `'default'` }, 'seq = 2');
    expect(told(await ledger.verify())).toEqual([all[2]]);
  });

  it('of a forged type that compares as equal', async () => {
    const loose = TYPE.replace('conversation_id String', 'conversation_id LowCardinality(String)');
    await forge(
      'fields',
      loose,
      `JSONExtract(jsonMergePatch(payload, '{"conversation_id":"c2"}'), '${loose}')`,
    );
    expect(told(await ledger.verify())).toEqual(all);
  });
});

describe('a column that is derived otherwise and says the same', () => {
  it('is no mismatch of a record, but of the schema, and so is what materialized it', async () => {
    await forgeField({});
    const result = await ledger.verify();
    expect(told(result)).toEqual([]);
    expect(result.findings.map(({ code }) => code)).toEqual(['schema_mismatch', 'schema_mismatch']);
  });
});

describe('a table that cannot be read as ours', () => {
  it.each([
    ['ALTER TABLE spanledger.audit_records DROP COLUMN occurred_at', 'store_failed'],
    ['RENAME TABLE spanledger.audit_records TO spanledger.gone', 'store_schema'],
    ['DROP TABLE spanledger.audit_tombstones SYNC', 'store_schema'],
    ['DROP DATABASE spanledger SYNC', 'store_schema'],
  ])('is never valid: %s', async (sql, code) => {
    if (sql.includes('DROP COLUMN'))
      await ledger.store.command(
        'ALTER TABLE spanledger.audit_records DROP INDEX by_time SETTINGS mutations_sync = 2',
      );
    await ledger.store.command(`${sql}`);
    expect(await codeOf(() => ledger.verify())).toBe(code);
    await ledger.store.command('CREATE DATABASE IF NOT EXISTS spanledger');
  });
});
