import type { Placing } from './holding.ts';
import type { Retention, RunOptions } from './retention.ts';

/** What somebody asks of whoever keeps the ledger. */
export type RetainAsk =
  | { what: 'run'; isDry: boolean }
  | { what: 'status' }
  | { what: 'archives' }
  | { what: 'holds' }
  | { what: 'place'; placing: Placing }
  | { what: 'release'; release: Parameters<Retention['release']>[0] };

/** Does it, and answers what JSON can say. */
export async function answered(
  retention: Retention,
  ask: RetainAsk,
  run: Pick<RunOptions, 'keep' | 'progress'>,
): Promise<unknown> {
  switch (ask.what) {
    case 'run':
      return retention.run({ ...run, isDry: ask.isDry });
    case 'status':
      return retention.status();
    case 'archives':
      return retention.archives();
    case 'holds':
      return retention.listed();
    case 'place':
      return retention.place(ask.placing);
    case 'release':
      return retention.release(ask.release);
  }
}
