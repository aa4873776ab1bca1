import { rotationMessage, signStatementSync } from '../../src/chain/statements.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import type { Store } from '../../src/store/client.ts';
import { LEDGER_SIGNER } from '../support/keeper-kit.ts';
import { LEDGER_ID, sealChain } from '../support/ledger-kit.ts';
import { another } from './attacked-ledger.ts';
import type { Attack } from './attacks.ts';

const FORGED = '{"retention_class":"ledger"}';
const says = (member: string) => `{${member},"retention_class":"ledger"}`;

/** Rows 70 to 85. */
export const ENCODING: Attack[] = [
  ...(
    [
      ['a key twice', says('"a":1,"a":1')],
      ['-0', says('"a":-0')],
      ['1.0', says('"a":1.0')],
      ['1e400', says('"a":1e400'), true],
      ['beyond 2^53', says('"a":9007199254740993')],
      ['NaN', says('"a":NaN'), true],
      ['a byte order mark', `\ufeff${FORGED}`],
      ['a lone surrogate', says('"a":"\\ud800"'), true],
      [
        'CESU-8',
        Buffer.concat([
          Buffer.from('{"a":"'),
          Buffer.from('eda0bdedb880', 'hex'),
          Buffer.from('","retention_class":"ledger"}'),
        ]),
        true,
      ],
    ] as [string, string | Buffer, boolean?][]
  ).map(
    ([what, payload, unread]): Attack => ({
      row: 70,
      title: `a payload with ${what}, its hash fitting`,
      does: (ledger) => ledger.put(sealChain<string | Buffer>('D', [FORGED, payload])),
      // The engine reads no column in what is no JSON to it.
      finds: [...(unread ? ['derived_mismatch D:1'] : []), 'payload_not_canonical D:1'],
    }),
  ),
  {
    row: 71,
    title: 'a digit moved from seq to chain',
    does: async (ledger) => {
      const whole = sealChain('D', Array(11).fill(FORGED));
      await ledger.put([...whole.slice(0, 10), { ...whole[10]!, chainId: 'D1', seq: 0n }]);
    },
    finds: ['record_mismatch D1:0'],
  },
  {
    row: 75,
    title: 'the signature of a rotation under a checkpoint',
    does: (ledger) =>
      ledger.append('K', 'checkpoint', (tree) => {
        const [text, line] = ledger.note('K', tree).split('\n\n') as [string, string];
        const [dash, name, own] = line.trim().split(' ') as [string, string, string];
        const pair = { old: LEDGER_SIGNER.vkey, new: another('K', ledger).vkey, from: tree.size };
        const message = rotationMessage({ ledgerId: LEDGER_ID, chainId: ledger.ids.K!, ...pair });
        const reused = Buffer.from(signStatementSync(message, LEDGER_SIGNER), 'base64');
        const signature = Buffer.concat([Buffer.from(own, 'base64').subarray(0, 4), reused]);
        return { note: `${text}\n\n${dash} ${name} ${signature.toString('base64')}\n` };
      }),
    finds: ['checkpoint_invalid K:9'],
  },
  {
    row: 77,
    title: 'a place beyond 2^53',
    does: (ledger) => ledger.put([...sealChain('D', [FORGED]), ...sealChain('D', [FORGED], 2n ** 53n + 1n)]),
    finds: ['seq_gap D:1-9007199254740992'],
  },
  {
    row: 77,
    title: 'places hashed with leading zeros',
    does: (ledger) =>
      ledger.reseal(
        ledger.ids.B!,
        () => ({}),
        (entry) => ledger.hashOfText(entry, (text) => text.replace(/\n(\d+)\n(\d+)\n/, '\n0$1\n$2\n')),
      ),
    finds: [
      'checkpoint_mismatch B:4',
      'record_mismatch B:0',
      'record_mismatch B:1',
      'record_mismatch B:2',
      'record_mismatch B:3',
      'record_mismatch B:4',
    ],
  },
  {
    row: 79,
    title: 'a clock that runs back',
    does: (ledger) => ledger.append('A', 'gap', {}, -300),
    finds: ['clock_regression A:19'],
  },
  {
    row: 79,
    title: 'a clock that leaps',
    does: (ledger) => ledger.append('A', 'gap', {}, 100_000),
    finds: ['clock_regression A:19'],
  },
  {
    row: 80,
    title: 'recorded after an anchor attests it',
    does: async (ledger) => {
      const [worm] = await ledger.anchors();
      const attested_at = new Date((ledger.now - 5_000) * 1_000).toISOString().replace('Z', '000Z');
      return { anchors: [{ ...worm!, held: worm!.held.map((each) => ({ ...each, attested_at })) }] };
    },
    finds: ['clock_regression K:1'],
  },
  {
    row: 81,
    title: 'a chain made today and dated last month, by whoever may write',
    does: async (ledger) => {
      await ledger.dated(30);
      await ledger.round(60);
    },
    finds: ['clock_regression D:0'],
    // Its round lists what others have done to their chains, too.
    asks: true,
  },
  {
    row: 81,
    title: 'a chain made today and dated last month, by nobody that is enrolled',
    does: async (ledger) => {
      const opened = JSON.parse((await ledger.row('C', 0)).payload.toString());
      const at = new Date((ledger.now - 30 * 86_400) * 1_000).toISOString().slice(0, -1);
      await ledger.put(
        sealChain('D', [canonicalJson({ ...opened, occurred_at: `${at}000000Z`, recorded_at: `${at}000Z` })]),
      );
      await ledger.round(60);
    },
    finds: ['chain_stale D:0', 'chain_undeclared D:0', 'time_unattested :0'],
  },
  {
    row: 85,
    title: 'a writer that stalls',
    does: async (ledger) => {
      await ledger.round(1_000);
      return { asOf: ledger.now + 1_000 };
    },
    finds: ['chain_stale A:18', 'time_unattested :0'],
  },
  {
    row: 83,
    title: 'reads that differ: a record changed between two of one verification',
    does: async (ledger) => {
      let changed = false;
      const query: Store['query'] = async (sql, parameters) => {
        const rows = await ledger.store.query(sql, parameters);
        // What is compared at the end is the last record of each chain, read twice.
        if (!changed && sql.includes('audit_content')) {
          changed = true;
          await ledger.move({ record_hash: 'reverse(record_hash)' }, ledger.at('C', 6));
        }
        return rows as never;
      };
      const other = new Proxy(ledger.store, {
        get: (store, key) => {
          if (key === 'query') return query;
          const value = Reflect.get(store, key) as unknown;
          return typeof value === 'function' ? value.bind(store) : value;
        },
      });
      return { said: await ledger.findings({}, other) };
    },
    finds: ['read_inconsistent C:6'],
    asks: true,
  },
];
