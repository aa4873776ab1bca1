import type { Anchor, Checkpoint } from '../anchor/anchor.ts';
import type { Clock } from '../clock.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';
import type { Writer } from '../pipeline.ts';
import { control } from '../record/control.ts';

/** The newest, until the next: what a crash kept from an anchor goes there with the next round. */
export const LEDGER_CHECKPOINT = 'state|ledger_checkpoint';
/** By an anchor's name the size it has given a receipt for. */
export const ANCHORED = 'state|anchored';

/** How an anchor took a checkpoint. */
export type Anchoring =
  | { anchor: string; state: 'anchored'; size: number }
  | { anchor: string; state: 'failed'; code: string; message: string };

/** Brings checkpoints to the anchors, and their receipts into the control chain. */
export class Publishing {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #anchors: readonly Anchor[];

  constructor({ writer, clock, anchors }: { writer: Writer; clock: Clock; anchors: readonly Anchor[] }) {
    this.#writer = writer;
    this.#clock = clock;
    this.#anchors = anchors;
  }

  /** All at once, each within its own time limit: none keeps another from it, nor anybody from the next round. */
  publish(checkpoint: Checkpoint): Promise<Anchoring[]> {
    return Promise.all(this.#anchors.map((anchor) => this.#publishTo(anchor, checkpoint)));
  }

  async #publishTo(anchor: Anchor, checkpoint: Checkpoint): Promise<Anchoring> {
    const { name } = anchor;
    try {
      const receipt = await anchor.publish(checkpoint);
      const { size } = checkpoint;
      this.#writer.tell((transaction) => {
        const anchored = (transaction.get(ANCHORED) ?? {}) as { [anchor: string]: number };
        transaction.set(ANCHORED, { ...anchored, [name]: size });
        return control('checkpoint_anchored', { ...receipt }, this.#clock());
      });
      return { anchor: name, state: 'anchored', size };
    } catch (error) {
      if (isSpanledgerError(error) && error.code.startsWith('journal_')) throw error;
      const code = isSpanledgerError(error) ? error.code : 'failed';
      return { anchor: name, state: 'failed', code, message: messageOf(error) };
    }
  }
}
