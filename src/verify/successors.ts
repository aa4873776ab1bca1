import { isHash } from '../chain/merkle.ts';
import type { AuditRecord } from '../record/record.ts';

/** What a `chain_opened` says of the chain before it. */
interface Before {
  chainId: string;
  size: number;
  /** Hash of its last record. */
  head?: string;
}

/** Where a chain ends in the store. */
interface End {
  size: bigint;
  head: string;
}

/**
 * Which chain each `chain_opened` names as the one before it, and where that ended. A journal goes on from its last
 * chain once: where two name the same, or the one before goes on after its end, the journal was copied, or put back
 * to an older state, and both went on.
 */
export class Successors {
  /** By predecessor: where it ended, by the chains that say so. */
  readonly #of = new Map<string, Map<string, Before>>();

  hear(chainId: string, seq: bigint, payload: string | Uint8Array): void {
    if (seq !== 0n || typeof payload !== 'string' || !payload.startsWith('{"action":"chain_opened"')) return;
    const before = predecessorIn(payload);
    if (before === undefined) return;
    const successors = this.#of.get(before.chainId) ?? new Map<string, Before>();
    this.#of.set(before.chainId, successors.set(chainId, before));
  }

  /** Another says that it follows it. */
  has(chainId: string): boolean {
    return this.#of.has(chainId);
  }

  /** Places where a line of chains goes two ways, each with why. */
  *forks(endOf: (chainId: string) => End | undefined): Generator<[chain: string, seq: bigint, why: string]> {
    for (const [before, successors] of this.#of) {
      const names = [...successors.keys()];
      if (names.length > 1)
        for (const name of names)
          yield [
            name,
            0n,
            `it follows ${before}, and so say ${names.filter((each) => each !== name).join(', ')}`,
          ];
      const [end, name, head] = earliest(successors);
      const found = endOf(before);
      if (found === undefined) continue;
      if (found.size > end) yield [before, end, `it goes on, though ${name} says that it ended here`];
      if (found.size === end && head !== undefined && found.head !== head)
        yield [before, end - 1n, `it ends otherwise than ${name} says`];
    }
  }
}

function earliest(successors: ReadonlyMap<string, Before>): [size: bigint, name: string, head?: string] {
  const [name, { size, head }] = [...successors].reduce((first, each) =>
    each[1].size < first[1].size ? each : first,
  );
  return head === undefined ? [BigInt(size), name] : [BigInt(size), name, head];
}

/** What a payload that is no JSON says has been found already. */
function predecessorIn(payload: string): Before | undefined {
  try {
    const { control } = JSON.parse(payload) as AuditRecord;
    const { chain_id, size, head } = (control?.predecessor ?? {}) as { [field: string]: unknown };
    const isTold = typeof chain_id === 'string' && Number.isSafeInteger(size) && (size as number) >= 0;
    if (!isTold) return undefined;
    return { chainId: chain_id, size: size as number, ...(isHash(head) ? { head } : {}) };
  } catch {
    return undefined;
  }
}
