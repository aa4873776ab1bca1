import { isHash } from '../chain/merkle.ts';
import type { Fields } from './ledger-records.ts';

interface Under {
  policy: string;
  predecessor: string | undefined;
  /** What its `policy_changed` records say: `<old> <new>`. */
  changes: Set<string>;
}

/**
 * Which policy each chain was written under, by the digest in its `chain_opened`. A writer whose policy is another than
 * that of the chain before says so in `policy_changed`: where nothing does, somebody changed how long records are kept,
 * or what of them is redacted, without a trace.
 */
export class Policies {
  readonly #chains = new Map<string, Under>();

  /** Records of a chain, in order. */
  hear(chainId: string, seq: bigint, action: string, control: Fields): void {
    if (action === 'chain_opened' && seq === 0n) {
      const { policy_digest: policy, predecessor } = control;
      if (!isHash(policy)) return;
      const before = (predecessor as Fields | undefined)?.chain_id;
      this.#chains.set(chainId, {
        policy,
        predecessor: typeof before === 'string' ? before : undefined,
        changes: new Set(),
      });
    }
    if (action === 'policy_changed') this.#chains.get(chainId)?.changes.add(`${control.old} ${control.new}`);
  }

  /** Chains under another policy than the one before them, and no record of that. */
  *unrecorded(): Generator<[chainId: string, before: string]> {
    for (const [chainId, { policy, predecessor, changes }] of this.#chains) {
      const before = predecessor === undefined ? undefined : this.#chains.get(predecessor)?.policy;
      if (before === undefined || before === policy || changes.has(`${before} ${policy}`)) continue;
      yield [chainId, before];
    }
  }
}
