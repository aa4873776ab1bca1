import type { Anchor, Checkpoint } from '../anchor/anchor.ts';
import type { Signer } from '../chain/signer.ts';
import type { Clock } from '../clock.ts';
import type { Writer } from '../pipeline.ts';
import { control } from '../record/control.ts';
import { keys } from '../record/memory.ts';
import { digestOfControl, type OwnLine } from '../retain/own-line.ts';
import { ANCHORED, LEDGER_CHECKPOINT } from './publishing.ts';
import { lineOf } from './standing.ts';

export interface Lender {
  writer: Writer;
  anchors: readonly Anchor[];
  signer: Signer;
  clock: Clock;
  settle: () => Promise<void>;
  checkpoint: () => Promise<void>;
}

/** The keeper's own line for somebody to write in. What is told is remembered by its digest, in the same transaction. */
export function borrowedLine({ writer, anchors, signer, clock, settle, checkpoint }: Lender): OwnLine {
  const { journal } = writer;
  return {
    get chains() {
      return lineOf(writer);
    },
    get told() {
      return new Map(journal.remembered('lawful') as Iterable<[string, string]>);
    },
    get holds() {
      return new Map([...journal.remembered('hold')].filter(([, what]) => what !== null));
    },
    tell(action, fields, { actor, holds } = {}) {
      const digest = digestOfControl(fields);
      return writer.tell((transaction) => {
        const { chainId, size } = transaction.chain!;
        transaction.set(keys.lawful(`${chainId}:${size}`), digest);
        if (holds !== undefined) transaction.set(keys.hold(holds[0]), holds[1]);
        return { ...control(action, fields, clock()), ...(actor === undefined ? {} : { actor }) };
      });
    },
    settle,
    get signed() {
      return (journal.get(LEDGER_CHECKPOINT) as Checkpoint | undefined)?.note;
    },
    signer,
    checkpoint,
    isCovered(id) {
      const [, chainId, seq] = /^(.*):(\d+)$/.exec(id)!;
      // Of a chain that was left behind nobody signs any more.
      if (chainId !== journal.chain?.chainId) return false;
      const signed = journal.get(LEDGER_CHECKPOINT) as Checkpoint | undefined;
      const anchored = (journal.get(ANCHORED) ?? {}) as { [anchor: string]: number };
      return [signed?.size ?? 0, ...anchors.map(({ name }) => anchored[name] ?? 0)].every(
        (size) => size > Number(seq),
      );
    },
  };
}
