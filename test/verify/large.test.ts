import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { QueryParameters, Store, TextFormat } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { insertRecords } from '../../src/store/records.ts';
import { batchesOf } from '../../src/target/batch.ts';
import { verify } from '../../src/verify/verify.ts';
import { LEDGER_ID, memoryFolder, openStore, sealChain } from '../support/ledger-kit.ts';
import { butOfSchema } from '../support/tampered-ledger.ts';

/* What is read at a time comes as one text, and no text is longer than 512 MB: pages are bounded in bytes. */

const MB = 2 ** 20;
const PAGE = 16 * MB;
const folder = memoryFolder();
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
});
beforeEach(async () => {
  await store.command('DROP DATABASE spanledger SYNC');
  await migrate(store);
});
afterAll(() => store.close());

/** Payload and rows of each answer. */
class Measured {
  readonly answers: { bytes: number; rows: number }[] = [];
  readonly where = store.where;

  async query<Row>(sql: string, parameters: QueryParameters = {}): Promise<Row[]> {
    const rows = await store.query<Row>(sql, parameters);
    const bytes = rows.reduce(
      (sum, row) => sum + ((row as { payload_text?: string }).payload_text?.length ?? 0),
      0,
    );
    if (bytes > 0) this.answers.push({ bytes, rows: rows.length });
    return rows;
  }

  text(sql: string, format: TextFormat): Promise<string> {
    return store.text(sql, format);
  }
}

async function put(chainId: string, sizes: readonly number[]): Promise<void> {
  const payloads = sizes.map((size, i) =>
    JSON.stringify({ i, retention_class: 'ledger', text: 'x'.repeat(size) }),
  );
  const records = sealChain(chainId, payloads).map((each) => ({ ...each, seq: Number(each.seq) }));
  for (const batch of batchesOf(records)) await insertRecords(store, batch, batch, 'again');
}

async function verified(engine: 'sql' | 'node') {
  const measured = new Measured();
  const result = await verify(measured as unknown as Store, { ledgerId: LEDGER_ID, engine });
  return { result, answers: measured.answers };
}

const SMALL = 100;

for (const engine of ['sql', 'node'] as const) {
  it(`${engine}: many large records, in one chain and in several`, async () => {
    await put('a', [9 * MB, 9 * MB, 3 * MB, 3 * MB, SMALL, SMALL, 9 * MB]);
    await put('b', [SMALL, SMALL]);
    await put('c', [9 * MB, SMALL]);
    const { result, answers } = await verified(engine);
    expect(result).toMatchObject({ status: 'valid', findings: [], records_checked: 11 });
    for (const { bytes } of answers) expect(bytes).toBeLessThanOrEqual(PAGE);
    expect(answers.reduce((sum, { rows }) => sum + rows, 0)).toBe(11);
  });

  it(`${engine}: one large record among many small ones, and one too large for a page`, async () => {
    const sizes = Array.from({ length: 400 }, (_, i) => (i === 200 ? 15 * MB : i === 300 ? 18 * MB : 10_000));
    await put('a', sizes);
    const { result, answers } = await verified(engine);
    expect(result).toMatchObject({ status: 'valid', findings: [], records_checked: 400 });
    for (const { bytes, rows } of answers) expect(rows === 1 || bytes <= PAGE).toBe(true);
    expect(answers.length).toBeLessThan(10);
  });

  it(`${engine}: many rows at one place`, async () => {
    await put('a', [SMALL, 7 * MB, SMALL]);
    for (let i = 0; i < 2; i++)
      await store.command(
        `INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload)
         SELECT chain_id, seq, retention_class, expires_at, record_hash, payload FROM spanledger.audit_records WHERE seq = 1 SETTINGS insert_deduplicate = 0`,
      );
    const { result, answers } = await verified(engine);
    expect(result.status).toBe('valid');
    expect(result.findings.map(({ code, seq }) => [code, seq])).toEqual(
      Array(3).fill(['duplicate_identical', 1]),
    );
    for (const { bytes } of answers) expect(bytes).toBeLessThanOrEqual(PAGE);
  });

  it(`${engine}: what is amiss is found where it is, and holes at the edges of pages`, async () => {
    await put('a', [9 * MB, 9 * MB, 9 * MB, SMALL, 9 * MB]);
    await store.command(
      `ALTER TABLE spanledger.audit_records UPDATE payload = concat(payload, ' ') WHERE seq = 1 SETTINGS mutations_sync = 2`,
    );
    await store.command(
      `ALTER TABLE spanledger.audit_records DELETE WHERE seq = 2 SETTINGS mutations_sync = 2`,
    );
    const { result } = await verified(engine);
    expect(butOfSchema(result).map(({ code, seq }) => [code, seq])).toEqual([
      ['record_mismatch', 1],
      ['seq_gap', 2],
    ]);
  });
}
