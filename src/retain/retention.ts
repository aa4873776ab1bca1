import type { Clock } from '../clock.ts';
import { SpanledgerError } from '../errors.ts';
import type { Policy } from '../policy/policy.ts';
import { pseudonymKinds } from '../policy/pseudonym-kinds.ts';
import type { Store } from '../store/client.ts';
import type { Verification } from '../verify/findings.ts';
import { Archiving, type ListedArchive } from './archiving.ts';
import { asOf } from './as-of.ts';
import { type Expiring, expire, type PartitionRun } from './expiry.ts';
import { type Holder, heldNow, type Placed, type Placing, placeHold, releaseHold } from './holding.ts';
import { type Hold, holdsIn } from './holds.ts';
import { LawfulRecords, type OwnLine } from './own-line.ts';
import { nameOf, purge, purgeContents } from './purge.ts';
import { type RetentionStatus, recordsAt, statusOf } from './status.ts';

export interface RetentionOptions {
  store: Store;
  ledgerId: string;
  /** At its first use: whoever only makes rounds needs no key. */
  policy: () => Policy;
  clock: Clock;
  /** Names of the anchors, each of which has what lets a record go before it goes. */
  anchors: readonly string[];
  lend: Expiring['lend'];
  /** Where closed partitions are copied to, if anywhere. */
  archive?: { path: string; origin: string } | undefined;
  /** When a run ended last, and that one has; microseconds since the epoch. */
  lastRun: { get(): number; set(at: number): void };
  /** Seconds from one run to the next; undefined where none is planned. */
  every: number | undefined;
}

export interface RunOptions {
  /** A round now, and what its verification came to: of a ledger that was tampered with nothing leaves. */
  keep: () => Promise<{ verification: Pick<Verification, 'status'> }>;
  isDry?: boolean;
  progress?: (records: number) => void;
}

/** What a run has done, or with `dry_run` would do: records, but for contents. */
export interface Retained {
  dry_run: boolean;
  /** RFC 3339: what time it was taken to be, and who says so. */
  as_of: string;
  time: 'host' | 'attested';
  /** Records that were copied to an archive, and confirmed. */
  archived: number;
  /** Records that holds were extended to. */
  extended: number;
  due: number;
  held: number;
  unarchived: number;
  unsound: number;
  expired: number;
  purged: number;
  contents_purged: number;
  /** An anchor has not taken the checkpoint yet that lets records go: the next run goes on. */
  waiting_for_anchor: boolean;
  partitions: PartitionRun[];
}

export interface HoldListed {
  hold_id: string;
  case: string;
  reason: string;
  until?: string;
  /** What it is about, nobody by name. */
  by: Hold['by'];
  placed_by: string;
  placed_at: string;
  /** Records in the database that it covers. */
  records: number;
  released?: NonNullable<Hold['released']>;
}

/** What leaves the ledger and what must stay, decided by whoever keeps it. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #records: LawfulRecords;
  readonly #archiving: Archiving | undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#records = new LawfulRecords(options.store);
    const { archive } = options;
    this.#archiving = archive && new Archiving({ ...options, ...archive, records: this.#records });
  }

  /** Whether a run is due, by the schedule. */
  get isDue(): boolean {
    const { every, lastRun, clock } = this.#options;
    return every !== undefined && clock() - lastRun.get() >= every * 1e6;
  }

  /**
   * Once through. It may be run again at any time, also by two at once: what one has done the other finds done.
   *
   * @throws SpanledgerError `retention_refused` where the ledger is tampered with: what leaves now would be missing as
   * evidence; `archive_failed`; of the store, the journal or the key: what was done is done, and the next run goes on.
   */
  async run({ keep, isDry = false, progress }: RunOptions): Promise<Retained> {
    const { store, lend, anchors, clock, lastRun, ledgerId, policy } = this.#options;
    const { verification } = await keep();
    if (verification.status === 'tampered')
      throw new SpanledgerError('retention_refused', 'the ledger does not verify: nothing leaves it', {
        hint: '`spanledger verify` says what was done; what is there now may be the evidence',
      });
    const confirmed = isDry ? [] : ((await this.#archiving?.run(policy().document)) ?? []);
    const time = await lend((line) => asOf(store, line, anchors, clock()));
    const expiring: Expiring = {
      ...this.#holder(isDry),
      ledgerId,
      document: policy().document,
      asOf: time.seconds,
      lend,
      progress,
    };
    const { extended } = await lend((line) => heldNow(expiring, line));
    const runs = await expire(expiring);
    let gone: ReadonlyMap<string, number> = new Map();
    let contents = 0;
    let isWaiting = false;
    if (!isDry) {
      isWaiting = !(await lend((line) => this.#cover(line)));
      gone = await purge(expiring);
      contents = await purgeContents(expiring);
      lastRun.set(clock());
    }
    const partitions = runs.map((each) => ({ ...each, purged: gone.get(nameOf(each)) ?? 0 }));
    const sum = (of: (run: PartitionRun) => number) => partitions.reduce((all, run) => all + of(run), 0);
    return {
      dry_run: isDry,
      as_of: new Date(time.seconds * 1_000).toISOString(),
      time: time.by,
      archived: confirmed.reduce((all, { rows }) => all + rows, 0),
      extended,
      due: sum((run) => run.due),
      held: sum((run) => run.held),
      unarchived: sum((run) => run.unarchived),
      unsound: sum((run) => run.unsound),
      expired: sum((run) => run.expired),
      purged: sum((run) => run.purged),
      contents_purged: contents,
      waiting_for_anchor: isWaiting,
      partitions,
    };
  }

  place(placing: Placing): Promise<Placed> {
    return this.#options.lend((line) => placeHold(this.#holder(), line, placing));
  }

  release(release: Parameters<typeof releaseHold>[2]): ReturnType<typeof releaseHold> {
    return this.#options.lend((line) => releaseHold(this.#holder(), line, release));
  }

  /** All holds there ever were, as a list of them tells. */
  async listed(): Promise<HoldListed[]> {
    const { store } = this.#options;
    const listed: HoldListed[] = [];
    for (const hold of await this.holds()) {
      const { id, case: name, reason, until, by, placedBy, placedAt, covers, released } = hold;
      listed.push({
        hold_id: id,
        case: name,
        reason,
        ...(until === undefined ? {} : { until }),
        by,
        placed_by: placedBy,
        placed_at: placedAt,
        records: await recordsAt(store, covers),
        ...(released === undefined ? {} : { released }),
      });
    }
    return listed;
  }

  /** All holds there ever were, in the order in which they were placed. */
  holds(): Promise<Hold[]> {
    return this.#options.lend(async (line) => {
      await this.#records.refresh(line);
      return holdsIn(this.#records.all);
    });
  }

  /** @throws SpanledgerError `config_invalid` where there is no folder for them. */
  archives(): Promise<ListedArchive[]> {
    if (this.#archiving !== undefined) return this.#archiving.listed();
    throw new SpanledgerError('config_invalid', 'the settings name no folder for archives', {
      hint: 'retention: {archive: {directory: PATH}} in spanledger.yaml',
    });
  }

  status(): Promise<RetentionStatus> {
    const { store, clock, lastRun, every, lend } = this.#options;
    return lend(async (line) => {
      await this.#records.refresh(line);
      const now = Math.floor(clock() / 1e6);
      return statusOf(store, this.#records.all, { now, lastRun: lastRun.get() / 1e6, every });
    });
  }

  /** Whether a checkpoint, at every anchor, is over all that says that something expired; one is made where there is none. */
  async #cover(line: OwnLine): Promise<boolean> {
    const isCovered = () =>
      this.#records.all.every(({ action, id }) => action !== 'records_expired' || line.isCovered(id));
    await this.#records.refresh(line);
    if (!isCovered()) await line.checkpoint();
    return isCovered();
  }

  #holder(isDry = false): Holder {
    const { keyring, document } = this.#options.policy();
    return {
      store: this.#options.store,
      names: { keyring, kinds: pseudonymKinds(document) },
      records: this.#records,
      isDry,
    };
  }
}
