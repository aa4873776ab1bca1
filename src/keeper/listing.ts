import { AllChains } from '../chain/all-chains.ts';
import { decodeFrontier, emptyFrontier, encodeFrontier } from '../chain/merkle.ts';
import type { Transaction } from '../journal/journal.ts';
import { keys } from '../record/memory.ts';
import { KnownIds } from '../store/chains.ts';
import type { JudgedChain, KnownChain } from '../verify/baseline.ts';
import type { Right } from './enrolment.ts';

/** A chain in a round: what it says of it, for ever. */
export interface Listed {
  chain_id: string;
  size: number;
  head: string;
  root: string;
  /** At its first listing. */
  vkey?: string;
}

/** A known chain as the journal keeps it; of one that is closed nothing follows the frontier, and it is left out. */
interface Kept extends Omit<KnownChain, 'frontier'> {
  frontier?: string;
  /** By what right it is listed. */
  right: Right;
}

/**
 * What the keeper knows of every chain: of those it lists it is kept in its journal, changed with the round that says
 * so; of those it does not list, only as long as the process lives, so that they are not read anew each time.
 */
export class Listing {
  /** Read from its start, but for what is listed already. */
  readonly baseline = new Map<string, KnownChain>();
  readonly ids = new KnownIds();
  /** Those that may go on. */
  readonly open = new Set<string>();
  /** Those that no round lists, as they were last judged. */
  readonly met = new Map<string, JudgedChain>();
  readonly #rights = new Map<string, Right>();
  readonly #all: AllChains;

  /** @param kept as the journal has them, by chain id. */
  constructor(kept: Iterable<readonly [string, unknown]>) {
    for (const [id, value] of kept) {
      const { frontier, right, ...rest } = value as Kept;
      this.#rights.set(id, right);
      this.#know(id, {
        ...rest,
        frontier: frontier === undefined ? emptyFrontier() : decodeFrontier(frontier),
      });
    }
    this.#all = new AllChains([...this.baseline].map(([chain_id, known]) => ({ chain_id, ...known })));
  }

  has(id: string): boolean {
    return this.#rights.has(id);
  }

  /** By what right it is listed; undefined where it is not. */
  rightOf(id: string): Right | undefined {
    return this.#rights.get(id);
  }

  /** `all` of a round. */
  get all(): { count: number; root: string } {
    return { count: this.#all.count, root: this.#all.root() };
  }

  /** Takes note of a chain that no round lists. */
  meet(chain: JudgedChain): void {
    this.met.set(chain.chain_id, chain);
    this.#know(chain.chain_id, chain);
  }

  /** Lists a chain, or where it has come to; kept if the transaction commits, and if not, this listing is of no use. */
  list(transaction: Transaction, chain: JudgedChain, right: Right): Listed {
    const { chain_id, status: _, root, enrol: __, enrolled: ___, frontier, ...known } = chain;
    const isFirst = !this.has(chain_id);
    const kept: Kept =
      known.closed === true ? { ...known, right } : { ...known, right, frontier: encodeFrontier(frontier) };
    transaction.set(keys.listed(chain_id), kept);
    this.met.delete(chain_id);
    this.#rights.set(chain_id, right);
    this.#know(chain_id, chain);
    this.#all.set(chain);
    const { size, head, vkey } = known;
    return { chain_id, size, head, root, ...(isFirst && vkey !== undefined ? { vkey } : {}) };
  }

  #know(id: string, chain: KnownChain): void {
    const { size, head, closed, vkey } = chain;
    this.ids.add(id);
    if (closed === true) {
      // Of a hundred thousand of them it counts what is kept.
      const ended = { size, head, closed, frontier: emptyFrontier() };
      this.baseline.set(id, vkey === undefined ? ended : { ...ended, vkey });
      this.open.delete(id);
    } else {
      this.baseline.set(id, chain);
      this.open.add(id);
    }
  }
}
