import { describe, expect, it } from 'vitest';
import { rootOfLeaves } from '../../src/chain/merkle.ts';
import { type Baseline, judgeLedger } from '../../src/verify/index.ts';
import { LEDGER_ID, sealChain } from '../support/ledger-kit.ts';
import { told } from '../support/tampered-ledger.ts';
import { SIZE, twoChains } from '../support/two-chains.ts';

const ledger = twoChains();
const plain = '{"retention_class":"ledger"}';

/** By both engines, which must agree. */
async function judge(baseline?: Baseline) {
  const judged = (engine: 'sql' | 'node') =>
    judgeLedger(ledger.store, { ledgerId: LEDGER_ID, engine, ...(baseline && { baseline }) });
  const sql = await judged('sql');
  const node = await judged('node');
  expect(sql.chains).toEqual(node.chains);
  expect({ ...sql.verification, elapsed_ms: 0 }).toEqual({ ...node.verification, elapsed_ms: 0 });
  return sql;
}

const known = async (): Promise<Baseline> =>
  new Map((await judge()).chains.map((chain) => [chain.chain_id, chain]));

describe('a chain as it was found', () => {
  it('has the root of the tree over its record hashes', async () => {
    const { chains } = await judge();
    expect(chains).toHaveLength(2);
    for (const chain of chains) {
      const hashes = (await ledger.rows(chain.chain_id)).map(({ recordHash }) => recordHash);
      expect(chain).toMatchObject({
        size: SIZE,
        head: hashes.at(-1),
        root: rootOfLeaves(hashes),
        status: 'valid',
        role: 'records',
        closed: true,
      });
    }
  });

  it('is told also where it was tampered with, but not with a hole in it', async () => {
    await ledger.edit('A', 3);
    await ledger.remove(ledger.at('B', 3));
    expect((await judge()).chains).toMatchObject([{ chain_id: ledger.ids.A, status: 'tampered' }]);
  });
});

describe('after a baseline', () => {
  it('only what follows it is read', async () => {
    const long = sealChain('long', Array(20).fill(plain));
    const many = Array.from({ length: 5 }, (_, i) => sealChain(`m${i}`, Array(4).fill(plain)));
    await ledger.put(long.slice(0, 12));
    for (const chain of many) await ledger.put(chain.slice(0, 2));
    const before = await known();
    expect((await judge(before)).verification).toMatchObject({ records_checked: 0, chains: [] });
    await ledger.put(long.slice(12));
    for (const chain of many) await ledger.put(chain.slice(2));
    await ledger.put(sealChain('new', [plain, plain]));
    // What is before is not looked at.
    await ledger.edit('A', 3);
    await ledger.update(`payload = concat(payload, ' ')`, `chain_id = 'long' AND seq = 4`);
    const { verification, chains } = await judge(before);
    expect(verification).toMatchObject({ status: 'valid', findings: [], records_checked: 20 });
    expect(chains.map(({ chain_id, size }) => [chain_id, size])).toEqual([
      ['long', 20],
      ...many.map((_, i) => [`m${i}`, 4]),
      ['new', 2],
    ]);
    for (const { chain_id, root } of chains)
      expect(root).toBe(rootOfLeaves((await ledger.rows(chain_id)).map(({ recordHash }) => recordHash)));
  });

  it.each([
    ['payload', `payload = concat(payload, ' ')`, 'record_mismatch long:13'],
    ['hash', 'record_hash = reverse(record_hash)', 'record_mismatch long:13'],
  ])('an edited %s in it is found', async (_, set, finding) => {
    const long = sealChain('long', Array(20).fill(plain));
    await ledger.put(long.slice(0, 12));
    const before = await known();
    await ledger.put(long.slice(12));
    await ledger.update(set, `chain_id = 'long' AND seq = 13`);
    expect(told((await judge(before)).verification)).toContain(finding);
  });

  it('a chain that was written anew does not follow what is known', async () => {
    await ledger.put(sealChain('long', Array(12).fill(plain)));
    const before = await known();
    await ledger.remove(`chain_id = 'long'`);
    await ledger.put(sealChain('long', [`{"a":1,"retention_class":"ledger"}`, ...Array(19).fill(plain)]));
    expect(told((await judge(before)).verification)).toEqual(['rollback long:11', 'record_mismatch long:12']);
  });

  it('a hole after it is told', async () => {
    const long = sealChain('long', Array(20).fill(plain));
    await ledger.put(long.slice(0, 12));
    const before = await known();
    await ledger.put(long.slice(14));
    expect(told((await judge(before)).verification)).toEqual(['seq_gap long:12-13']);
  });
});
