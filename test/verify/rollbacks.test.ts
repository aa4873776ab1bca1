import { expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { sealChain } from '../support/ledger-kit.ts';
import { SIZE, twoChains } from '../support/two-chains.ts';

/* What a writer said is gone: `fork_detected`, kind `rollback`. Ship's own words are in test/ship/rollback.test.ts. */

const ledger = twoChains();

const says = (control: unknown, retention_class = 'ledger') =>
  canonicalJson({ action: 'fork_detected', control, retention_class });
const told = (...payloads: string[]) => ledger.put(sealChain('witness', payloads));
const rollback = (chain: string, seq: unknown) => says({ chain_id: chain, kind: 'rollback', seq });

it('the end of a chain, told in another', async () => {
  await ledger.remove(`${ledger.of('A')} AND seq > 4`);
  await told(rollback(ledger.ids.A!, SIZE - 1));
  expect(await ledger.findings()).toEqual([`seq_gap A:5-${SIZE - 1}`]);
  const { status, chains, broken_at_record } = await ledger.verify();
  expect(status).toBe('tampered');
  expect(broken_at_record).toMatchObject({ chain_id: ledger.ids.A, seq: 5 });
  expect(chains.map((chain) => chain.status).sort()).toEqual(['tampered', 'valid', 'valid']);
});

it('a whole chain, told twice, is one finding to the last place told', async () => {
  await ledger.remove(ledger.of('A'));
  await told(rollback(ledger.ids.A!, 3), rollback(ledger.ids.A!, 7));
  expect(await ledger.findings()).toEqual(['genesis_missing A:0-7']);
});

it('one that is there again is not missing', async () => {
  await told(rollback(ledger.ids.A!, SIZE - 1));
  expect(await ledger.findings()).toEqual([]);
});

it('in rows that are not clean, it is heard all the same', async () => {
  await ledger.remove(ledger.of('A'));
  await told(rollback(ledger.ids.A!, 0), '{"retention_class":"ledger"}');
  await ledger.update(`payload = concat(payload, ' ')`, `chain_id = 'witness' AND seq = 1`);
  expect(await ledger.findings()).toEqual(['genesis_missing A:0', 'record_mismatch witness:1']);
});

it('what is no such word says nothing, and harms nobody', async () => {
  await told(
    says({ chain_id: ledger.ids.A, kind: 'fork', seq: 99 }),
    rollback(ledger.ids.A!, -1),
    rollback(ledger.ids.A!, 1.5),
    rollback(ledger.ids.A!, '99'),
    says({ chain_id: 7, kind: 'rollback', seq: 99 }),
    says('rollback'),
    says([]),
    canonicalJson({ action: 'fork_detected', retention_class: 'ledger' }),
  );
  expect(await ledger.findings()).toEqual([]);
  await ledger.put(sealChain('broken', ['{"action":"fork_detected"']));
  expect((await ledger.findings()).some((finding) => finding === 'payload_not_canonical broken:0')).toBe(
    true,
  );
});
