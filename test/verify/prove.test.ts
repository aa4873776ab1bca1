import { beforeEach, describe, expect, it } from 'vitest';
import { checkProof } from '../../src/chain/check-proof.ts';
import { payloadDigest } from '../../src/chain/entry.ts';
import { formatProof, parseProof } from '../../src/chain/proof.ts';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { parseTrust } from '../../src/chain/trust.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { prove } from '../../src/verify/prove.ts';
import { embeddedStore } from '../support/embedded-store.ts';
import { CONTROL, FabricatedLedger } from '../support/proof-ledger.ts';

const CHAIN = 'a1'.repeat(16);
const OTHER = 'b2'.repeat(16);
const embedded = embeddedStore();
let ledger: FabricatedLedger;

beforeEach(async () => {
  ledger = new FabricatedLedger();
  for (const table of ['audit_records', 'audit_tombstones'])
    await embedded.store.command(`TRUNCATE TABLE spanledger.${table}`);
});

async function proven(chain: string, seq: number, how: { payload?: boolean; trust?: string } = {}) {
  const { payload = true, trust = ledger.trust() } = how;
  const { ledgerId } = ledger;
  const made = await prove(embedded.store, chain, seq, { ledgerId, payload, trust: parseTrust(trust) });
  const judged = checkProof(made.proof, parseTrust(trust));
  expect(judged.status).toBe('proven');
  expect(made.payload).toBe(judged.status === 'proven' && judged.record !== undefined);
  expect(formatProof(parseProof(made.proof))).toBe(made.proof);
  return { ...made, judged };
}

/** The refusal's code and message. */
async function refusal(chain: string, seq: number, trust = ledger.trust()): Promise<string> {
  try {
    await proven(chain, seq, { trust });
  } catch (error) {
    if (isSpanledgerError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

/** What is left of a record whose payload has gone. */
async function bury({ chainId, seq, expiresAt, payload, recordHash }: SealedRecord): Promise<void> {
  await embedded.store.command(
    `INSERT INTO spanledger.audit_tombstones (chain_id, seq, reason, expires_at, payload_digest, record_hash) VALUES ({chain:String}, {seq:UInt64}, 'expired', {at:UInt32}, unhex({digest:String}), unhex({hash:String}))`,
    { chain: chainId, seq, at: expiresAt, digest: payloadDigest(payload), hash: recordHash },
  );
}

async function remove(chain: string, seq: number): Promise<void> {
  await embedded.store.command(
    'DELETE FROM spanledger.audit_records WHERE chain_id = {chain:String} AND seq = {seq:UInt64}',
    { chain, seq },
  );
}

describe('the proof of a record in the store', () => {
  it('is that of the first round that lists it, below the first checkpoint after', async () => {
    ledger.fill(CHAIN, 5);
    ledger.round();
    ledger.checkpoint();
    ledger.fill(CHAIN, 9);
    ledger.fill(OTHER, 3);
    ledger.round();
    ledger.round();
    const { seq: size } = ledger.checkpoint();
    ledger.round();
    ledger.checkpoint();
    await ledger.storeIn(embedded.store);
    for (let seq = 0; seq < 9; seq++) {
      const { judged } = await proven(CHAIN, seq);
      const round = seq < 5 ? { round: 1, size: 5 } : { round: 2, size: 9 };
      const checkpoint = { size: seq < 5 ? 2 : size };
      expect(judged).toMatchObject({ id: `${CHAIN}:${seq}`, round, checkpoint });
    }
    expect((await proven(OTHER, 2)).judged).toMatchObject({ round: { round: 2, size: 3 } });
  });

  it('is as the keeper’s own code would make it', async () => {
    ledger.fill(CHAIN, 7);
    ledger.round();
    ledger.checkpoint();
    await ledger.storeIn(embedded.store);
    for (const payload of [true, false])
      expect((await proven(CHAIN, 4, { payload })).proof).toBe(ledger.proof(CHAIN, 4, { payload }));
    expect((await proven(CONTROL, 1)).proof).toBe(ledger.proof(CONTROL, 1));
  });

  it('reads any number of them', async () => {
    ledger.fill(CHAIN, 20_011);
    ledger.round();
    ledger.checkpoint();
    await ledger.storeIn(embedded.store);
    expect((await proven(CHAIN, 20_005)).proof).toBe(ledger.proof(CHAIN, 20_005));
  }, 120_000);

  it('is of its place alone, where its payload has gone', async () => {
    ledger.fill(CHAIN, 7);
    ledger.round();
    ledger.checkpoint();
    await ledger.storeIn(embedded.store);
    for (const seq of [0, 3, 4]) await bury(ledger.chain(CHAIN)[seq]!);
    // Between its tombstone and its purge a record stands in both.
    expect((await proven(CHAIN, 4)).payload).toBe(true);
    for (const seq of [3, 4]) await remove(CHAIN, seq);
    const { judged } = await proven(CHAIN, 4);
    expect(judged).toMatchObject({ id: `${CHAIN}:4`, expires_at: ledger.chain(CHAIN)[4]!.expiresAt });
    expect(judged).not.toHaveProperty('record');
    expect((await proven(CHAIN, 5)).payload).toBe(true);
  });

  it('has the signatures of witnesses that have seen it, and waits for as many as are asked for', async () => {
    ledger.fill(CHAIN, 3);
    ledger.round();
    ledger.checkpoint();
    await ledger.storeIn(embedded.store);
    expect(await refusal(CHAIN, 1, ledger.trust(true))).toMatch(/^unproven: .* as many witnesses/);
    const { seq: size } = ledger.checkpoint();
    await ledger.cosigned(1_772_366_400);
    await ledger.storeIn(embedded.store, ledger.chain(CONTROL).slice(3));
    const { judged } = await proven(CHAIN, 1, { trust: ledger.trust(true) });
    const cosigned = [{ name: ledger.witness.name, time: 1_772_366_400 }];
    expect(judged).toMatchObject({ checkpoint: { size }, cosigned });
    // Whoever does not know the witness still gets what it has signed.
    expect((await proven(CHAIN, 1)).proof).toContain(`— ${ledger.witness.name} `);
  });

  it('rests on the key that its reader has, of several that followed each other', async () => {
    const before = ledger.trust();
    ledger.fill(CHAIN, 3);
    ledger.round();
    ledger.checkpoint();
    for (const seed of [5, 6]) {
      ledger.rotate(seed);
      ledger.round();
      ledger.checkpoint();
    }
    await ledger.storeIn(embedded.store);
    expect((await proven(CHAIN, 1, { trust: before })).judged).toMatchObject({ checkpoint: { size: 2 } });
    expect((await proven(CHAIN, 1)).judged).toMatchObject({ checkpoint: { size: 8 }, round: { round: 1 } });
    expect((await proven(CHAIN, 1, { trust: before + ledger.trust() })).judged).toMatchObject({
      checkpoint: { size: 2 },
    });
    expect(await refusal(CHAIN, 1, new FabricatedLedger({ seed: 9 }).trust())).toMatch(/^proof_invalid/);
  });
});

describe('a record that nothing proves', () => {
  it('is not there', async () => {
    ledger.fill(CHAIN, 3);
    await ledger.storeIn(embedded.store);
    expect(await refusal(CHAIN, 3)).toBe(`record_unknown: there is no record ${CHAIN}:3`);
    expect(await refusal(OTHER, 0)).toMatch(/^record_unknown/);
  });

  it('is in no round yet', async () => {
    ledger.fill(CHAIN, 3);
    ledger.round();
    ledger.checkpoint();
    ledger.fill(CHAIN, 5);
    await ledger.storeIn(embedded.store);
    expect((await proven(CHAIN, 2)).judged).toMatchObject({ round: { size: 3 } });
    expect(await refusal(CHAIN, 3)).toBe(
      'unproven: nothing proves it yet: no round lists its chain so far, and no checkpoint of the chain itself covers it either',
    );
    await ledger.storeIn(embedded.store, [ledger.ownCheckpoint(CHAIN)]);
    expect(await refusal(CHAIN, 3)).toBe(
      `unproven: nothing proves it yet: its chain's own checkpoint ${CHAIN}:5 covers it, but no round lists the chain so far`,
    );
  });

  it('is below no checkpoint yet', async () => {
    ledger.fill(CHAIN, 3);
    ledger.round();
    await ledger.storeIn(embedded.store);
    const yet = 'unproven: nothing proves it yet: no ledger checkpoint covers it yet';
    expect(await refusal(CHAIN, 1)).toBe(yet);
    expect(await refusal(CONTROL, 1)).toBe(yet);
  });

  it('stands where records are missing, doubled or changed', async () => {
    ledger.fill(CHAIN, 7);
    ledger.round();
    ledger.checkpoint();
    await ledger.storeIn(embedded.store);
    const [first] = ledger.chain(CHAIN);
    await embedded.store.command(
      "INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload) VALUES ({chain:String}, 6, 'default', 1, unhex({hash:String}), '{}')",
      { chain: CHAIN, hash: first!.recordHash },
    );
    expect(await refusal(CHAIN, 1)).toBe(`proof_invalid: there are several records at ${CHAIN}:6`);
    expect(await refusal(CHAIN, 6)).toMatch(/^proof_invalid: /);
    await remove(CHAIN, 6);
    expect(await refusal(CHAIN, 1)).toBe(`proof_invalid: the record ${CHAIN}:6 is missing`);
    await embedded.store.command(
      "ALTER TABLE spanledger.audit_records UPDATE payload = replaceOne(payload, 'open', 'shut') WHERE chain_id = {chain:String} AND seq = 2 SETTINGS mutations_sync = 1",
      { chain: CHAIN },
    );
    expect(await refusal(CHAIN, 2)).toBe(`proof_invalid: ${CHAIN}:2 does not hash to its record_hash`);
  });

  it('is in a round that the ledger’s key has not signed, and one beside the keeper’s harms nobody', async () => {
    const forger = new FabricatedLedger({ controlChain: 'f'.repeat(32), seed: 9 });
    const early = new FabricatedLedger({ controlChain: '0'.repeat(32), seed: 9 });
    for (const each of [ledger, forger, early]) {
      each.fill(CHAIN, 5);
      each.round();
      each.checkpoint();
    }
    await forger.storeIn(embedded.store);
    expect(await refusal(CHAIN, 1)).toMatch(
      /^proof_invalid: what the store holds does not prove it \(checkpoint\)/,
    );
    await early.storeIn(embedded.store, [...early.chain('0'.repeat(32))]);
    await embedded.store.command('TRUNCATE TABLE spanledger.audit_records');
    await ledger.storeIn(embedded.store);
    await forger.storeIn(embedded.store, [...forger.chain('f'.repeat(32))]);
    await early.storeIn(embedded.store, [...early.chain('0'.repeat(32))]);
    expect((await proven(CHAIN, 1)).judged).toMatchObject({ trusted_key: ledger.key.vkey });
  });
});
