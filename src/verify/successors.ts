import type { AuditRecord } from '../record/record.ts';

/** What a `chain_opened` says of the chain before it. */
interface Before {
  chainId: string;
  size: number;
}

/**
 * Which chain each `chain_opened` names as the one before it, and where that ended. A journal goes on from its last
 * chain once: where two name the same, or the one before goes on after its end, the journal was copied, or put back
 * to an older state, and both went on.
 */
export class Successors {
  /** By predecessor: where it ended, by the chains that say so. */
  readonly #of = new Map<string, Map<string, number>>();

  hear(chainId: string, seq: bigint, payload: string | Uint8Array): void {
    if (seq !== 0n || typeof payload !== 'string' || !payload.startsWith('{"action":"chain_opened"')) return;
    const before = predecessorIn(payload);
    if (before === undefined) return;
    const successors = this.#of.get(before.chainId) ?? new Map<string, number>();
    this.#of.set(before.chainId, successors.set(chainId, before.size));
  }

  /** Another says that it follows it. */
  has(chainId: string): boolean {
    return this.#of.has(chainId);
  }

  /** Places where a line of chains goes two ways, each with why. */
  *forks(
    sizeOf: (chainId: string) => bigint | undefined,
  ): Generator<[chain: string, seq: bigint, why: string]> {
    for (const [before, successors] of this.#of) {
      const names = [...successors.keys()];
      if (names.length > 1)
        for (const name of names)
          yield [
            name,
            0n,
            `it follows ${before}, and so say ${names.filter((each) => each !== name).join(', ')}`,
          ];
      const [end, name] = earliest(successors);
      const size = sizeOf(before);
      if (size !== undefined && size > end)
        yield [before, end, `it goes on, though ${name} says that it ended here`];
    }
  }
}

function earliest(successors: ReadonlyMap<string, number>): [bigint, string] {
  const [name, size] = [...successors].reduce((first, each) => (each[1] < first[1] ? each : first));
  return [BigInt(size), name];
}

/** What a payload that is no JSON says has been found already. */
function predecessorIn(payload: string): Before | undefined {
  try {
    const { control } = JSON.parse(payload) as AuditRecord;
    const { chain_id, size } = (control?.predecessor ?? {}) as { chain_id?: unknown; size?: unknown };
    const isTold = typeof chain_id === 'string' && Number.isSafeInteger(size) && (size as number) >= 0;
    return isTold ? { chainId: chain_id, size: size as number } : undefined;
  } catch {
    return undefined;
  }
}
