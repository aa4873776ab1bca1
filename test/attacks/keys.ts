import { rmSync, writeFileSync } from 'node:fs';
import { appendLeaf, emptyFrontier } from '../../src/chain/merkle.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { rotationMessage, signStatementSync } from '../../src/chain/statements.ts';
import { COSIGNATURE } from '../../src/chain/vkey.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { LEDGER_SIGNER } from '../support/keeper-kit.ts';
import { LEDGER_ID, ORIGIN } from '../support/ledger-kit.ts';
import { type AttackedLedger, another, files } from './attacked-ledger.ts';
import type { Attack } from './attacks.ts';

const NEXT = new LocalSigner(ORIGIN, Buffer.alloc(32, 4));
const STRANGER = new LocalSigner(ORIGIN, Buffer.alloc(32, 5));

const WITNESS = new LocalSigner('witness.example/w1', Buffer.alloc(32, 6), COSIGNATURE);
const ONE_WITNESS = trustFile(`log ${LEDGER_SIGNER.vkey}\nwitness w1 ${WITNESS.vkey}\nquorum w1\n`, 'local');

/** In the control chain, by whoever holds a key. */
async function rotate(ledger: AttackedLedger, from = 9, signers = [LEDGER_SIGNER, NEXT]): Promise<void> {
  const pair = { old: LEDGER_SIGNER.vkey, new: NEXT.vkey, from };
  const message = rotationMessage({ ledgerId: LEDGER_ID, chainId: ledger.ids.K!, ...pair });
  const [sig_old, sig_new] = signers.map((signer) => signStatementSync(message, signer));
  await ledger.append('K', 'key_rotated', { ...pair, sig_old, sig_new });
}

/** Rows 50 to 64. */
export const KEYS: Attack[] = [
  {
    row: 50,
    title: 'a checkpoint’s note edited',
    does: (ledger) => ledger.change('A', 5, '\\\\n5\\\\n', '\\\\n4\\\\n'),
    finds: ['record_mismatch A:5'],
  },
  {
    row: 50,
    title: 'a checkpoint’s note edited, and every hash after it',
    does: (ledger) =>
      ledger.forge('A', (payload, seq) => (seq === 5 ? payload.replace('\\n5\\n', '\\n4\\n') : payload)),
    finds: ['checkpoint_invalid A:5', 'checkpoint_mismatch A:10', 'checkpoint_mismatch A:13'],
  },
  {
    row: 51,
    title: 'a checkpoint signed by another key of the same name',
    does: (ledger) =>
      ledger.append('A', 'checkpoint', (tree) => ({ note: ledger.note('A', tree, another('A', ledger)) })),
    finds: ['checkpoint_untrusted A:19'],
  },
  {
    row: 51,
    title: 'a ledger checkpoint signed by another key of the same name',
    does: (ledger) =>
      ledger.append('K', 'checkpoint', (tree) => ({ note: ledger.note('K', tree, STRANGER) })),
    finds: ['checkpoint_untrusted K:9'],
  },
  {
    row: 52,
    title: 'a checkpoint removed',
    does: (ledger) => ledger.remove(ledger.at('A', 5)),
    finds: ['seq_gap A:5'],
  },
  {
    row: 52,
    title: 'the newest ledger checkpoint removed, and what follows it: the verifier’s state knows it',
    does: async (ledger) => {
      await ledger.remove(`${ledger.of('K')} AND seq >= 6`);
      return { state: ledger.state };
    },
    finds: ['rollback K:6-8'],
  },
  {
    row: 53,
    title: 'an older checkpoint in a newer one’s place',
    does: (ledger) =>
      ledger.move(
        { payload: `(SELECT payload FROM kept.records WHERE ${ledger.at('A', 5)})` },
        ledger.at('A', 10),
      ),
    finds: ['record_mismatch A:10'],
  },
  {
    row: 53,
    title: 'an older control chain restored: the anchor knows a newer one',
    does: (ledger) => ledger.remove(`${ledger.of('K')} AND seq >= 5`),
    finds: ['rollback K:5'],
  },
  {
    row: 53,
    title: 'an older control chain restored: the verifier’s state knows a newer one',
    does: async (ledger) => {
      await ledger.remove(`${ledger.of('K')} AND seq >= 5`);
      return { state: ledger.state, anchors: [] };
    },
    finds: ['rollback K:5', 'rollback K:5-8'],
  },
  {
    row: 54,
    title: 'two ledger checkpoints of one size, by the ledger’s key',
    does: async (ledger) => {
      let tree = emptyFrontier();
      for (let size = 0; size < 6; size++) tree = appendLeaf(tree, 'e'.repeat(64));
      const folder = ledger.copied();
      const name = files(folder).at(-1)!;
      rmSync(name);
      writeFileSync(name, ledger.note('K', tree));
      return { anchors: await ledger.anchors(folder) };
    },
    finds: ['anchor_mismatch K:5', 'anchor_mismatch K:7', 'checkpoint_fork K:5'],
  },
  {
    row: 55,
    title: 'a rotation signed by one key only',
    does: (ledger) => rotate(ledger, 9, [NEXT, NEXT]),
    finds: ['key_rotation_invalid K:9'],
  },
  {
    row: 55,
    title: 'a rotation at another size',
    does: (ledger) => rotate(ledger, 8),
    finds: ['key_rotation_invalid K:9'],
  },
  {
    row: 56,
    title: 'a retired key signs on',
    does: async (ledger) => {
      await rotate(ledger);
      await ledger.append('K', 'checkpoint', (tree) => ({ note: ledger.note('K', tree, NEXT) }));
      await ledger.append('K', 'checkpoint', (tree) => ({ note: ledger.note('K', tree, LEDGER_SIGNER) }));
    },
    finds: ['checkpoint_untrusted K:11'],
  },
  {
    row: 57,
    title: 'everything rebuilt with the live keys: the anchor has another',
    does: (ledger) => ledger.rebuildAll(),
    finds: ['anchor_mismatch K2:1', 'checkpoint_fork K2:1', 'rollback K2:4-5'],
  },
  {
    row: 57,
    title: 'everything rebuilt with the live keys: the verifier’s state has another',
    does: async (ledger) => {
      await ledger.rebuildAll();
      return { state: ledger.state, anchors: [] };
    },
    finds: ['rollback A:18', 'rollback K2:4-5', 'rollback K:0-8'],
  },
  {
    row: 58,
    title: 'checkpoints and rounds stopped',
    does: async (ledger) => ({ asOf: ledger.now + 1_000 }),
    finds: ['chain_stale A:18', 'chain_stale K:8', 'tail_unanchored A:17', 'time_unattested :0'],
  },
  {
    row: 59,
    title: 'a chain rebuilt without checkpoints',
    does: (ledger) =>
      ledger.forge('A', (payload) => payload.replace('"action":"checkpoint"', '"action":"gap"')),
    finds: ['checkpoint_mismatch A:13', 'checkpoint_missing A:0'],
  },
  {
    row: 60,
    title: 'an anchor’s file removed',
    does: async (ledger) => {
      const folder = ledger.copied();
      rmSync(files(folder).at(-1)!);
      return { anchors: await ledger.anchors(folder) };
    },
    finds: ['anchor_missing K:7'],
  },
  {
    row: 60,
    title: 'an anchor’s file altered',
    does: async (ledger) => {
      const folder = ledger.copied();
      const name = files(folder).at(-1)!;
      rmSync(name);
      writeFileSync(name, 'nothing\n');
      return { anchors: await ledger.anchors(folder) };
    },
    finds: ['anchor_mismatch K:0', 'anchor_missing K:7'],
  },
  {
    row: 61,
    title: 'an anchor holds a checkpoint by an unknown key',
    does: async (ledger) => ({
      anchors: [
        {
          name: 'worm',
          lists: true,
          held: [
            ...(await ledger.anchors())[0]!.held,
            { place: 'x', note: ledger.note('K', appendLeaf(emptyFrontier(), 'e'.repeat(64)), STRANGER) },
          ],
        },
      ],
    }),
    finds: ['anchor_mismatch K:0'],
  },
  {
    row: 61,
    title: 'a quorum of witnesses that no checkpoint fulfils',
    does: async () => ({ trust: ONE_WITNESS }),
    finds: ['anchor_mismatch K:6'],
  },
  {
    row: 61,
    title: 'a receipt of a witness that nobody knows',
    does: async (ledger) => {
      const root = await ledger.rootOf('K', 6);
      const cosignatures = [`— witness.example/w2 ${Buffer.alloc(80).toString('base64')}`];
      const receipt = {
        anchor: 'w2',
        kind: 'witness',
        origin: ORIGIN,
        size: 6,
        root,
        proof: { cosignatures },
      };
      await ledger.append('K', 'checkpoint_anchored', receipt);
      return { trust: ONE_WITNESS };
    },
    finds: ['anchor_mismatch K:6', 'anchor_mismatch K:9'],
  },
  {
    row: 62,
    title: 'an old backup restored: the verifier’s state knows better',
    does: async (ledger) => {
      await ledger.remove(`${ledger.of('A')} AND seq > 14 OR ${ledger.of('K')} AND seq > 4`);
      return { state: ledger.state, anchors: [] };
    },
    finds: ['rollback A:15-18', 'rollback K:5', 'rollback K:5-8'],
  },
  {
    row: 63,
    title: 'all records gone: the anchor knows of them',
    does: (ledger) => ledger.remove('1'),
    finds: ['ledger_missing :0'],
  },
  {
    row: 63,
    title: 'all records gone: the verifier’s state knows of them',
    does: async (ledger) => {
      await ledger.remove('1');
      return { state: ledger.state, anchors: [] };
    },
    finds: [
      'ledger_missing :0',
      'rollback :0-5',
      'rollback A:0-18',
      'rollback B:0-4',
      'rollback C:0-6',
      'rollback K:0-8',
      'rollback V:0-5',
    ],
  },
  {
    row: 63,
    title: 'all records gone: a trust file was given',
    does: async (ledger) => {
      await ledger.remove('1');
      return { trust: trustFile(`${LEDGER_SIGNER.vkey}\n`, 'given'), anchors: [] };
    },
    finds: ['ledger_missing :0'],
  },
  {
    row: 64,
    title: 'the trust file replaced',
    does: async (ledger) => ({
      trust: trustFile(`# mine\n${LEDGER_SIGNER.vkey}\n`, 'local'),
      state: ledger.state,
    }),
    finds: ['trust_changed :0'],
  },
];
