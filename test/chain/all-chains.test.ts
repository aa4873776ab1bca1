import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AllChains, type ChainEnd } from '../../src/chain/all-chains.ts';
import { rootOfLeaves } from '../../src/chain/merkle.ts';

/** As the contract says it, from nothing. */
function rootAnew(chains: ReadonlyMap<string, ChainEnd>): string {
  const lines = [...chains.values()]
    .map(({ chain_id, size, head }) => `${chain_id} ${size} ${head}\n`)
    .sort((a, b) => Buffer.compare(Buffer.from(a.split(' ')[0]!), Buffer.from(b.split(' ')[0]!)));
  return rootOfLeaves(lines.map((line) => hash('sha256', `\0${line}`, 'hex')));
}

const end = fc.record({
  chain_id: fc.stringMatching(/^[a-c][a-c0-1._-]{0,3}$/),
  size: fc.nat(1_000),
  head: fc.constantFrom('a', 'b').map((digit) => digit.repeat(64)),
});

describe('all chains of a round', () => {
  it('have the root of RFC 6962 over their lines, however they came', () => {
    fc.assert(
      fc.property(fc.array(end), fc.array(fc.array(end)), (before, rounds) => {
        const listed = new Map(before.map((each) => [each.chain_id, each]));
        const all = new AllChains(listed.values());
        expect(all.root()).toBe(rootAnew(listed));
        for (const moved of rounds) {
          for (const each of moved) {
            listed.set(each.chain_id, each);
            all.set(each);
          }
          expect(all.root()).toBe(rootAnew(listed));
          expect(all.count).toBe(listed.size);
        }
      }),
    );
  });
});
