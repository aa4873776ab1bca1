import { describe, expect, it } from 'vitest';
import { verify } from '../../src/verify/verify.ts';
import { LEDGER_ID, sealChain } from '../support/ledger-kit.ts';
import { butOfSchema } from '../support/tampered-ledger.ts';
import { SIZE, twoChains } from '../support/two-chains.ts';

const ledger = twoChains();
const head = async (name: string) => (await ledger.rows(ledger.ids[name])).at(-1)!.recordHash;
const plain = '{"retention_class":"ledger"}';

describe('a verdict', () => {
  it('valid: everything it says', async () => {
    const result = await ledger.verify();
    const chains = [];
    for (const name of ['A', 'B'].sort((a, b) => (ledger.ids[a]! < ledger.ids[b]! ? -1 : 1)))
      chains.push({ chain_id: ledger.ids[name], size: SIZE, head: await head(name), status: 'valid' });
    expect(result).toEqual({
      status: 'valid',
      ledger_id: LEDGER_ID,
      records_checked: 2 * SIZE,
      chains,
      broken_at_record: null,
      findings: [],
      unchecked: [],
      expired: 0,
      erased: 0,
      on_hold: 0,
      // Its writer's word for itself: the end of each chain. Nobody outside vouches for them.
      unanchored: 2 * SIZE,
      checkpoints_verified: 2,
      rounds_verified: 0,
      anchors_verified: 0,
      trust: 'none',
      trust_sha256: null,
      state_sha256: null,
      trusted_keys: [],
      elapsed_ms: expect.any(Number),
    });
  });

  it('empty: zero records are never valid', async () => {
    await ledger.remove('1');
    expect(await ledger.verify()).toMatchObject({
      status: 'empty',
      records_checked: 0,
      chains: [],
      findings: [],
    });
  });

  it('tampered: the first that is critical is named, in order of chain and seq', async () => {
    const [first, second] = ['A', 'B'].sort((a, b) => (ledger.ids[a]! < ledger.ids[b]! ? -1 : 1)) as [
      string,
      string,
    ];
    await ledger.copy({}, ledger.at(first, 1));
    await ledger.edit(second, 2);
    await ledger.edit(first, 5);
    await ledger.edit(first, 3);
    const result = await ledger.verify();
    expect(butOfSchema(result).map(({ code, seq }) => [code, seq])).toEqual([
      ['duplicate_identical', 1],
      ['record_mismatch', 3],
      ['record_mismatch', 5],
      ['record_mismatch', 2],
    ]);
    expect(result.broken_at_record).toEqual({
      chain_id: ledger.ids[first],
      seq: 3,
      id: `${ledger.ids[first]}:3`,
    });
    expect(result.chains.map(({ status }) => status)).toEqual(['tampered', 'tampered']);
  });

  it('of another ledger: every record is replayed', async () => {
    for (const engine of ['sql', 'node'] as const) {
      const result = await verify(ledger.store, { ledgerId: '11111111-2222-4333-8444-555555555555', engine });
      expect(result.findings).toHaveLength(2 * SIZE);
      expect(result.status).toBe('tampered');
    }
  });

  it('lists what is found at one place in the order of its codes', async () => {
    await ledger.put([
      {
        chainId: ledger.ids.A!,
        seq: 4n,
        retentionClass: 'hipaa',
        expiresAt: 1,
        recordHash: '00'.repeat(32),
        payload: plain,
      },
    ]);
    const { findings } = await ledger.verify();
    expect(findings.map(({ code }) => code)).toEqual([
      'record_mismatch',
      'derived_mismatch',
      'duplicate_conflict',
    ]);
  });

  it('tells how far it is, to the end', async () => {
    for (const engine of ['sql', 'node'] as const) {
      const progress: [number, number][] = [];
      await verify(ledger.store, { ledgerId: LEDGER_ID, engine, progress: (...each) => progress.push(each) });
      expect(progress.at(-1)).toEqual([2 * SIZE, 2 * SIZE]);
      expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((a, b) => a - b));
    }
  });
});

describe('of one conversation', () => {
  const talk = (conversation: string) => `{"conversation_id":"${conversation}","retention_class":"ledger"}`;

  it('only its chains are checked, and its records counted', async () => {
    await ledger.put(sealChain('one', [plain, talk('c1'), talk('c1'), talk('c2')]));
    await ledger.put(sealChain('two', [plain, talk('c1'), plain]));
    await ledger.put(sealChain('other', [plain, talk('c2')]));
    await ledger.edit('A', 3);
    const result = await ledger.verify({ conversation: 'c1' });
    expect(butOfSchema(result)).toEqual([]);
    expect(result).toMatchObject({ broken_at_record: null, records_checked: 3 });
    expect(result.chains.map(({ chain_id }) => chain_id)).toEqual(['one', 'two']);
    await ledger.update(`payload = concat(payload, ' ')`, `chain_id = 'one' AND seq = 0`);
    expect(await ledger.verify({ conversation: 'c1' })).toMatchObject({
      status: 'tampered',
      records_checked: 3,
    });
    expect(await ledger.verify({ conversation: 'c2' })).toMatchObject({
      status: 'tampered',
      records_checked: 2,
    });
  });

  it.each(['c9', '', "c1' OR '1' = '1"])('unknown, %j: empty', async (conversation) => {
    await ledger.put(sealChain('one', [talk('c1')]));
    expect(await ledger.verify({ conversation })).toMatchObject({
      status: 'empty',
      records_checked: 0,
      chains: [],
    });
  });

  it('found under a name that is no text', async () => {
    const [record] = sealChain('one', [talk('c1')]);
    await ledger.put([{ ...record!, chainId: Buffer.from('ff', 'hex') }]);
    expect(await ledger.verify({ conversation: 'c1' })).toMatchObject({
      status: 'tampered',
      records_checked: 1,
    });
  });
});

describe('tombstones', () => {
  it('beside their records demand nothing', async () => {
    await ledger.bury(`${ledger.of('A')} AND seq BETWEEN 3 AND 5`);
    expect(await ledger.verify()).toMatchObject({
      status: 'valid',
      findings: [],
      records_checked: 2 * SIZE,
      expired: 0,
    });
  });

  it('keep a chain whole in place of their records, and are counted', async () => {
    await ledger.bury(`${ledger.of('A')} AND seq BETWEEN 3 AND 5`);
    await ledger.bury(ledger.at('A', 8), 'erased');
    await ledger.remove(`${ledger.of('A')} AND seq IN (3, 4, 5, 8)`);
    const result = await ledger.verify();
    expect(result).toMatchObject({ records_checked: 2 * SIZE, expired: 3, erased: 1 });
    expect(result.findings.filter(({ code }) => code === 'seq_gap' || code === 'record_mismatch')).toEqual(
      [],
    );
  });

  it.each([
    ['hash', { record_hash: 'reverse(record_hash)' }],
    ['digest', { payload_digest: "SHA256(concat(payload, ' '))" }],
    ['expiry', { expires_at: 'expires_at - 86400' }],
  ])('41 with another %s beside a record do not fit it', async (_, changes) => {
    await ledger.bury(ledger.at('A', 4), 'expired', changes);
    const found = await ledger.findings();
    expect(found).toContain('tombstone_mismatch A:4');
    // The next record is linked to the last of what stands here.
    expect(found.filter((each) => each !== 'tombstone_mismatch A:4')).toEqual(
      'record_hash' in changes ? ['record_mismatch A:5'] : [],
    );
  });

  it.each([
    ['hash', { record_hash: 'reverse(record_hash)' }, ['record_mismatch A:4', 'record_mismatch A:5']],
    ['digest', { payload_digest: "SHA256(concat(payload, ' '))" }, ['record_mismatch A:4']],
    ['37 expiry', { expires_at: 'expires_at - 86400' }, ['record_mismatch A:4']],
  ])('with another %s in place of a record are no proof of it', async (_, changes, findings) => {
    await ledger.bury(ledger.at('A', 4), 'expired', changes);
    await ledger.remove(ledger.at('A', 4));
    expect(await ledger.findings()).toEqual(expect.arrayContaining(findings));
  });

  it('twice: a warning', async () => {
    for (let i = 0; i < 2; i++) await ledger.bury(ledger.at('A', 4));
    await ledger.remove(ledger.at('A', 4));
    expect(await ledger.findings()).toEqual(expect.arrayContaining(['duplicate_identical A:4']));
  });

  it('44 are not there: a gap', async () => {
    await ledger.bury(`${ledger.of('A')} AND seq IN (3, 5)`);
    await ledger.remove(`${ledger.of('A')} AND seq BETWEEN 3 AND 5`);
    expect(await ledger.findings()).toEqual(expect.arrayContaining(['seq_gap A:4']));
  });

  it('of a chain that is wholly gone are a chain still', async () => {
    await ledger.bury(ledger.of('A'));
    await ledger.remove('1');
    const result = await ledger.verify();
    expect(result).toMatchObject({ records_checked: SIZE, expired: SIZE });
    expect(result.chains).toMatchObject([{ chain_id: ledger.ids.A, size: SIZE }]);
    expect(result.status).not.toBe('empty');
  });
});
