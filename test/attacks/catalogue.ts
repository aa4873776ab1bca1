import { ARCHIVES } from './archives.ts';
import type { Attack, Unproven } from './attacks.ts';
import { CONTENT } from './content.ts';
import { ENCODING } from './encoding.ts';
import { KEYS } from './keys.ts';
import { STRUCTURE } from './structure.ts';

export const ATTACKS: Attack[] = [...CONTENT, ...STRUCTURE, ...KEYS, ...ARCHIVES, ...ENCODING].sort(
  (a, b) => a.row - b.row,
);

const at = (why: string) => ({ is: 'elsewhere', why }) as const;

/** Rows of which nothing is attacked here. */
export const UNPROVEN: Unproven[] = [
  { row: 35, title: 'a span is never emitted', is: 'never', why: 'outside the ledger' },
  { row: 36, title: 'rows purged early', ...at('test/verify/lawful.test.ts') },
  { row: 37, title: 'forged tombstones', ...at('test/verify/lawful.test.ts') },
  { row: 38, title: 'a class shortened without policy_changed', ...at('test/verify/policies.test.ts') },
  { row: 39, title: 'the host’s clock set forward', ...at('test/verify/lawful.test.ts') },
  { row: 41, title: 'tombstones of what no archive has', ...at('test/verify/lawful.test.ts') },
  { row: 43, title: 'an erased tombstone without records_erased', ...at('test/verify/lawful.test.ts') },
  { row: 44, title: 'a row deleted, no tombstone', ...at('it is row 15') },
  { row: 45, title: 'records_erased of other hashes', ...at('test/verify/lawful.test.ts') },
  { row: 46, title: 'an erased record still there', ...at('test/verify/lawful.test.ts') },
  { row: 47, title: 'legal_hold_placed deleted', ...at('test/verify/lawful.test.ts') },
  { row: 48, title: 'expiry or erasure under a hold', ...at('test/verify/lawful.test.ts') },
  {
    row: 49,
    title: 'a hold released without the right',
    ...at('test/retain/retention.test.ts, test/verify/lawful.test.ts'),
  },
  { row: 65, title: 'one key under two witness names', ...at('test/config, test/chain/trust.test.ts') },
  { row: 72, title: 'length extension', is: 'never', why: 'no hash with a secret prefix' },
  { row: 73, title: 'a Merkle node as a leaf', ...at('test/chain') },
  { row: 74, title: 'a proof with hashes more or less', ...at('test/chain') },
  { row: 76, title: 'upper-case hex, other base64', ...at('test/chain') },
  { row: 78, title: 'look-alike writer names', ...at('test/chain') },
  {
    row: 84,
    title: 'row policies',
    ...at('test/cli/doctor.test.ts, on a server: the embedded engine has no users'),
  },
];

/** Those that change one chain and need nothing else, by that chain. The rounds they may be found by are left alone. */
export const SINGLE = new Map(['A', 'B', 'C', 'D', 'V'].map((chain) => [chain, ATTACKS.filter(isOf(chain))]));

function isOf(chain: string) {
  return ({ finds, rebuilds, asks }: Attack): boolean =>
    finds.length > 0 &&
    rebuilds === undefined &&
    asks === undefined &&
    finds.every((each) => each.split(' ')[1]!.startsWith(`${chain}:`));
}
