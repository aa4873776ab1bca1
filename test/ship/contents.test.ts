import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/client.ts';
import { insertRecords } from '../../src/store/records.ts';
import { verify } from '../../src/verify/verify.ts';
import { type Fault, FaultyStore, Lost } from '../support/faulty-store.ts';
import {
  LEDGER_ID,
  memoryFolder,
  openJournal,
  openStore,
  sealChain,
  ship,
  unshippedOf,
} from '../support/ledger-kit.ts';
import { forgetMutations } from '../support/older-store.ts';
import { butOfSchema } from '../support/tampered-ledger.ts';
import { toolCalls } from '../support/test-spans.ts';
import { modelSaying, openAll, toolSaying, vaultWriter } from '../support/vault-kit.ts';

const folder = memoryFolder();
let made = 0;
const newJournal = () => openJournal(join(folder, `journal-${made++}`));
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
});
beforeEach(async () => {
  for (const table of ['audit_records', 'audit_content', 'audit_content_keys'])
    await store.command(`TRUNCATE TABLE spanledger.${table}`);
});
afterAll(() => store.close());

const SAID = ['{"a":1}', 'one', '{"b":2}', 'two'];
const calls = () => [toolSaying({ a: 1 }, 'one'), toolSaying({ b: 2 }, 'two')];

const rowsIn = async (table: string) =>
  Number((await store.query<{ rows: string }>(`SELECT count() AS rows FROM spanledger.${table}`))[0]!.rows);

async function expectWhole(texts: readonly string[]): Promise<void> {
  expect(await openAll(store)).toEqual(texts);
  for (const engine of ['sql', 'node'] as const)
    expect(await verify(store, { ledgerId: LEDGER_ID, engine })).toMatchObject({
      status: 'valid',
      findings: [],
    });
}

describe('contents', () => {
  it('reach the store before their records, once, with their keys', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append([...calls(), modelSaying('hello', 'hi')]);
    const faulty = new FaultyStore(store);
    await ship(writer, faulty.asStore);
    const tables = faulty.calls.filter(({ step }) => step === 'insert').map(({ rows }) => rows.length);
    expect(tables).toEqual([2, 7, 5]);
    expect(await rowsIn('audit_content')).toBe(7);
    expect(await rowsIn('audit_content_keys')).toBe(2);
    const [prompt, ...rest] = (await openAll(store)).slice(4);
    expect([prompt, ...rest].sort()).toEqual(['[{"role":"user","text":"hello"}]', 'hello', 'hi']);
    await journal.close();
  });

  it('of a ledger without a vault cost its shipping and its verifying no query', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.close();
    await store.command('RENAME TABLE spanledger.audit_content TO spanledger.aside');
    try {
      await writer.append(toolCalls(3));
      await ship(writer, store);
      // The schema is another matter.
      expect(butOfSchema(await verify(store, { ledgerId: LEDGER_ID }))).toEqual([]);
    } finally {
      await store.command('RENAME TABLE spanledger.aside TO spanledger.audit_content');
    }
    await journal.close();
  });

  // Two looks and two inserts and two looks for contents; then one for records, and its confirmation; as a first batch.
  const faults: Fault[] = Array.from({ length: 9 }, (_, i) =>
    (['NotPersist', 'ButPersist'] as const).map((persist) => ({ call: i + 1, persist })),
  ).flat();
  it.each(faults)('are whole after a line that failed at call $call, $persist', async (fault) => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append(calls());
    const faulty = new FaultyStore(store, fault);
    await expect(ship(writer, faulty.asStore)).rejects.toThrow(Lost);
    // Whatever has arrived: no ref without what it refers to.
    if ((await rowsIn('audit_records')) > 0) await expectWhole(SAID);
    await ship(vaultWriter(journal), store);
    await expectWhole(SAID);
    expect(await rowsIn('audit_content')).toBe(4);
    expect(await rowsIn('audit_content_keys')).toBe(1);
    await journal.close();
  });

  it('that the store has lost are sent again with their records', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append(calls());
    await ship(writer, store);
    for (const table of ['audit_records', 'audit_content', 'audit_content_keys'])
      await store.command(`TRUNCATE TABLE spanledger.${table}`);
    expect((await ship(vaultWriter(journal), store)).again).toBe(unshippedOf(journal).length + 3);
    await expectWhole(SAID);
    await journal.close();
  });

  it('of a record that is buried are not brought back', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append(calls());
    await ship(writer, store);
    await store.command(
      `INSERT INTO spanledger.audit_tombstones SELECT chain_id, seq, 'erased', expires_at, SHA256(payload), record_hash FROM spanledger.audit_records`,
    );
    await store.command('TRUNCATE TABLE spanledger.audit_content');
    await store.command(
      'ALTER TABLE spanledger.audit_records DELETE WHERE seq = 2 SETTINGS mutations_sync = 2',
    );
    journal.transact((transaction) => transaction.moveShipped({ lsn: 1, records: 0 }));
    await ship(vaultWriter(journal), store);
    expect(await rowsIn('audit_content')).toBe(0);
    await store.command('TRUNCATE TABLE spanledger.audit_tombstones');
    await forgetMutations(store);
    await journal.close();
  });

  it('of a chain that cannot go on go with their records to its successor', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append(calls());
    const records = unshippedOf(journal);
    const [other] = sealChain(records[0]!.chainId, ['{"retention_class":"ledger"}']).map((each) => ({
      ...each,
      seq: 0,
    }));
    await insertRecords(store, [other!], [other!], 'once');
    const { stopped } = await ship(writer, store);
    expect(stopped).toMatchObject([{ kind: 'fork' }]);
    await ship(writer, store);
    expect(await openAll(store)).toEqual(SAID);
    const refs = (all: { payload: string }[]) =>
      all.flatMap(({ payload }) => payload.match(/"ref":"sha256:\w+"/g) ?? []);
    const stored = await store.query<{ payload: string }>(
      'SELECT payload FROM spanledger.audit_records ORDER BY chain_id, seq',
    );
    expect(refs(stored)).toEqual(refs(records));
    await journal.close();
  });

  it('of such a chain count for what one transaction moves: many long ones fit in no frame', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    const long = 'words '.repeat(160_000);
    for (let i = 0; i < 12; i++) await writer.append([toolSaying({ i }, long)]);
    const [first] = unshippedOf(journal);
    await writer.supersede({ chainId: first!.chainId, kind: 'fork', seq: 0, expected: '', found: [] });
    const frames = new Map<number, number>();
    for (const { record, end } of journal.unshipped()) {
      const { contents = [] } = record;
      const bytes = contents.reduce((sum, { sealed }) => sum + sealed.length, 0);
      frames.set(end.lsn, (frames.get(end.lsn) ?? 0) + bytes);
    }
    const sizes = [...frames.values()];
    expect(sizes.reduce((sum, each) => sum + each)).toBeGreaterThan(12 * long.length);
    expect(Math.max(...sizes)).toBeLessThan(6 * 1024 * 1024);
    await journal.close();
  });
});
