import { describe, expect, it } from 'vitest';
import { recordHash } from '../../src/chain/entry.ts';
import { LAST, SIZE, twoChains } from '../support/two-chains.ts';

/*
 * ATTACKS.md, "Content": each as an attacker with all rights on the database does it, and exactly what both engines
 * must find. The numbers are the catalogue's. What needs a checkpoint to be seen is not here.
 */

const ledger = twoChains();
const all = (code: string, chain: string, from = 0) =>
  Array.from({ length: SIZE - from }, (_, i) => `${code} ${chain}:${from + i}`);

type Attack = [attack: string, tamper: () => Promise<unknown>, findings: string[]];

const EDITS: Attack[] = [
  ['nothing', async () => {}, []],
  [
    '1 a payload',
    () => ledger.move({ payload: `replaceOne(payload, 'list_files', 'drop_table')` }, ledger.at('A', 4)),
    ['record_mismatch A:4'],
  ],
  ['1 the first', () => ledger.edit('A', 0), ['record_mismatch A:0']],
  ['1 the last', () => ledger.edit('A', LAST), [`record_mismatch A:${LAST}`]],
  [
    '1 a whole chain',
    () => ledger.update(`payload = concat(payload, ' ')`, ledger.of('A')),
    all('record_mismatch', 'A'),
  ],
  [
    '1 both chains',
    () => ledger.update(`payload = concat(payload, ' ')`, 'seq = 3'),
    ['record_mismatch A:3', 'record_mismatch B:3'],
  ],
  [
    '1 emptied',
    () => ledger.move({ payload: `''` }, ledger.at('A', 4)),
    ['derived_mismatch A:4', 'record_mismatch A:4'],
  ],
  [
    '5 what no column shows',
    () => ledger.update(`payload = replaceOne(payload, '"salt":"', '"salt":"A')`, ledger.at('A', 4)),
    ['record_mismatch A:4'],
  ],
  [
    '6 a hash',
    () => ledger.update('record_hash = reverse(record_hash)', ledger.at('A', 4)),
    ['record_mismatch A:4', 'record_mismatch A:5'],
  ],
  [
    '6 the first hash',
    () => ledger.update('record_hash = reverse(record_hash)', ledger.at('A', 0)),
    ['record_mismatch A:0', 'record_mismatch A:1'],
  ],
  [
    '6 the last hash',
    () => ledger.update('record_hash = reverse(record_hash)', ledger.at('A', LAST)),
    [`record_mismatch A:${LAST}`],
  ],
  [
    '6 all hashes of a chain',
    () => ledger.update('record_hash = reverse(record_hash)', ledger.of('A')),
    all('record_mismatch', 'A'),
  ],
  ['6 a seq', () => ledger.move({ seq: '20' }, ledger.at('A', 4)), ['seq_gap A:11-19', 'seq_gap A:4']],
  [
    '6 a chain',
    () => ledger.move({ chain_id: `'another'` }, ledger.at('A', 4)),
    ['genesis_missing another:0-3', 'seq_gap A:4'],
  ],
  [
    '6 the chain of the first',
    () => ledger.move({ chain_id: `'another'` }, ledger.at('A', 0)),
    ['genesis_missing A:0', 'record_mismatch another:0'],
  ],
  [
    '6 the chain of all',
    () => ledger.move({ chain_id: `'another'` }, ledger.of('A')),
    all('record_mismatch', 'another'),
  ],
  [
    '7 an expiry',
    () => ledger.move({ expires_at: 'expires_at + 86400' }, ledger.at('A', 4)),
    ['record_mismatch A:4'],
  ],
  [
    '7 a class',
    () => ledger.move({ retention_class: `'hipaa'` }, ledger.at('A', 4)),
    ['derived_mismatch A:4'],
  ],
  [
    '7 a class and an expiry',
    () => ledger.move({ retention_class: `'hipaa'`, expires_at: 'expires_at + 1' }, ledger.at('A', 4)),
    ['derived_mismatch A:4', 'record_mismatch A:4'],
  ],
  [
    '11 the same in other bytes',
    () => ledger.update(`payload = replaceOne(payload, ',"', ', "')`, ledger.at('A', 4)),
    ['record_mismatch A:4'],
  ],
  [
    'three at once',
    async () => {
      await ledger.edit('A', 2);
      await ledger.update('record_hash = reverse(record_hash)', ledger.at('B', LAST));
      await ledger.remove(ledger.at('A', 7));
    },
    ['record_mismatch A:2', `record_mismatch B:${LAST}`, 'seq_gap A:7'],
  ],
];

it.each(EDITS)('%s', async (_, tamper, findings) => {
  await tamper();
  expect(await ledger.findings()).toEqual([...findings].sort());
});

describe('with hashes made to fit', () => {
  const refit = async (seq: number) => {
    const row = (await ledger.rows(ledger.ids.A))[seq]!;
    const before = (await ledger.rows(ledger.ids.A))[seq - 1]!;
    const payload = row.payload.toString().replace('"v":1', '"v":2');
    const entry = { chainId: ledger.ids.A!, seq, expiresAt: row.expiresAt, prevHash: before.recordHash };
    await ledger.remove(ledger.at('A', seq));
    await ledger.put([{ ...row, payload, recordHash: ledger.hashOf(entry, payload) }]);
  };

  it('2 one record: at the next', async () => {
    await refit(4);
    expect(await ledger.findings()).toEqual(['record_mismatch A:5']);
  });

  it('2 the last record: by the chain that follows it, which says how this one ended', async () => {
    const row = (await ledger.rows(ledger.ids.A))[LAST]!;
    await refit(LAST);
    expect((await ledger.rows(ledger.ids.A))[LAST]!.recordHash).not.toBe(row.recordHash);
    expect(await ledger.findings()).toEqual([`fork A:${LAST}`]);
  });

  it('11 the same in other bytes: not canonical, from the first to the last', async () => {
    for (const seq of [0, 4, LAST]) {
      await ledger.reset();
      await ledger.reseal(ledger.ids.A!, (row) =>
        row.seq === BigInt(seq) ? { payload: row.payload.toString().replace(',"', ', "') } : {},
      );
      // Its writer signed the whole of it at its end.
      const signed = seq === LAST ? [] : [`checkpoint_mismatch A:${LAST}`];
      expect(await ledger.findings()).toEqual([...signed, `payload_not_canonical A:${seq}`]);
    }
  });

  it('14 over entries of another version from some seq on', async () => {
    await ledger.reseal(
      ledger.ids.A!,
      () => ({}),
      (entry) =>
        entry.seq < 4n
          ? recordHash(entry)
          : ledger.hashOfText(entry, (text) => text.replace('entry/v1', 'entry/v0')),
    );
    expect(await ledger.findings()).toEqual(all('record_mismatch', 'A', 4).sort());
  });

  it('34 of another deployment', async () => {
    const ledgerId = '11111111-2222-4333-8444-555555555555';
    await ledger.reseal(
      ledger.ids.A!,
      () => ({}),
      (entry) => recordHash({ ...entry, ledgerId }),
    );
    expect(await ledger.findings()).toEqual(all('record_mismatch', 'A').sort());
  });
});
