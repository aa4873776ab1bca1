import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { type Access, accessReport } from '../../src/report/access.ts';
import { timeline } from '../../src/report/timeline.ts';
import type { Store } from '../../src/store/client.ts';
import { insertRecords } from '../../src/store/records.ts';
import type { Batch } from '../../src/target/batch.ts';
import { id, memoryFolder, openStore, POLICY, sealChain } from '../support/ledger-kit.ts';

let store: Store;
beforeAll(async () => {
  store = await openStore(join(memoryFolder(), 'ledger'));
});
beforeEach(() => store.command('TRUNCATE TABLE spanledger.audit_records'));
afterAll(() => store.close());

const TRACE = id(16);

interface Told {
  at: number;
  span?: string | undefined;
  trace?: string;
  call?: string;
  user?: string;
  status?: 'success' | 'failure' | 'denied';
  resource?: string;
  action?: 'data_accessed' | 'data_modified';
  conflictsWith?: string;
}

/** What one writer recorded, in a chain of its own. */
async function recorded(...accesses: Told[]): Promise<void> {
  const payloads = accesses.map((told) =>
    canonicalJson({
      v: 1,
      salt: 'AAAAAAAAAAAAAAAAAAAAAA',
      recorded_at: '2026-03-01T12:00:00.000000Z',
      occurred_at: `2026-03-01T12:00:0${told.at}.000000000Z`,
      phase: 'event',
      action: told.action ?? 'data_accessed',
      actor: { type: 'agent', id: 'triage' },
      data_classification: 'confidential',
      retention_class: 'ledger2',
      outcome: { status: told.status ?? 'success' },
      resource: { type: 'patient', id: told.resource ?? 'P-1' },
      source: { service: 'clinic' },
      tool: { name: 'read', ...(told.call === undefined ? {} : { call_id: told.call }) },
      ...(told.user === undefined ? {} : { user: { id: told.user } }),
      ...('span' in told && told.span === undefined
        ? {}
        : { trace: { trace_id: told.trace ?? TRACE, span_id: told.span ?? id(8) } }),
      ...(told.conflictsWith === undefined ? {} : { details: { conflicts_with: told.conflictsWith } }),
    }),
  );
  const batch = sealChain(id(16), payloads).map((each) => ({
    ...each,
    seq: Number(each.seq),
    retentionClass: 'ledger2',
  }));
  await insertRecords(store, batch as unknown as Batch, batch, 'again');
}

async function report(): Promise<Access[]> {
  const query = { subject: 'P-1', from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z' };
  const { accesses, total_accesses } = await accessReport(store, POLICY.keyring, query, true);
  expect(total_accesses).toBe(accesses.length);
  return accesses;
}

const shown = (accesses: readonly Access[]) =>
  accesses.map(
    ({ timestamp, accessed_by, success }) => `${timestamp.slice(18, 19)} ${accessed_by} ${success}`,
  );

it('a retry under one call id: the try that read the data, not the one before that failed', async () => {
  await recorded(
    { at: 1, call: 'c', status: 'failure' },
    { at: 2, call: 'c' },
    { at: 3, call: 'c', status: 'failure' },
  );
  expect(shown(await report())).toEqual(['2 triage true']);
});

it('tries that all failed: the first', async () => {
  await recorded({ at: 1, call: 'c', status: 'denied' }, { at: 2, call: 'c', status: 'failure' });
  expect(shown(await report())).toEqual(['1 triage false']);
});

it('a span that reached two writers is one access, with a call id or without', async () => {
  const [one, other] = [id(8), id(8)];
  for (let writer = 0; writer < 2; writer++)
    await recorded({ at: 1, span: one }, { at: 2, span: other, call: 'c' }, { at: 3 });
  expect(shown(await report())).toEqual(['1 triage true', '2 triage true', '3 triage true', '3 triage true']);
});

it('spans without ids are each their own', async () => {
  const zeros = { trace: '0'.repeat(32), span: '0'.repeat(16) };
  await recorded(
    { at: 1, ...zeros },
    { at: 2, ...zeros },
    { at: 3, span: undefined },
    { at: 4, span: undefined },
  );
  expect(await report()).toHaveLength(4);
});

it('one span that touched two resources, or read and changed one, did each', async () => {
  const span = id(8);
  await recorded(
    { at: 1, span, call: 'c' },
    { at: 1, span, call: 'c', action: 'data_modified' },
    { at: 1, span, call: 'c', resource: 'P-2' },
  );
  expect(await report()).toHaveLength(2);
});

it('one call id of two persons is two accesses', async () => {
  await recorded(
    { at: 1, call: 'call_1', user: 'nurse', trace: id(16) },
    { at: 2, call: 'call_1', user: 'clerk', trace: id(16) },
  );
  expect(shown(await report())).toEqual(['1 nurse true', '2 clerk true']);
});

it('a record that contradicts another of the same span is not hidden by it', async () => {
  const span = id(8);
  await recorded({ at: 1, span, status: 'failure' }, { at: 2, span, conflictsWith: 'x:1' });
  expect(shown(await report())).toEqual(['1 triage false', '2 triage true']);
});

it('the conversation of the empty id has no records', async () => {
  await recorded({ at: 1 });
  expect(await timeline(store, '')).toEqual([]);
});
