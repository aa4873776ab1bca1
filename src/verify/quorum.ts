import { quorumMet, type Trust } from '../chain/trust.ts';
import type { Vkey } from '../chain/vkey.ts';

/** Who of a trust file's witnesses has cosigned which checkpoint, and the newest that enough of them have. */
export class Quorum {
  /** Size of that; undefined where there is none, or none is asked for. */
  size: number | undefined;
  readonly #trust: Trust | undefined;
  readonly #signers = new Map<string, Vkey[]>();

  constructor(trust: Trust | undefined) {
    this.#trust = trust?.quorum === undefined ? undefined : trust;
  }

  hear(size: number, root: string, by: readonly Vkey[]): void {
    if (this.#trust === undefined) return;
    const signers = [...(this.#signers.get(`${size} ${root}`) ?? []), ...by];
    this.#signers.set(`${size} ${root}`, signers);
    if (size > (this.size ?? 0) && quorumMet(this.#trust, signers)) this.size = size;
  }
}
