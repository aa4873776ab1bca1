import { hash } from 'node:crypto';
import type { Checkpoint } from '../../../src/anchor/anchor.ts';
import { signCheckpointSync } from '../../../src/chain/checkpoint.ts';
import { consistencyProof, rootOfLeaves } from '../../../src/chain/merkle.ts';
import { LocalSigner } from '../../../src/chain/signer.ts';
import { ORIGIN } from './checkpoints.ts';

/** A control chain as anchors see it: its leaves, its key, its checkpoints. `salt` makes another history. */
export class TestLog {
  readonly origin: string;
  readonly vkey: string;
  readonly #signer: LocalSigner;
  readonly #leaves: readonly string[];

  constructor({ origin = ORIGIN, salt = '', seed = 1 } = {}) {
    this.origin = origin;
    this.#signer = new LocalSigner(origin, Buffer.alloc(32, seed));
    this.vkey = this.#signer.vkey;
    this.#leaves = Array.from({ length: 300 }, (_, i) => hash('sha256', `${salt}${i}`));
  }

  checkpoint(size: number): Checkpoint {
    const root = rootOfLeaves(this.#leaves.slice(0, size));
    const note = signCheckpointSync({ origin: this.origin, size: BigInt(size), root }, this.#signer);
    return { origin: this.origin, size, root, note };
  }

  readonly consistency = (from: number, to: number): Promise<string[]> =>
    Promise.resolve(consistencyProof(from, to, this.#leaves));
}
