import { describe, expect, it } from 'vitest';
import { ZERO_HASH } from '../../src/chain/entry.ts';
import { id, sealChain } from '../support/ledger-kit.ts';
import { butOfSchema, told } from '../support/tampered-ledger.ts';
import { LAST, SIZE, twoChains } from '../support/two-chains.ts';

/* ATTACKS.md, "Structure": as in content.test.ts. */

const ledger = twoChains();
const range = (code: string, chain: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${code} ${chain}:${from + i}`);

type Attack = [attack: string, tamper: () => Promise<unknown>, findings: string[]];

describe('deletion', () => {
  it.each<Attack>([
    ['15 one in the middle', () => ledger.remove(ledger.at('A', 4)), ['seq_gap A:4']],
    [
      '15 a range in the middle',
      () => ledger.remove(`${ledger.of('A')} AND seq BETWEEN 3 AND 7`),
      ['seq_gap A:3-7'],
    ],
    [
      '15 two ranges',
      () => ledger.remove(`${ledger.of('A')} AND seq IN (2, 5, 6)`),
      ['seq_gap A:2', 'seq_gap A:5-6'],
    ],
    [
      '15 all but the ends',
      () => ledger.remove(`${ledger.of('A')} AND seq NOT IN (0, ${LAST})`),
      [`seq_gap A:1-${LAST - 1}`],
    ],
    ['15 of every chain', () => ledger.remove('seq = 4'), ['seq_gap A:4', 'seq_gap B:4']],
    ['16 the genesis', () => ledger.remove(ledger.at('A', 0)), ['genesis_missing A:0']],
    ['16 the first four', () => ledger.remove(`${ledger.of('A')} AND seq < 4`), ['genesis_missing A:0-3']],
    [
      '16 all but the last',
      () => ledger.remove(`${ledger.of('A')} AND seq < ${LAST}`),
      [`genesis_missing A:0-${LAST - 1}`],
    ],
    [
      '16 the genesis, and one in the middle',
      () => ledger.remove(`${ledger.of('A')} AND seq IN (0, 4)`),
      ['genesis_missing A:0', 'seq_gap A:4'],
    ],
    ['17 the tail: only a round would show it', () => ledger.remove(`${ledger.of('A')} AND seq > 4`), []],
    ['31 a chain: only a round would show it', () => ledger.remove(ledger.of('A')), []],
  ])('%s', async (_, tamper, findings) => {
    await tamper();
    expect(await ledger.findings()).toEqual([...findings].sort());
  });
});

describe('insertion', () => {
  const renumber = () => ledger.move({ seq: 'seq + 1' }, `${ledger.of('A')} AND seq >= 4`);
  const foreign = {
    retentionClass: 'ledger',
    expiresAt: 4_102_444_800,
    payload: '{"retention_class":"ledger"}',
  };

  it('19 of a record, with the others renumbered', async () => {
    await renumber();
    await ledger.put([{ ...foreign, chainId: ledger.ids.A!, seq: 4n, recordHash: id(32) }]);
    expect(await ledger.findings()).toEqual(range('record_mismatch', 'A', 4, SIZE).sort());
  });

  it('19 of a record whose hash fits, with the others renumbered', async () => {
    const before = (await ledger.rows(ledger.ids.A))[3]!;
    await renumber();
    const entry = {
      chainId: ledger.ids.A!,
      seq: 4,
      expiresAt: foreign.expiresAt,
      prevHash: before.recordHash,
    };
    await ledger.put([
      { ...foreign, chainId: ledger.ids.A!, seq: 4n, recordHash: ledger.hashOf(entry, foreign.payload) },
    ]);
    expect(await ledger.findings()).toEqual(range('record_mismatch', 'A', 5, SIZE).sort());
  });

  it.each([
    ['A', [`fork A:${SIZE}`], 'the next chain says where it ended'],
    ['B', [], 'the writer sees it, or a round'],
  ])('20 of a record after the last of %s, whose hash fits: %j', async (name, findings) => {
    const last = (await ledger.rows(ledger.ids[name]))[LAST]!;
    const chainId = ledger.ids[name]!;
    const entry = { chainId, seq: SIZE, expiresAt: foreign.expiresAt, prevHash: last.recordHash };
    const recordHash = ledger.hashOf(entry, foreign.payload);
    await ledger.put([{ ...foreign, chainId, seq: BigInt(SIZE), recordHash }]);
    expect(await ledger.findings()).toEqual(findings);
  });

  it('21 of the same row again, and again: a warning', async () => {
    await ledger.copy({}, ledger.at('A', 4));
    const once = await ledger.verify();
    expect(once).toMatchObject({ status: 'valid', broken_at_record: null, records_checked: 2 * SIZE });
    expect(once.findings).toMatchObject([{ code: 'duplicate_identical', severity: 'warning', seq: 4 }]);
    await ledger.copy({}, ledger.at('A', 4));
    await ledger.copy({}, ledger.at('A', 0));
    await ledger.copy({}, ledger.at('A', LAST));
    const all = await ledger.findings();
    expect(all).toHaveLength(5);
    expect([...new Set(all)]).toEqual([
      'duplicate_identical A:0',
      `duplicate_identical A:${LAST}`,
      'duplicate_identical A:4',
    ]);
  });

  it('21 of every row again', async () => {
    await ledger.copy({}, '1');
    const { status, findings, records_checked } = await ledger.verify();
    expect([status, findings.length, records_checked]).toEqual(['valid', 2 * SIZE, 2 * SIZE]);
  });

  // Rows of one place are told apart by their hashes, and the next is linked to the last of them.
  it.each([
    ['that sorts first', '00'.repeat(32), ['record_mismatch A:4', 'duplicate_conflict A:4']],
    ['that sorts last', 'ff'.repeat(32), ['duplicate_conflict A:4', 'record_mismatch A:5']],
  ])('22 of another row at a place, %s', async (_, hash, findings) => {
    await ledger.put([{ ...foreign, chainId: ledger.ids.A!, seq: 4n, recordHash: hash }]);
    expect(await ledger.findings()).toEqual([...findings].sort());
  });

  it.each([
    ['payload', { payload: `replaceOne(payload, '"v":1', '"v":2')` }],
    ['expiry', { expires_at: 'expires_at + 1' }],
  ])('22 of the same row with another %s and its hash', async (_, changes) => {
    await ledger.copy(changes, ledger.at('A', 4));
    const found = await ledger.findings();
    expect(found).toContain('duplicate_conflict A:4');
    expect(found.filter((each) => !each.endsWith('A:4'))).toEqual([]);
  });

  it('22 of the same row in another class, which its payload does not say', async () => {
    await ledger.copy({ retention_class: `'hipaa'` }, ledger.at('A', 4));
    expect(await ledger.findings()).toContain('derived_mismatch A:4');
  });
});

describe('order', () => {
  const swap = (column: string, one: number, other: number) =>
    ledger.move(
      {
        [column]: `if(seq = ${one}, (SELECT ${column} FROM kept.records WHERE ${ledger.at('A', other)}), (SELECT ${column} FROM kept.records WHERE ${ledger.at('A', one)}))`,
      },
      `${ledger.of('A')} AND seq IN (${one}, ${other})`,
    );

  it.each<Attack>([
    ['23 two payloads', () => swap('payload', 4, 7), ['record_mismatch A:4', 'record_mismatch A:7']],
    [
      '23 two seqs',
      () => ledger.move({ seq: 'if(seq = 4, 7, 4)' }, `${ledger.of('A')} AND seq IN (4, 7)`),
      ['record_mismatch A:4', 'record_mismatch A:5', 'record_mismatch A:7', 'record_mismatch A:8'],
    ],
    [
      '23 two neighbours',
      () => ledger.move({ seq: 'if(seq = 4, 5, 4)' }, `${ledger.of('A')} AND seq IN (4, 5)`),
      ['record_mismatch A:4', 'record_mismatch A:5', 'record_mismatch A:6'],
    ],
    [
      '23 all of a chain',
      () => ledger.move({ seq: `${LAST} - seq` }, ledger.of('A')),
      range('record_mismatch', 'A', 0, LAST),
    ],
    [
      '32 the genesis’s payload',
      () =>
        ledger.move(
          { payload: `(SELECT payload FROM kept.records WHERE ${ledger.at('B', 0)})` },
          ledger.at('A', 0),
        ),
      ['record_mismatch A:0'],
    ],
    [
      '32 the genesis',
      async () => {
        await ledger.remove(ledger.at('A', 0));
        await ledger.copy({ chain_id: `'${ledger.ids.A}'` }, ledger.at('B', 0));
      },
      ['record_mismatch A:0', 'record_mismatch A:1'],
    ],
    [
      '33 a record to another chain’s end',
      () => ledger.move({ chain_id: `'${ledger.ids.B}'`, seq: String(SIZE) }, ledger.at('A', 4)),
      ['seq_gap A:4', `record_mismatch B:${SIZE}`],
    ],
    [
      '33 a chain’s tail to another’s',
      () =>
        ledger.move(
          { chain_id: `'${ledger.ids.B}'`, seq: `seq + ${SIZE - 8}` },
          `${ledger.of('A')} AND seq >= 8`,
        ),
      range('record_mismatch', 'B', SIZE, SIZE + 2),
    ],
  ])('%s', async (_, tamper, findings) => {
    await tamper();
    expect(await ledger.findings()).toEqual([...findings].sort());
  });

  it.each<[how: string, rewrite: () => Promise<unknown>]>([
    [
      'in other parts, one a row, latest first',
      async () => {
        const rows = await ledger.rows();
        await ledger.remove('1');
        await ledger.store.command('SYSTEM STOP MERGES spanledger.audit_records');
        for (const row of rows.reverse()) await ledger.put([row]);
        await ledger.store.command('SYSTEM START MERGES spanledger.audit_records');
      },
    ],
    ['merged', () => ledger.store.command('OPTIMIZE TABLE spanledger.audit_records FINAL')],
    ['rewritten by a mutation', () => ledger.update('payload = payload', '1')],
    [
      'detached and attached',
      async () => {
        await ledger.store.command('DETACH TABLE spanledger.audit_records SYNC');
        await ledger.store.command('ATTACH TABLE spanledger.audit_records');
      },
    ],
  ])('24 rows %s are sound', async (_, rewrite) => {
    await rewrite();
    const result = await ledger.verify();
    expect(told(result)).toEqual([]);
    expect(result).toMatchObject({ broken_at_record: null, records_checked: 2 * SIZE });
  });
});

describe('a chain of one record', () => {
  const [only] = sealChain('one', ['{"retention_class":"ledger"}']);

  it('is valid, and its head is its hash', async () => {
    await ledger.put([only!]);
    const { status, chains } = await ledger.verify();
    expect(status).toBe('valid');
    expect(chains).toContainEqual({ chain_id: 'one', size: 1, head: only!.recordHash, status: 'valid' });
  });

  it.each([
    ['its payload', { payload: '{"retention_class":"ledger","x":1}' }, ['record_mismatch one:0']],
    ['its hash', { recordHash: ZERO_HASH }, ['record_mismatch one:0']],
    ['its place', { seq: 1n }, ['genesis_missing one:0']],
    ['its chain', { chainId: 'another' }, ['record_mismatch another:0']],
    ['its class', { retentionClass: 'hipaa' }, ['derived_mismatch one:0']],
    ['its expiry', { expiresAt: 1 }, ['record_mismatch one:0']],
  ])('of which %s is another', async (_, change, findings) => {
    await ledger.put([{ ...only!, ...change }]);
    expect(await ledger.findings()).toEqual(findings);
  });
});

it('of ten chains one is bad: the ledger is, the nine are not', async () => {
  await ledger.remove('1');
  const chains = Array.from({ length: 10 }, (_, i) =>
    sealChain(`chain-${i}`, Array(5).fill('{"retention_class":"ledger"}')),
  );
  await ledger.put(chains.flat());
  await ledger.update(`payload = concat(payload, ' ')`, `chain_id = 'chain-6' AND seq = 2`);
  const result = await ledger.verify();
  expect(result).toMatchObject({
    status: 'tampered',
    records_checked: 50,
    broken_at_record: { chain_id: 'chain-6', seq: 2, id: 'chain-6:2' },
  });
  expect(butOfSchema(result)).toMatchObject([
    { code: 'record_mismatch', severity: 'critical', chain_id: 'chain-6', seq: 2 },
  ]);
  expect(result.chains).toEqual(
    chains.map((records, i) => ({
      chain_id: `chain-${i}`,
      size: 5,
      head: records.at(-1)!.recordHash,
      status: i === 6 ? 'tampered' : 'valid',
    })),
  );
  // A replay from another ledger is no better for being whole.
  const ledgerId = '11111111-2222-4333-8444-555555555555';
  await ledger.put(sealChain('replayed', ['{"retention_class":"ledger"}'], 0n, ledgerId));
  expect(butOfSchema(await ledger.verify()).map(({ chain_id }) => chain_id)).toEqual(['chain-6', 'replayed']);
});
