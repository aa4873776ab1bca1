import { expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { sealChain } from '../support/ledger-kit.ts';
import { SIZE, twoChains } from '../support/two-chains.ts';

/* A journal goes on from its last chain once. */

const ledger = twoChains();

const opened = (predecessor?: unknown) =>
  canonicalJson({
    action: 'chain_opened',
    control: { role: 'records', ...(predecessor === undefined ? {} : { predecessor }) },
    retention_class: 'ledger',
  });
const open = (chain: string, predecessor?: unknown) => ledger.put(sealChain(chain, [opened(predecessor)]));
const whole = () => ({ chain_id: ledger.ids.B!, head: 'x', size: SIZE });

it('one chain after another is none', async () => {
  await open('first', whole());
  await open('second', { chain_id: 'first', head: 'x', size: 1 });
  await open('alone');
  expect(await ledger.findings()).toEqual([]);
});

it('two chains after one are told, each', async () => {
  await open('one', whole());
  await open('other', whole());
  expect(await ledger.findings()).toEqual(['fork one:0', 'fork other:0']);
  const { status, chains } = await ledger.verify();
  expect(status).toBe('tampered');
  expect(chains.filter((chain) => chain.status === 'tampered').map((chain) => chain.chain_id)).toEqual([
    'one',
    'other',
  ]);
});

it('a chain that goes on after its end is told where it should have ended', async () => {
  await open('one', { ...whole(), size: SIZE - 2 });
  expect(await ledger.findings()).toEqual([`fork B:${SIZE - 2}`]);
});

it.each([
  [{ chain_id: 7, size: 1 }],
  [{ chain_id: 'gone', size: 1 }],
  [{ chain_id: 'x', size: -1 }],
  ['x'],
  [null],
])('a predecessor like %j is nobody', async (predecessor) => {
  await open('one', predecessor);
  expect(await ledger.findings()).toEqual([]);
});
