import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { payloadDigest } from '../../src/chain/entry.ts';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import type { Store } from '../../src/store/client.ts';
import { confirm, insertRecords, isSame, standingAt } from '../../src/store/records.ts';
import { type Batch, partitionOf } from '../../src/target/batch.ts';
import { fileFolder, id, openStore, sealChain } from '../support/ledger-kit.ts';

const folder = fileFolder();
let store: Store;

beforeAll(async () => {
  store = await openStore(join(folder, 'ledger'));
});
beforeEach(async () => {
  await store.command('TRUNCATE TABLE spanledger.audit_records');
  await store.command('TRUNCATE TABLE spanledger.audit_tombstones');
});
afterAll(() => store.close());

const hex = (text: string) => Buffer.from(text).toString('hex');

function batchOf(payloads: readonly string[], chainId = id(16)): [SealedRecord, ...SealedRecord[]] {
  const sealed = sealChain(chainId, payloads).map((each) => ({ ...each, seq: Number(each.seq) }));
  return sealed as [SealedRecord, ...SealedRecord[]];
}

const insert = (batch: Batch, how: 'once' | 'again' = 'once') => insertRecords(store, batch, batch, how);
const countRows = async () =>
  Number((await store.query<{ n: string }>('SELECT count() AS n FROM spanledger.audit_records'))[0]!.n);

/** What the store has of a chain, payloads as hex. */
const storedPayloads = async (chain: string) =>
  (
    await store.query<{ payload: string }>(
      'SELECT lower(hex(payload)) AS payload FROM spanledger.audit_records WHERE chain_id = {chain:String} ORDER BY seq',
      { chain },
    )
  ).map(({ payload }) => payload);

describe('a payload', () => {
  const unusual = [
    ...Array.from({ length: 0x21 }, (_, i) => String.fromCharCode(i)),
    '\x7f',
    '\x80\x9f',
    "'",
    '"',
    '\\',
    '\\\\',
    '\\n',
    '\\t\\\\N',
    '\\x41',
    '\\N',
    '\\u0000',
    '`$ {a:String} %s ?',
    '\u00a0\u2028\u2029\ufeff\u200b\u202e',
    'é e\u0301 ñ 漢字 עברית',
    '😀 👩‍👩‍👧‍👦 🏳️‍🌈 \u{10ffff}',
    '\ufffd\ufffe\uffff',
    "'); DROP TABLE spanledger.audit_records; --",
    'x'.repeat(200_000),
  ];

  it('survives byte for byte, whatever characters it is of', async () => {
    const batch = batchOf(unusual.map((text) => canonicalJson({ text, [text]: text })));
    await insert(batch);
    expect(await storedPayloads(batch[0].chainId)).toEqual(batch.map(({ payload }) => hex(payload)));
    expect(await confirm(store, batch)).toBe(true);
  });

  it('survives byte for byte, whatever it says', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((each) => each.isWellFormed());
    const value = fc.oneof(text, fc.dictionary(text, text), fc.array(text));
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 30 }), async (values) => {
        const batch = batchOf(values.map((each) => canonicalJson({ each })));
        await insert(batch);
        expect(await storedPayloads(batch[0].chainId)).toEqual(batch.map(({ payload }) => hex(payload)));
        expect(await confirm(store, batch)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('expires when it says, also where the clock began at 1970', async () => {
    const chainId = id(17);
    const expiries = [0, 86_400, 34_128_000, 99_999_999, 100_000_000, 1_000_000_000];
    const batch = expiries.map((expiresAt, seq) => ({ ...batchOf(['{}'], chainId)[0], seq, expiresAt }));
    await insert(batch as unknown as Batch);
    const rows = await store.query<{ expires: number }>(
      'SELECT toUnixTimestamp(expires_at) AS expires FROM spanledger.audit_records ORDER BY seq',
    );
    expect(rows.map(({ expires }) => Number(expires))).toEqual(expiries);
  });

  it('keeps the rest of its row as well', async () => {
    const [record] = batchOf(['{"occurred_at":"2026-01-02T03:04:05.123456789Z","retention_class":"ledger"}']);
    await insert([record]);
    const rows = await store.query(
      `SELECT chain_id, seq, retention_class, toUnixTimestamp(expires_at) AS expires_at, lower(hex(record_hash)) AS record_hash,
              toString(purge_after) AS purge_after, toString(occurred_at) AS occurred_at FROM spanledger.audit_records`,
    );
    expect(rows).toEqual([
      {
        chain_id: record.chainId,
        seq: '0',
        retention_class: 'ledger',
        expires_at: 4_102_444_800,
        record_hash: record.recordHash,
        purge_after: '2100-01-01 00:00:00',
        occurred_at: '2026-01-02 03:04:05.123456789',
      },
    ]);
  });
});

describe('inserting', () => {
  it('once: the same batch again adds nothing', async () => {
    const batch = batchOf(['{"a":1}', '{"a":2}']);
    await insert(batch);
    await insert(batch);
    expect(await countRows()).toBe(2);
  });

  it('leaks its token into nothing that comes after', async () => {
    const [first, second, third] = [batchOf(['{"a":1}']), batchOf(['{"a":2}']), batchOf(['{"a":3}'])];
    await insert(first);
    await insert(second);
    await insert(third, 'again');
    const columns = 'chain_id, seq, retention_class, expires_at, record_hash, payload';
    for (const chain of ['x', 'y']) {
      await store.command(
        `INSERT INTO spanledger.audit_records (${columns}) SELECT '${chain}', 0, 'ledger', 0, toFixedString('', 32), '{}'`,
      );
    }
    expect(await countRows()).toBe(5);
    const leaked = `SELECT name FROM system.settings WHERE changed AND name IN ('insert_deduplication_token', 'insert_deduplicate', 'async_insert')`;
    expect(await store.query(leaked)).toEqual([]);
  });

  it('again: adds what once would not, for rows that are gone', async () => {
    const batch = batchOf(['{"a":1}', '{"a":2}']);
    await insert(batch);
    await store.command('ALTER TABLE spanledger.audit_records DELETE WHERE 1 SETTINGS mutations_sync = 2');
    await insert(batch);
    expect(await countRows(), 'the engine remembers the token').toBe(0);
    for (let i = 0; i < 3; i++) {
      await insert(batch, 'again');
      expect(await countRows()).toBe(2);
      expect(await confirm(store, batch)).toBe(true);
      await store.command('ALTER TABLE spanledger.audit_records DELETE WHERE 1 SETTINGS mutations_sync = 2');
    }
  });

  it('nothing is nothing', async () => {
    await insertRecords(store, batchOf(['{}']), [], 'once');
    expect(await countRows()).toBe(0);
  });

  it('a batch in several partitions whose first half arrived, once: the rest is added', async () => {
    const batch = batchOf(['{"a":1}', '{"a":2}', '{"a":3}']);
    const [first, second, third] = batch;
    second!.retentionClass = 'default';
    await insertRecords(store, batch, [first!, third!], 'once');
    await insert(batch);
    expect(await countRows()).toBe(3);
    expect(await confirm(store, batch)).toBe(true);
  });
});

describe('a batch is confirmed', () => {
  const set = (what: string) =>
    store.command(`ALTER TABLE spanledger.audit_records UPDATE ${what} SETTINGS mutations_sync = 2`);
  const copy = (column: string, value: string) =>
    store.command(
      `INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload)
       SELECT ${['chain_id', 'seq', 'retention_class', 'expires_at', 'record_hash', 'payload'].map((each) => (each === column ? value : each)).join(', ')}
       FROM spanledger.audit_records WHERE seq = 1 SETTINGS insert_deduplicate = 0`,
    );
  const remove = () =>
    store.command('ALTER TABLE spanledger.audit_records DELETE WHERE seq = 1 SETTINGS mutations_sync = 2');
  const replace = async (column: string, value: string) => {
    await copy(column, value);
    await store.command(
      `ALTER TABLE spanledger.audit_records DELETE WHERE seq = 1 AND ${column} != ${value} SETTINGS mutations_sync = 2`,
    );
  };

  it.each<[string, boolean, () => Promise<unknown>]>([
    ['as it was sent', true, async () => {}],
    ['beside another chain', true, () => copy('chain_id', `'another'`)],
    ['with a record after it', true, () => copy('seq', '3')],
    ['not without one of its rows', false, remove],
    ['not with one twice', false, () => copy('seq', 'seq')],
    ['not with another payload', false, () => set(`payload = '{"a":9}' WHERE seq = 1`)],
    ['not with another hash', false, () => set(`record_hash = toFixedString('x', 32) WHERE seq = 1`)],
    ['not in another class', false, () => replace('retention_class', `'default'`)],
    ['not with another expiry', false, () => replace('expires_at', 'toDateTime(4102444799)')],
    ['not at another place', false, () => replace('seq', '7')],
  ])('%s', async (_, confirmed, change) => {
    const batch = batchOf(['{"a":0}', '{"a":1}', '{"a":2}']);
    await insert(batch);
    await change();
    expect(await confirm(store, batch)).toBe(confirmed);
  });
});

it('what stands at a place is told: live, as tombstone, in several versions, or nothing', async () => {
  const batch = batchOf(['{"a":0}', '{"a":1}', '{"a":2}', '{"a":3}']);
  const chain = batch[0].chainId;
  await insertRecords(store, batch, [batch[0], batch[1]!], 'once');
  const digest = (i: number) => `unhex('${payloadDigest(batch[i]!.payload)}')`;
  await store.command(
    `INSERT INTO spanledger.audit_tombstones (chain_id, seq, reason, expires_at, payload_digest, record_hash) VALUES
     ('${chain}', 0, 'expired', 4102444800, ${digest(0)}, unhex('${'ab'.repeat(32)}')),
     ('${chain}', 1, 'expired', 4102444800, ${digest(1)}, unhex('${batch[1]!.recordHash}')),
     ('${chain}', 2, 'erased', 4102444799, ${digest(2)}, unhex('${batch[2]!.recordHash}'))`,
  );
  const standing = await standingAt(store, chain, 0, 3);
  const same = [0, 1, 2, 3].map((seq) =>
    standing
      .get(seq)
      ?.map((row) => isSame(batch[seq]!, row))
      .sort(),
  );
  expect(same).toEqual([[false, true], [true, true], [false], undefined]);
  expect(
    standing
      .get(0)!
      .map(({ recordHash }) => recordHash)
      .sort(),
  ).toEqual([batch[0].recordHash, 'ab'.repeat(32)].sort());
  expect(standing.get(2)).toMatchObject([{ expiresAt: 4_102_444_799, retentionClass: undefined }]);
  expect(await standingAt(store, 'another', 0, 3)).toEqual(new Map());
  expect((await standingAt(store, chain, 2, 2)).size).toBe(1);
});

it.each([
  ['itself', {}, true],
  ['a tombstone of it', { retentionClass: undefined }, true],
  ['another hash', { recordHash: 'ab'.repeat(32) }, false],
  ['another payload', { payloadDigest: 'ab'.repeat(32) }, false],
  ['another expiry', { expiresAt: 1 }, false],
  ['another class', { retentionClass: 'default' }, false],
])('a record is the same as %s: %j %j', (_, change, same) => {
  const [record] = batchOf(['{}']);
  const { recordHash, expiresAt, retentionClass, payload } = record;
  const row = { recordHash, expiresAt, retentionClass, payloadDigest: payloadDigest(payload), ...change };
  expect(isSame(record, row)).toBe(same);
});

it("partitions are the engine's own", async () => {
  const month = fc.integer({ min: 0, max: 13 * 40 });
  const edge = fc.constantFrom(-1, 0, 1, 86_399, 86_400, -43_200);
  const expiry = fc
    .tuple(month, edge)
    .map(([months, seconds]) => Math.min(Date.UTC(2026, months, 1) / 1000 + seconds, 4_102_444_800));
  const retentionClass = fc.constantFrom('hipaa', 'default', 'ledger', "it's", 'tab');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(retentionClass, expiry), { minLength: 1, maxLength: 40 }),
      async (places) => {
        const batch = batchOf(places.map((_, i) => `{"i":${i}}`));
        for (const [i, [name, expiresAt]] of places.entries())
          Object.assign(batch[i]!, { retentionClass: name, expiresAt });
        await insert(batch);
        const rows = await store.query<{ seq: string; partition: string }>(
          'SELECT seq, _partition_id AS partition FROM spanledger.audit_records WHERE chain_id = {chain:String} ORDER BY seq',
          { chain: batch[0].chainId },
        );
        const theirs = new Map(
          rows.map(({ seq, partition }) => [partitionOf(batch[Number(seq)]!), partition]),
        );
        for (const { seq, partition } of rows)
          expect(theirs.get(partitionOf(batch[Number(seq)]!))).toBe(partition);
        expect(new Set(theirs.values()).size).toBe(theirs.size);
      },
    ),
    { numRuns: 25 },
  );
});
