import { expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { sealChain } from '../support/ledger-kit.ts';
import { twoChains } from '../support/two-chains.ts';

/* A changed policy is told of by the chain that is the first under it. */

const ledger = twoChains();
const [ONE, OTHER, THIRD] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [string, string, string];

const control = (action: string, said: object) =>
  canonicalJson({
    action,
    control: said,
    recorded_at: '2026-01-01T00:00:00.000000Z',
    retention_class: 'ledger',
  });
const opened = (policy_digest: string, before?: string) =>
  control('chain_opened', {
    role: 'records',
    policy_digest,
    ...(before === undefined ? {} : { predecessor: { chain_id: before, head: 'x', size: 1 } }),
  });
const changed = (old: string, next: string) => control('policy_changed', { old, new: next });

/** What is found where the first chain was under one policy, and the second says so much of its own. */
async function after(...second: readonly string[]): Promise<{ status: string; told: string[] }> {
  await ledger.put(sealChain('first', [opened(ONE)]));
  await ledger.put(sealChain('second', second));
  const { status, findings } = await ledger.verify();
  return { status, told: findings.map(({ code, chain_id, seq }) => `${code} ${chain_id}:${seq}`) };
}

it('another policy that nothing tells of is a warning', async () => {
  expect(await after(opened(OTHER, 'first'))).toEqual({
    status: 'valid',
    told: ['policy_unrecorded second:0'],
  });
});

it('another policy that is told of is none', async () => {
  expect((await after(opened(OTHER, 'first'), changed(ONE, OTHER))).told).toEqual([]);
});

it('the same policy is none', async () => {
  expect((await after(opened(ONE, 'first'))).told).toEqual([]);
});

it('a change between other policies is not this one', async () => {
  expect((await after(opened(OTHER, 'first'), changed(ONE, THIRD))).told).toEqual([
    'policy_unrecorded second:0',
  ]);
});

it('a chain of which the one before is not there is asked nothing', async () => {
  expect((await after(opened(OTHER, 'gone'))).told).toEqual([]);
});
