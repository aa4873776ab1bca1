import { sealChain } from '../support/ledger-kit.ts';
import { another } from './attacked-ledger.ts';
import type { Attack } from './attacks.ts';

const FORGED = '{"retention_class":"ledger"}';

/** Rows 15 to 34, as far as the verifier is to find them. */
export const STRUCTURE: Attack[] = [
  {
    row: 15,
    title: 'one in the middle deleted',
    does: (ledger) => ledger.remove(ledger.at('A', 3)),
    finds: ['seq_gap A:3'],
  },
  {
    row: 15,
    title: 'a range deleted',
    does: (ledger) => ledger.remove(`${ledger.of('A')} AND seq BETWEEN 3 AND 7`),
    finds: ['seq_gap A:3-7'],
  },
  {
    row: 16,
    title: 'the genesis deleted',
    does: (ledger) => ledger.remove(ledger.at('C', 0)),
    finds: ['genesis_missing C:0'],
  },
  {
    row: 16,
    title: 'the first four deleted',
    does: (ledger) => ledger.remove(`${ledger.of('C')} AND seq < 4`),
    finds: ['genesis_missing C:0-3'],
  },
  {
    row: 17,
    title: 'the tail that no round covers deleted: nothing yet, and chain_stale later',
    does: async (ledger) => {
      await ledger.remove(`${ledger.of('A')} AND seq > 16`);
      return {
        said: [...(await ledger.findings()), ...(await ledger.findings({ asOf: ledger.now + 1_000 }))],
      };
    },
    finds: ['chain_stale A:16', 'chain_stale K:8', 'time_unattested :0'],
  },
  {
    row: 18,
    title: 'the tail that a round covers deleted',
    does: (ledger) => ledger.remove(`${ledger.of('A')} AND seq > 14`),
    finds: ['tail_truncated A:15-16'],
  },
  {
    row: 19,
    title: 'one inserted, the rest renumbered',
    does: async (ledger) => {
      await ledger.move({ seq: 'seq + 1' }, `${ledger.of('B')} AND seq >= 3`);
      await ledger.put([{ ...(await ledger.row('C', 3)), chainId: ledger.ids.B!, seq: 3n }]);
    },
    finds: ['checkpoint_mismatch B:4', 'record_mismatch B:3', 'record_mismatch B:4', 'record_mismatch B:5'],
  },
  {
    row: 20,
    title: 'one appended to a closed chain, its hash fitting',
    does: (ledger) => ledger.append('C', 'gap', {}),
    finds: ['checkpoint_mismatch C:7'],
  },
  {
    row: 20,
    title: 'one appended to a chain that another follows',
    does: (ledger) => ledger.append('B', 'gap', {}),
    finds: ['checkpoint_mismatch B:5'],
  },
  {
    row: 21,
    title: 'the same row again',
    does: (ledger) => ledger.copy({}, ledger.at('A', 3)),
    finds: ['duplicate_identical A:3'],
  },
  {
    row: 22,
    title: 'another row at the same seq',
    does: async (ledger) =>
      ledger.put([{ ...(await ledger.row('A', 3)), payload: FORGED, recordHash: 'f'.repeat(64) }]),
    finds: ['derived_mismatch A:3', 'duplicate_conflict A:3', 'record_mismatch A:4'],
  },
  {
    row: 23,
    title: 'two payloads swapped',
    does: (ledger) =>
      ledger.move(
        {
          payload: `if(seq = 3, (SELECT payload FROM kept.records WHERE ${ledger.at('A', 7)}), (SELECT payload FROM kept.records WHERE ${ledger.at('A', 3)}))`,
        },
        `${ledger.of('A')} AND seq IN (3, 7)`,
      ),
    finds: ['record_mismatch A:3', 'record_mismatch A:7'],
  },
  {
    row: 23,
    title: 'two seqs swapped',
    does: (ledger) => ledger.move({ seq: 'if(seq = 3, 7, 3)' }, `${ledger.of('A')} AND seq IN (3, 7)`),
    finds: ['record_mismatch A:3', 'record_mismatch A:4', 'record_mismatch A:7', 'record_mismatch A:8'],
  },
  { row: 24, title: 'rows in another order on disk: valid', does: (ledger) => ledger.shuffle(), finds: [] },
  {
    row: 25,
    title: 'one deleted, the rest renumbered, every hash recomputed',
    does: async (ledger) => {
      await ledger.remove(ledger.at('A', 3));
      await ledger.move({ seq: 'seq - 1' }, `${ledger.of('A')} AND seq > 3`);
      await ledger.reseal(ledger.ids.A!, () => ({}));
    },
    finds: [
      'checkpoint_invalid A:13',
      'checkpoint_invalid A:4',
      'checkpoint_invalid A:9',
      'checkpoint_mismatch A:13',
    ],
  },
  {
    row: 26,
    title: 'what follows the last round recomputed: nothing, a stated limit',
    does: (ledger) =>
      ledger.forge('A', (payload, seq) => (seq > 16 ? payload.replace('list_files', 'drop_table') : payload)),
    finds: [],
  },
  {
    row: 27,
    title: 'a chain wiped and rebuilt with a new key',
    does: (ledger) => ledger.rebuildWith('A', another('A', ledger)),
    finds: ['checkpoint_mismatch A:13', 'checkpoint_untrusted A:5'],
  },
  {
    row: 27,
    title: 'a chain rebuilt with a new key, and the rounds by the ledger’s',
    does: async (ledger) => {
      await ledger.rebuildWith('A', another('A', ledger));
      await ledger.remove(ledger.of('K'));
      await ledger.round(0, 'another');
    },
    finds: ['anchor_mismatch K2:1', 'checkpoint_fork K2:1', 'rollback K2:4-5'],
  },
  {
    row: 29,
    title: 'two chains name one predecessor',
    does: async (ledger) => {
      const { payload } = await ledger.row('A', 0);
      await ledger.put(sealChain('twin', [payload]));
    },
    finds: ['fork A:0', 'fork twin:0'],
  },
  {
    row: 30,
    title: 'a chain that no round knows, ten minutes on',
    does: async (ledger) => {
      const opened = (await ledger.row('C', 0)).payload.toString();
      await ledger.put(
        sealChain('unknown', [opened.replace(ledger.signers.C!.vkey, another('C', ledger).vkey)]),
      );
      await ledger.round(700);
    },
    finds: ['chain_undeclared unknown:0'],
  },
  {
    row: 30,
    title: 'the same, and it names a key of this directory',
    does: async (ledger) => {
      await ledger.put(sealChain('unknown', [(await ledger.row('C', 0)).payload]));
      await ledger.round(700);
    },
    finds: ['chain_undeclared unknown:0'],
  },
  {
    row: 31,
    title: 'a declared chain dropped',
    does: (ledger) => ledger.remove(ledger.of('C')),
    finds: ['chain_missing C:0-6'],
  },
  {
    row: 32,
    title: 'the genesis swapped',
    does: async (ledger) => {
      const { payload } = await ledger.row('B', 0);
      await ledger.remove(ledger.at('C', 0));
      await ledger.put([{ ...(await ledger.rows(ledger.ids.B))[0]!, chainId: ledger.ids.C!, payload }]);
    },
    finds: ['record_mismatch C:0', 'record_mismatch C:1'],
  },
  {
    row: 32,
    title: 'the genesis swapped, and the chain rebuilt',
    does: (ledger) =>
      ledger.forge('C', (payload, seq) =>
        seq === 0 ? payload.replace('"writer":"test"', '"writer":"tess"') : payload,
      ),
    finds: ['checkpoint_mismatch C:6', 'checkpoint_mismatch C:6'],
  },
  {
    row: 33,
    title: 'records moved to another chain',
    does: (ledger) =>
      ledger.move(
        { chain_id: `'${ledger.ids.C}'`, seq: 'seq + 2' },
        `${ledger.of('A')} AND seq BETWEEN 5 AND 6`,
      ),
    finds: ['checkpoint_mismatch C:7', 'record_mismatch C:7', 'record_mismatch C:8', 'seq_gap A:5-6'],
  },
  {
    row: 34,
    title: 'a chain of another deployment',
    does: (ledger) => ledger.put(sealChain('replayed', [FORGED], 0n, '11111111-2222-4333-8444-555555555555')),
    finds: ['record_mismatch replayed:0'],
  },
  {
    row: 17,
    title: 'the tail that no round covers deleted, and its writer goes on: sent again',
    does: async (ledger) => {
      await ledger.remove(`${ledger.of('A')} AND seq > 16`);
      await ledger.goOn();
    },
    finds: [],
  },
  {
    row: 20,
    title: 'one appended, its hash fitting, and its writer goes on',
    does: async (ledger) => {
      await ledger.append('A', 'gap', {});
      await ledger.goOn();
    },
    finds: ['fork A:19'],
  },
  {
    row: 26,
    title: 'what follows the last round recomputed, and its writer goes on',
    does: async (ledger) => {
      await ledger.forge('A', (payload, seq) =>
        seq > 16 ? payload.replace('list_files', 'drop_table') : payload,
      );
      await ledger.goOn();
    },
    finds: ['fork A:18'],
  },
  {
    row: 28,
    title: 'a journal copied, and both go on',
    does: async (ledger) => {
      await ledger.goOn('A2');
      await ledger.goOn('A3');
    },
    finds: ['fork A2:0', 'fork A3:0'],
  },
];
