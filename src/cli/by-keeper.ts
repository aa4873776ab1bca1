import type { KeeperAsk } from '../store/guest.ts';
import { busy } from './checkpoint.ts';
import { holdKeeper } from './keeper.ts';
import type { Ledger } from './ledger.ts';

type Held = NonNullable<Awaited<ReturnType<typeof holdKeeper>>>;

/** By this process where it may be the keeper, else by the `serve` that is. */
export async function byKeeper<T>(
  ledger: Ledger,
  what: Exclude<KeeperAsk, 'keep'>,
  body: object,
  work: (held: Held) => Promise<T>,
): Promise<T> {
  const held = await holdKeeper(ledger);
  if (held === undefined) {
    const answer = await ledger.askKeeper(what, JSON.stringify(body));
    if (answer === undefined) throw busy();
    return JSON.parse(answer) as T;
  }
  try {
    return await work(held);
  } finally {
    await held.release();
  }
}
