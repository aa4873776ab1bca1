import type { ChainFacts } from './chain-facts.ts';
import type { Report } from './findings.ts';
import type { Points } from './points.ts';
import type { Time } from './scan.ts';

const RECORDED_AT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
/** A writer with a key tells of itself every five minutes: it does not say nothing for a day. */
const LEAP_MS = 86_400_000;

/**
 * Hears when records were recorded, in their order, and tells of a clock that ran back, or leapt. Of each chain only
 * the first is told.
 */
export class Times {
  readonly #points: Points | undefined;
  readonly #report: Report;
  readonly #told = new Set<string>();

  constructor(points: Points | undefined, report: Report) {
    this.#points = points;
    this.#report = report;
  }

  /** @param chain which has come past that place, or is there. */
  hear(chain: ChainFacts, { seq, at }: Time): void {
    if (!RECORDED_AT.test(at)) return;
    const before = chain.recordedAt;
    if (seq === 0n) chain.openedAt = at;
    if (before !== undefined && !this.#told.has(chain.id)) {
      const why =
        at < before
          ? `recorded at ${at}, after a record of ${before}`
          : leaps(chain, before, at)
            ? `recorded at ${at}, and the record before it at ${before}`
            : undefined;
      if (why !== undefined) {
        this.#told.add(chain.id);
        this.#report('clock_regression', chain.id, seq, why);
      }
    }
    chain.recordedAt = at;
    this.#points?.heard(chain.id, Number(seq) + 1, at);
  }
}

/** Since when no checkpoint covers a chain's records, nor its last listing: all from its newest good checkpoint on are heard. */
export function hearUncovered(chain: ChainFacts, seq: bigint, record: unknown): void {
  const { at, action } = timeOf(record);
  if (!RECORDED_AT.test(at)) return;
  // What covers others need not be covered itself, and nothing follows an end, which may hold a checkpoint too.
  const isEnd = action === 'chain_closed';
  if (isEnd ? chain.checkpoint === Number(seq) : action === 'checkpoint' && !chain.badNotes.has(seq))
    chain.sinceNote = undefined;
  if (isEnd || action === 'checkpoint') return;
  chain.sinceNote ??= at;
  if (seq >= BigInt(chain.listedSize)) chain.sinceListing ??= at;
}

/** Of a record that may be anything. */
export function timeOf(record: unknown): { at: string; action: unknown } {
  const { recorded_at: at, action } = (record ?? {}) as { recorded_at?: unknown; action?: unknown };
  return { at: typeof at === 'string' ? at : '', action };
}

/** A keeper may rest for as long as it likes: its chain goes on across starts. */
function leaps({ opened }: ChainFacts, before: string, at: string): boolean {
  if (opened?.vkey === undefined || opened.role === 'control') return false;
  return Date.parse(at) - Date.parse(before) > LEAP_MS;
}
