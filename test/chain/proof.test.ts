import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProof, type Proven, type Refused } from '../../src/chain/check-proof.ts';
import { signCheckpointSync } from '../../src/chain/checkpoint.ts';
import { recordHash } from '../../src/chain/entry.ts';
import { nodeHash, rootOfLeaves } from '../../src/chain/merkle.ts';
import { formatProof, type Proof, parseProof } from '../../src/chain/proof.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { parseTrust } from '../../src/chain/trust.ts';
import { codeOf } from '../support/ledger-kit.ts';
import { CONTROL, FabricatedLedger } from '../support/proof-ledger.ts';

const CHAIN = 'a1'.repeat(16);
const OTHER = 'b2'.repeat(16);
const TIME = 1_772_366_400;

async function clinic(size = 7): Promise<FabricatedLedger> {
  const ledger = new FabricatedLedger();
  ledger.fill(CHAIN, size);
  ledger.fill(OTHER, 3);
  ledger.round();
  ledger.checkpoint();
  await ledger.cosigned(TIME);
  return ledger;
}

const LEDGER = await clinic();
const TRUST = parseTrust(LEDGER.trust());
const WITNESSED = parseTrust(LEDGER.trust(true));
const FILE = LEDGER.proof(CHAIN, 4);
const golden = (name: string) => readFileSync(new URL(`../golden/chain/${name}`, import.meta.url), 'utf8');

function proven(file: string, trust = TRUST): Proven {
  const judged = checkProof(file, trust);
  expect(judged).toMatchObject({ status: 'proven' });
  return judged as Proven;
}

function refused(file: string, trust = TRUST): Refused {
  const judged = checkProof(file, trust);
  expect(judged).toMatchObject({ status: 'refused' });
  return judged as Refused;
}

/** The same proof with something else in it. */
function changed(change: (proof: Proof) => void, file = FILE): string {
  const proof = structuredClone(parseProof(file)) as Proof;
  change(proof);
  return formatProof(proof);
}

describe('the proof of a record', () => {
  it('is this file', () => {
    expect(FILE).toBe(golden('record.proof'));
    expect(LEDGER.proof(CHAIN, 4, { payload: false })).toBe(
      FILE.replace(/^payload \{"action":"tool_invoked".*\n/m, ''),
    );
    expect(LEDGER.proof(CONTROL, 1)).toBe(golden('round.proof'));
    expect(LEDGER.trust(true)).toBe(golden('trust'));
  });

  it('rests on the ledger’s key, and tells what it proves', () => {
    const { record, ...rest } = proven(FILE, WITNESSED);
    expect(record).toMatchObject({ action: 'tool_invoked', details: { café: 'open' } });
    const [round, checkpoint] = LEDGER.chain(CONTROL).slice(1);
    expect(rest).toEqual({
      status: 'proven',
      id: `${CHAIN}:4`,
      ledger_id: LEDGER.ledgerId,
      expires_at: LEDGER.chain(CHAIN)[4]!.expiresAt,
      round: {
        round: 1,
        recorded_at: (JSON.parse(round!.payload) as { recorded_at: string }).recorded_at,
        size: 7,
        root: rootOfLeaves(LEDGER.chain(CHAIN).map((each) => each.recordHash)),
      },
      checkpoint: {
        origin: 'ledger.example/test',
        size: checkpoint!.seq,
        root: rootOfLeaves(
          LEDGER.chain(CONTROL)
            .slice(0, 2)
            .map((each) => each.recordHash),
        ),
      },
      cosigned: [{ name: 'witness.example/w1', time: TIME }],
      trusted_key: LEDGER.key.vkey,
    });
  });

  it('does without the payload, and without a round for a record of the control chain', () => {
    expect(proven(LEDGER.proof(CHAIN, 4, { payload: false }))).not.toHaveProperty('record');
    const own = proven(LEDGER.proof(CONTROL, 1));
    expect(own).toMatchObject({ id: `${CONTROL}:1`, record: { action: 'round' } });
    expect(own).not.toHaveProperty('round');
  });

  it('is written as it was read', () => {
    for (const file of [FILE, LEDGER.proof(CHAIN, 0, { payload: false }), LEDGER.proof(CONTROL, 0)])
      expect(formatProof(parseProof(file))).toBe(file);
  });

  it('proves any record of any ledger', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 2, max: 9 }),
        fc.nat({ max: 5 }),
        fc.nat(),
        fc.boolean(),
        (size, other, before, place, payload) => {
          const ledger = new FabricatedLedger();
          for (let i = 0; i < before; i++) ledger.round();
          ledger.fill(CHAIN, size);
          ledger.fill(OTHER, other);
          ledger.round();
          ledger.checkpoint();
          const seq = place % size;
          const file = ledger.proof(CHAIN, seq, { payload });
          expect(formatProof(parseProof(file))).toBe(file);
          expect(proven(file)).toMatchObject({ id: `${CHAIN}:${seq}`, round: { size } });
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a proof that is none', () => {
  it('is refused with any one bit of it changed, but for whose signature it is that nobody trusts', () => {
    const bytes = Buffer.from(FILE);
    const whole = proven(FILE);
    const from = bytes.indexOf('— witness');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const other = Buffer.from(bytes);
      other[bit >> 3]! ^= 1 << (bit & 7);
      let judged: Proven | Refused | undefined;
      try {
        judged = checkProof(other, TRUST);
      } catch (error) {
        expect(error, `bit ${bit}`).toMatchObject({ code: 'proof_unreadable' });
      }
      if (judged?.status !== 'proven') continue;
      expect(bit >> 3, `bit ${bit}`).toBeGreaterThanOrEqual(from);
      expect(judged).toEqual(whole);
      // Whoever asks for the witness sees that it is not there.
      expect(checkProof(other, WITNESSED).status).toBe('refused');
    }
  }, 120_000);

  it('is refused with any byte changed, added or taken away', () => {
    const place = fc.nat({ max: Buffer.byteLength(FILE) - 1 });
    const without = proven(FILE, WITNESSED);
    fc.assert(
      fc.property(place, fc.nat({ max: 255 }), fc.constantFrom(0, 1, 2), (at, byte, how) => {
        const bytes = Buffer.from(FILE);
        const insert = how === 2 ? [] : [byte];
        const other = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(insert),
          bytes.subarray(how === 0 ? at : at + 1),
        ]);
        try {
          const judged = checkProof(other, WITNESSED);
          if (judged.status === 'proven') expect(judged).toEqual(without);
          if (judged.status === 'proven') expect(other).toEqual(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: 'proof_unreadable' });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is no proof at all', async () => {
    for (const file of ['', 'spanledger/proof/v2\n', '\n', '\ufeffspanledger/proof/v1\n', 'x'.repeat(100)])
      expect(await codeOf(() => checkProof(file, TRUST))).toBe('proof_unreadable');
    expect(await codeOf(() => checkProof(Buffer.from([0xff, 0x0a]), TRUST))).toBe('proof_unreadable');
    expect(await codeOf(() => checkProof(new Uint8Array(64 * 1024 * 1024 + 1), TRUST))).toBe(
      'proof_unreadable',
    );
  });

  it('tells at which line its form breaks', () => {
    const at = (from: string | RegExp, to: string) => refused(FILE.replace(from, to));
    expect(at('spanledger/entry/v1', 'spanledger/entry/v2')).toEqual({
      status: 'refused',
      step: 'form',
      detail: 'not a proof: line 4: it is not the first line of an entry',
    });
    const forms: [string | RegExp, string][] = [
      ['\nrecord\n', '\nround\n'],
      [`\n${CHAIN}\n`, `\n${CHAIN.toUpperCase()}\n`],
      [`\n${CHAIN}\n4\n`, `\n${CHAIN}\n04\n`],
      [`\n${CHAIN}\n4\n`, `\n${CHAIN}\n-4\n`],
      [`\n${CHAIN}\n4\n`, `\n${CHAIN}\n9223372036854775808\n`],
      ['\nsize 7\n', '\nsize 07\n'],
      ['\nsize 7\n', '\nsize 7 \n'],
      ['\nround\n', '\nround\nround\n'],
      [/^payload \{"action":"round".*\n/m, ''],
      [/$/, '\n'],
      [/$/, 'more'],
      ['c2sp.org/tlog-proof@v1\n', 'c2sp.org/tlog-proof@v1\nextra aGk=\n'],
    ];
    for (const [from, to] of forms) expect(at(from, to), String(from)).toMatchObject({ step: 'form' });
    for (let end = FILE.indexOf('\n') + 1; end < FILE.indexOf('— ledger'); end += 7)
      expect(refused(FILE.slice(0, end))).toMatchObject({ step: 'form' });
  });

  it('has hashes in one spelling only', () => {
    const [hash] = /^[A-Za-z0-9+/]{43}=$/m.exec(FILE)!;
    const bytes = Buffer.from(hash, 'base64');
    const padded = hash.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`);
    expect(Buffer.from(padded, 'base64')).toEqual(bytes);
    for (const other of [
      bytes.toString('base64url'),
      padded,
      bytes.subarray(1).toString('base64'),
      `${hash} `,
    ])
      expect(refused(FILE.replace(hash, other))).toMatchObject({ step: 'form' });
    const upper = FILE.replace(/^[0-9a-f]{64}$/m, (hex) => hex.toUpperCase());
    expect(refused(upper)).toMatchObject({ step: 'form' });
  });

  it('has a hash too many or too few', () => {
    const steps = [
      (proof: Proof) => (proof.listed = { ...proof.listed!, hashes: proof.listed!.hashes.slice(1) }),
      (proof: Proof) =>
        (proof.listed = { ...proof.listed!, hashes: [...proof.listed!.hashes, 'a'.repeat(64)] }),
      (proof: Proof) => (proof.listed = { ...proof.listed!, hashes: [] }),
    ];
    for (const step of steps) expect(refused(changed(step))).toMatchObject({ step: 'chain' });
    const more = changed((proof) => {
      proof.ledger = { ...proof.ledger, proof: [...proof.ledger.proof, 'a'.repeat(64)] };
    });
    expect(refused(more)).toMatchObject({ step: 'ledger' });
    expect(refused(changed((proof) => (proof.listed = { ...proof.listed!, size: 0n })))).toMatchObject({
      step: 'chain',
    });
  });

  it('offers a node of the tree for a record', () => {
    // Two records become one: their node is an inner one, and no entry hashes to it.
    const [a, b] = LEDGER.chain(CHAIN).slice(4, 6);
    const node = nodeHash(a!.recordHash, b!.recordHash);
    const file = changed((proof) => {
      const entry = { ...proof.record.entry, seq: 2n, prevHash: a!.recordHash, payloadDigest: b!.recordHash };
      proof.record = { entry };
      proof.listed = { ...proof.listed!, hashes: proof.listed!.hashes.slice(1) };
      expect(recordHash(entry)).not.toBe(node);
    });
    expect(refused(file)).toMatchObject({ step: 'chain' });
  });

  it('is of another record, place, chain or ledger than its entry says', () => {
    const entries: Partial<Proof['record']['entry']>[] = [
      { seq: 5n },
      { seq: 400n },
      { expiresAt: 1 },
      { prevHash: 'a'.repeat(64) },
      { payloadDigest: 'a'.repeat(64) },
    ];
    for (const entry of entries) {
      const file = changed(({ record }) => Object.assign(record.entry, entry));
      expect(refused(file)).toMatchObject({ step: 'chain' });
    }
    const unlisted = changed(({ record }) => Object.assign(record.entry, { chainId: 'c'.repeat(32) }));
    expect(refused(unlisted)).toMatchObject({ step: 'round' });
    const elsewhere = { ledgerId: '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e20' };
    const moved = changed(({ record }) => Object.assign(record.entry, elsewhere));
    expect(refused(moved)).toMatchObject({
      step: 'round',
      detail: 'it is of another ledger than the record',
    });
  });

  it('shows another payload', () => {
    const other = FILE.replace('"café":"open"', '"café":"shut"');
    expect(other).not.toBe(FILE);
    expect(refused(other)).toMatchObject({ step: 'payload' });
    expect(refused(FILE.replace('"size":7', '"size":8'))).toMatchObject({ step: 'round' });
  });

  it('takes another record of the control chain for a round', () => {
    const [opened] = LEDGER.chain(CONTROL);
    const other = parseProof(LEDGER.proof(CONTROL, 0));
    const file = changed((proof) => {
      proof.listed = { ...proof.listed!, round: { ...LEDGER.placed(opened!), payload: opened!.payload } };
      proof.ledger = other.ledger;
    });
    expect(refused(file)).toMatchObject({
      step: 'round',
      detail: 'what stands below the checkpoint is no round',
    });
  });

  it('passes a record of a chain off as one of the control chain', () => {
    const file = changed((proof) => delete proof.listed);
    expect(refused(file)).toMatchObject({ step: 'ledger' });
  });

  it('is not signed by the ledger, or by somebody else', () => {
    const thief = new LocalSigner(LEDGER.key.name, Buffer.alloc(32, 9));
    expect(refused(FILE, parseTrust(`${thief.vkey}\n`))).toMatchObject({ step: 'checkpoint' });
    const size = 3n;
    const forged = signCheckpointSync({ origin: thief.name, size, root: 'a'.repeat(64) }, thief);
    const file = changed((proof) => (proof.ledger = { ...proof.ledger, checkpoint: forged }));
    expect(refused(file)).toMatchObject({ step: 'checkpoint' });
    const own = new LocalSigner(`${LEDGER.key.name}/${CHAIN}`, Buffer.alloc(32, 3));
    const byWriter = signCheckpointSync({ origin: own.name, size, root: 'a'.repeat(64) }, own);
    const other = changed((proof) => (proof.ledger = { ...proof.ledger, checkpoint: byWriter }));
    expect(refused(other)).toMatchObject({ step: 'checkpoint' });
  });

  it('was seen by fewer witnesses than are asked for', () => {
    const alone = FILE.replace(/^— witness.*\n/m, '');
    expect(proven(alone).cosigned).toEqual([]);
    expect(refused(alone, WITNESSED)).toMatchObject({ step: 'witnesses' });
  });
});
