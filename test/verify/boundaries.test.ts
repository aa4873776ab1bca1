import { expect, it } from 'vitest';
import { sealChain } from '../support/ledger-kit.ts';
import { twoChains } from '../support/two-chains.ts';

/*
 * The engines scan by parts of 250,000 seqs and blocks of 4,096, and read by pages of 5,000 rows. Chains of a few
 * records over those borders: a border must neither hide anything nor be found itself.
 */
const ledger = twoChains();
const BORDERS = [4_096, 5_000, 250_000].map(BigInt);
const plain = '{"retention_class":"ledger"}';

const over = (border: bigint, before = 4, after = 4) =>
  sealChain('chain', Array(before + after).fill(plain), border - BigInt(before));

it.each(BORDERS)('%d: links over it hold', async (border) => {
  await ledger.put(over(border));
  expect(await ledger.findings()).toEqual([`genesis_missing chain:0-${border - 5n}`]);
});

it.each(BORDERS.flatMap((border) => [-1n, 0n].map((offset): [bigint, bigint] => [border, offset])))(
  '%d: what is done at %d from it is found there',
  async (border, offset) => {
    const missing = `genesis_missing chain:0-${border - 5n}`;
    const seq = border + offset;
    const here = `chain_id = 'chain' AND seq = ${seq}`;
    const attacks: [string, () => Promise<unknown>, string[]][] = [
      [
        'edited',
        () => ledger.update(`payload = concat(payload, ' ')`, here),
        [`record_mismatch chain:${seq}`],
      ],
      [
        'rehashed',
        () => ledger.update('record_hash = reverse(record_hash)', here),
        [`record_mismatch chain:${seq}`, `record_mismatch chain:${seq + 1n}`],
      ],
      ['deleted', () => ledger.remove(here), [`seq_gap chain:${seq}`]],
      ['doubled', () => ledger.copy({}, here), [`duplicate_identical chain:${seq}`]],
      ['buried beside', () => ledger.bury(here), []],
    ];
    for (const [what, tamper, findings] of attacks) {
      await ledger.reset();
      await ledger.put(over(border));
      await tamper();
      expect(await ledger.findings(), what).toEqual([missing, ...findings].sort());
    }
  },
);

it('a chain of many blocks and pages: exactly what was done, and nothing at the borders', async () => {
  const size = 12_500;
  const rows = sealChain(
    'chain',
    Array.from({ length: size }, (_, i) => `{"i":${i},"retention_class":"ledger"}`),
  );
  for (let i = 0; i < size; i += 2_500) await ledger.put(rows.slice(i, i + 2_500));
  expect(await ledger.findings()).toEqual([]);
  await ledger.copy({}, `chain_id = 'chain' AND seq BETWEEN 4990 AND 5010`);
  await ledger.update(
    `payload = concat(payload, ' ')`,
    `chain_id = 'chain' AND seq IN (0, 4095, 4096, 9999, 10000, ${size - 1})`,
  );
  await ledger.remove(`chain_id = 'chain' AND seq BETWEEN 8000 AND 8500`);
  const result = await ledger.verify();
  expect(result.findings.map(({ code, seq, to }) => [code, seq, to])).toEqual([
    ['record_mismatch', 0, undefined],
    ['record_mismatch', 4095, undefined],
    ['record_mismatch', 4096, undefined],
    ...Array.from({ length: 21 }, (_, i) => ['duplicate_identical', 4990 + i, undefined]),
    ['seq_gap', 8000, 8500],
    ['record_mismatch', 9999, undefined],
    ['record_mismatch', 10000, undefined],
    ['record_mismatch', size - 1, undefined],
  ]);
  expect(result.records_checked).toBe(22 + size - 501);
});

it('a place with more rows than a page', async () => {
  await ledger.put(sealChain('chain', Array(3).fill(plain)));
  for (let i = 0; i < 13; i++) await ledger.copy({}, `chain_id = 'chain' AND seq = 1`);
  const { findings, status } = await ledger.verify();
  expect(findings).toHaveLength(2 ** 13 - 1);
  expect(new Set(findings.map(({ code, seq }) => `${code} ${seq}`))).toEqual(
    new Set(['duplicate_identical 1']),
  );
  expect(status).toBe('valid');
});

it('more chains than one query takes, some of one record, one of many', async () => {
  const sizes = Array.from({ length: 1_100 }, (_, i) => (i === 700 ? 6_000 : 1 + (i % 3)));
  const chains = sizes.map((size, i) =>
    sealChain(`chain-${String(i).padStart(4, '0')}`, Array(size).fill(plain)),
  );
  await ledger.put(chains.flat());
  expect(await ledger.verify()).toMatchObject({
    status: 'valid',
    findings: [],
    records_checked: 22 + chains.flat().length,
  });
  const bad = [
    'chain-0000',
    'chain-0199',
    'chain-0200',
    'chain-0499',
    'chain-0500',
    'chain-0700',
    'chain-1099',
  ];
  await ledger.update(`payload = concat(payload, ' ')`, `chain_id IN ('${bad.join("', '")}') AND seq = 0`);
  expect(await ledger.findings()).toEqual(bad.map((chain) => `record_mismatch ${chain}:0`));
  // Forged with hashes that fit, in chains that share a query and are otherwise clean.
  await ledger.reset();
  const forged = chains.map((records, i) =>
    i % 100 === 0
      ? sealChain(records[0]!.chainId, [`${plain} `, ...records.slice(1).map(({ payload }) => payload)])
      : records,
  );
  await ledger.put(forged.flat());
  expect(await ledger.findings()).toEqual(
    forged.flatMap((records, i) => (i % 100 === 0 ? [`payload_not_canonical ${records[0]!.chainId}:0`] : [])),
  );
});
