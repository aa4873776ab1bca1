import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ReceiptOf } from '../../src/anchor/anchor.ts';
import { TsaAnchor } from '../../src/anchor/tsa.ts';
import { cosign } from '../../src/chain/checkpoint.ts';
import { rootOf } from '../../src/chain/merkle.ts';
import { signatureLine } from '../../src/chain/note.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { COSIGNATURE } from '../../src/chain/vkey.ts';
import type { AnchorSettings } from '../../src/config/anchors.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { judgeLedger, type VerifyOptions } from '../../src/verify/verify.ts';
import { opensslMissing, Tsa } from '../support/anchors/tsa.ts';
import { FabricatedChain, FabricatedLine, ORIGIN, signerOf } from '../support/fabricated-ledger.ts';
import { LEDGER_ID, memoryFolder, openStore } from '../support/ledger-kit.ts';
import { TamperedLedger, told } from '../support/tampered-ledger.ts';

const ledger = new TamperedLedger();
beforeAll(async () => {
  ledger.store = await openStore(join(memoryFolder(), 'ledger'));
  await ledger.keep();
});
beforeEach(() => ledger.store.command('TRUNCATE TABLE spanledger.audit_records'));
afterAll(() => ledger.store.close());

/** A minute ago: authorities stamp by the clock of this machine. */
const THEN = Math.floor(Date.now() / 1_000) - 60;
const LEDGER = `log ${signerOf(ORIGIN, 9).vkey}\n`;
const LOCAL = trustFile(LEDGER, 'local');
const [ONE, TWO, THREE] = [1, 2, 3].map(
  (n) => new LocalSigner(`witness.example/w${n}`, Buffer.alloc(32, 40 + n), COSIGNATURE),
) as [LocalSigner, LocalSigner, LocalSigner];
const witnesses = (...keys: LocalSigner[]) =>
  keys.map((key, i) => `witness w${i + 1} ${key.vkey}\n`).join('');
/** Two of three. */
const TWO_OF = trustFile(`${LEDGER}${witnesses(ONE, TWO, THREE)}group all 2 w1 w2 w3\nquorum all\n`, 'given');

const verify = (options: Partial<VerifyOptions>) =>
  ledger.verify({ trust: LOCAL, asOf: THEN + 5, ...options });
const findings = async (options: Partial<VerifyOptions>) => told(await verify(options));

/** A chain, and the keeper's: opened 0, round 1, checkpoint 2, of which receipts are given from 3 on. */
function whole() {
  const a = new FabricatedChain('a')
    .open(THEN)
    .fill(2, THEN)
    .close(THEN + 1);
  const line = new FabricatedLine().open(THEN).round([a], THEN + 2);
  const { size, tree } = line;
  return { a, line: line.checkpoint(THEN + 3), checkpoint: { origin: ORIGIN, size, root: rootOf(tree) } };
}
type Whole = ReturnType<typeof whole>;

async function cosigned({ line, checkpoint }: Whole, signer: LocalSigner, more = {}) {
  const note = (JSON.parse(line.records[2]!.payload) as { control: { note: string } }).control.note;
  const cosignatures = [signatureLine(await cosign(note, signer, THEN + 4))];
  const receipt = { anchor: signer.name.slice(-2), kind: 'witness', ...checkpoint, proof: { cosignatures } };
  return line.add('checkpoint_anchored', { ...receipt, ...more }, THEN + 4);
}

async function put({ a, line }: Whole): Promise<void> {
  for (const { rows } of [a, line]) await ledger.put(rows);
}

describe('cosignatures', () => {
  const settings = (name: string, signer: LocalSigner): AnchorSettings => ({
    kind: 'witness',
    name,
    url: 'https://witness.example',
    vkey: signer.vkey,
    insecure: false,
  });

  it('attest the time, and fulfil the quorum that the trust file asks', async () => {
    const made = whole();
    await cosigned(made, ONE);
    await cosigned(made, THREE);
    await put(made);
    // The time is not that of the clock, nor of the receipt's own word.
    expect(await verify({ trust: TWO_OF, asOf: THEN + 1e6 })).toMatchObject({
      status: 'valid',
      findings: [],
      unchecked: [],
      anchors_verified: 2,
    });
  });

  it('61 that are too few, or twice of one, are found', async () => {
    const made = whole();
    await cosigned(made, ONE);
    await cosigned(made, ONE);
    await put(made);
    expect(await findings({ trust: TWO_OF })).toEqual(['anchor_mismatch control:2']);
  });

  it('61 of which there is none are found where a quorum is asked', async () => {
    const made = whole();
    await put(made);
    expect(await findings({ trust: TWO_OF })).toEqual(['time_unattested :0', 'anchor_mismatch control:2']);
    expect(await findings({ trust: LOCAL })).toEqual([]);
  });

  it('of a ledger without a checkpoint cannot be asked for, and it is incomplete', async () => {
    await ledger.put(new FabricatedChain('a').open(THEN).rows);
    const { status, unchecked } = await verify({ trust: TWO_OF });
    expect([status, unchecked]).toEqual([
      'incomplete',
      ['the quorum of the trust file: the ledger has no checkpoint that witnesses could have cosigned'],
    ]);
  });

  it('61 of a stranger, of another root, or altered are found', async () => {
    const stranger = new LocalSigner('witness.example/w1', Buffer.alloc(32, 50), COSIGNATURE);
    for (const [signer, more] of [
      [stranger, {}],
      [ONE, { size: 1, root: 'e'.repeat(64) }],
      [ONE, { proof: { cosignatures: ['— witness.example/w1 AAAA'] } }],
      [ONE, { proof: {} }],
      [ONE, { origin: 'another.example/log' }],
    ] as const) {
      const made = whole();
      await cosigned(made, signer, more);
      await put(made);
      const trust = trustFile(`${LEDGER}${witnesses(ONE)}quorum none\n`, 'local');
      expect(await findings({ trust })).toEqual(['anchor_mismatch control:3']);
      await ledger.store.command('TRUNCATE TABLE spanledger.audit_records');
    }
  });

  it('are checked by the settings, where the trust file names no witness', async () => {
    const made = whole();
    await cosigned(made, ONE);
    await put(made);
    const by = (signer: LocalSigner, name = 'w1') => ({ receipts: { anchors: [settings(name, signer)] } });
    expect(await verify(by(ONE))).toMatchObject({ status: 'valid', findings: [], anchors_verified: 1 });
    expect(await findings(by(TWO))).toEqual(['anchor_mismatch control:3']);
    for (const more of [{}, by(TWO, 'w2')])
      expect(await verify(more)).toMatchObject({
        status: 'incomplete',
        findings: [],
        anchors_verified: 0,
        unchecked: [expect.stringContaining('1 cosignatures of w1: nobody says which key')],
      });
    // Whoever was given other witnesses believes no others.
    const given = trustFile(`${LEDGER}${witnesses(TWO)}quorum none\n`, 'given');
    expect(await findings({ trust: given, ...by(ONE) })).toContain('anchor_mismatch control:3');
  });

  it('that were seen before are not asked for again where only what is new is read', async () => {
    const made = whole();
    await cosigned(made, ONE);
    await cosigned(made, TWO);
    made.line.checkpoint(THEN + 5);
    await put(made);
    const all = { ledgerId: LEDGER_ID, trust: TWO_OF, asOf: THEN + 5 };
    const { state } = await judgeLedger(ledger.store, all);
    expect(state?.origins.get(ORIGIN)).toMatchObject({ size: 5, cosigned: 2 });
    const again = { ...all, incremental: true, state: { sha256: '', state: state! } };
    const { verification, state: next } = await judgeLedger(ledger.store, again);
    expect([verification.status, next?.origins.get(ORIGIN)?.cosigned]).toEqual(['valid', 2]);
    // By another file nobody has asked before.
    const other = trustFile(`${LEDGER}${witnesses(THREE)}quorum w1\n`, 'given');
    const asked = (await judgeLedger(ledger.store, { ...again, trust: other })).verification;
    expect(asked.status).toBe('incomplete');
    expect(asked.unchecked).toEqual([expect.stringContaining('leave --incremental out once')]);
  });
});

describe.skipIf(opensslMissing())('timestamps', () => {
  /** @param records how many receipts of it there are */
  async function stamped(tsa: Tsa, change = (receipt: ReceiptOf<'tsa'>): object => receipt, records = 1) {
    const made = whole();
    const anchor = new TsaAnchor({ name: 'stamps', url: await tsa.serve(), ca: tsa.ca });
    const receipt = await anchor.publish({ ...made.checkpoint, note: '' });
    for (let n = 0; n < records; n++) made.line.add('checkpoint_anchored', { ...change(receipt) }, THEN + 61);
    await put(made);
    return receipt;
  }

  it('are verified to the root that is given, or that of the settings, and attest the time', async () => {
    const tsa = new Tsa();
    const { attested_at } = await stamped(tsa);
    expect(attested_at).toBeDefined();
    const anchors: AnchorSettings[] = [
      { kind: 'tsa', name: 'stamps', url: 'https://tsa.example', ca: tsa.ca, insecure: false },
    ];
    const given = trustFile(LEDGER, 'given');
    for (const receipts of [{ anchors }, { anchors: [], tsaCa: tsa.ca }])
      expect(await verify({ trust: given, receipts, asOf: THEN + 1e6 })).toMatchObject({
        status: 'valid',
        findings: [],
        anchors_verified: 1,
      });
  });

  it('are unchecked without a root, or without OpenSSL, and the ledger is incomplete', async () => {
    const tsa = new Tsa();
    await stamped(tsa);
    for (const [receipts, why] of [
      [{ anchors: [] }, 'nobody says which authority to believe'],
      [{ anchors: [], tsaCa: tsa.ca, openssl: '/nowhere/openssl' }, '/nowhere/openssl is not installed'],
    ] as const)
      expect(await verify({ receipts })).toMatchObject({
        status: 'incomplete',
        findings: [],
        anchors_verified: 0,
        unchecked: [expect.stringContaining(`1 timestamps of stamps: ${why}`)],
      });
  });

  it('61 of an unknown authority, of another digest, or altered are found', async () => {
    const tsa = new Tsa();
    const receipts = { anchors: [], tsaCa: tsa.ca };
    const { proof } = await stamped(tsa);
    expect(await findings({ receipts: { anchors: [], tsaCa: new Tsa().ca } })).toEqual([
      'anchor_mismatch control:3',
    ]);
    const bytes = Buffer.from(proof.token, 'base64');
    bytes[bytes.length - 1]! ^= 1;
    for (const more of [
      { proof: { ...proof, token: bytes.toString('base64') } },
      { proof: { ...proof, token: 'AAAA' } },
      { proof: { ...proof, nonce: '4000000000000000' } },
      // Of the chain's first record: its root is right, and not what was stamped.
      { proof, size: 1 },
    ]) {
      await ledger.store.command('TRUNCATE TABLE spanledger.audit_records');
      const made = whole();
      const root = 'size' in more ? new FabricatedLine().open(THEN).head : made.checkpoint.root;
      const receipt = { anchor: 'stamps', kind: 'tsa', ...made.checkpoint, ...more, root };
      made.line.add('checkpoint_anchored', receipt, THEN + 61);
      await put(made);
      expect(await findings({ receipts })).toEqual(['anchor_mismatch control:3']);
    }
  });

  it('many of them are verified where their time counts, and all of them when all is asked', async () => {
    const tsa = new Tsa();
    await stamped(tsa, undefined, 20);
    const receipts = { anchors: [], tsaCa: tsa.ca };
    expect(await verify({ receipts })).toMatchObject({ status: 'valid', anchors_verified: 16 });
    expect(await verify({ receipts, full: true })).toMatchObject({ status: 'valid', anchors_verified: 20 });
  });
});
