import { SpanledgerError } from '../errors.ts';
import { type Checkpointed, checkpointed } from '../server/keeping.ts';
import { holdKeeper } from './keeper.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';
import { verificationLines } from './verify.ts';

/**
 * A round and a ledger checkpoint now: by a `serve` that keeps this ledger, else by this process. 0; 1 where what has come
 * further does not verify; 3 where an anchor did not take the checkpoint.
 */
export async function checkpointCommand(options: LedgerOptions, out: Output): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const kept = await keptBy(ledger, out);
    out.document(kept);
    const { round, chains, failed, origin, size, root, anchors } = kept;
    out.line(inked`Round ${round}: ${chains} chains had moved`);
    out.line(inked`Checkpoint of ${origin}: ${size} records, root ${root}`);
    for (const id of failed) out.line(inked`${id} does not verify, and keeps its last good place`);
    for (const each of anchors)
      out.line(
        each.state === 'anchored'
          ? inked`Anchored at ${each.anchor}`
          : inked`${each.anchor} did not take it: ${each.message}`,
      );
    if (anchors.length === 0)
      out.line('No anchor is configured: whoever has this directory can rewrite it all');
    if (kept.verification === 'tampered') return 1;
    return ledger.exitCode(anchors.some(({ state }) => state === 'failed') ? 3 : 0);
  } finally {
    await ledger.close();
  }
}

/** Where a `serve` is the keeper it is asked; `undefined` answers say that it is none. */
export async function keptBy(ledger: Ledger, out: Output): Promise<Checkpointed> {
  const held = await holdKeeper(ledger);
  if (held === undefined) {
    const answer = await ledger.askKeeper('keep');
    if (answer !== undefined) return JSON.parse(answer) as Checkpointed;
    throw busy();
  }
  try {
    const kept = await held.keeper.keep();
    for (const line of verificationLines(kept.verification).slice(1)) out.log(line);
    return checkpointed(kept);
  } finally {
    await held.release();
  }
}

export function busy(): SpanledgerError {
  return new SpanledgerError(
    'keeper_busy',
    'another process of this directory is the keeper, and lets nobody in',
    {
      hint: 'wait until it is done; while spanledger serve starts, try again',
    },
  );
}
