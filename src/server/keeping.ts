import { setTimeout as wait } from 'node:timers/promises';
import type { OldKey } from '../config/ledger-key.ts';
import type { WebhookSettings } from '../config/settings.ts';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { Anchoring } from '../keeper/publishing.ts';
import { tellWebhook } from '../keeper/webhook.ts';
import type { Keeper, Kept } from '../keeper.ts';
import { answered, type RetainAsk } from '../retain/ask.ts';
import type { Erasure, ErasureAsk, ErasureTold } from '../retain/erasure/erasure.ts';
import type { Retained, Retention, RunOptions } from '../retain/retention.ts';
import type { RetentionStatus } from '../retain/status.ts';
import type { Verification } from '../verify/findings.ts';
import { errorFields, type Logger } from './log.ts';

/** The keeper of a directory, in this process, with all that it holds. */
export interface Held {
  keeper: Keeper;
  /** Replaces the ledger's key: files and control chain. */
  rotate(old: OldKey): ReturnType<Keeper['rotate']>;
  /** As `spanledger verify`, from the first record on. */
  verifyAll(): Promise<Verification>;
  /** What leaves the ledger, and what must stay. */
  retention: Retention;
  /** What a person asks to have gone. */
  erasure: Erasure;
  release(): Promise<void>;
}

export interface KeepingOptions {
  /** @returns undefined where another process of this directory is the keeper. */
  open: () => Promise<Held | undefined>;
  ledgerId: string;
  roundSeconds: number;
  /** Seconds; 0 for never. */
  fullEvery: number;
  webhook?: WebhookSettings | undefined;
  log: Logger;
}

/** What there is to be seen of it. */
export interface KeepingCounts {
  rounds: number;
  /** Rounds that could not be made. */
  failures: number;
  /** Milliseconds since the epoch. */
  lastRound: number | undefined;
  verified: { status: Verification['status']; at: number; findings: ReadonlyMap<string, number> } | undefined;
  /** By anchor and state: how often. */
  anchored: Map<string, number>;
  webhookFailures: number;
  /** Runs of retention, and those that failed; and what stood there after the last. */
  retentions: number;
  retentionFailures: number;
  retention: RetentionStatus | undefined;
  /** Why there is no keeper here: an error's code, or `keeper_busy`. */
  refused: string | undefined;
}

/** Makes rounds as long as the process lives. What keeps it from one is logged, counted, and tried again in time for the next. */
export class Keeping {
  readonly counts: KeepingCounts = {
    rounds: 0,
    failures: 0,
    lastRound: undefined,
    verified: undefined,
    anchored: new Map(),
    webhookFailures: 0,
    retentions: 0,
    retentionFailures: 0,
    retention: undefined,
    refused: undefined,
  };
  readonly #options: KeepingOptions;
  readonly #end = new AbortController();
  #opening: Promise<Held> | undefined;
  #running: Promise<void> | undefined;
  /** What the webhook was told last: the same is not told again. */
  #told = '';
  #telling: Promise<void> = Promise.resolve();
  #broken: (error: SpanledgerError) => void = () => {};
  /** Resolves with why, should the control chain's journal break: then no round can be made any more by this process. */
  readonly broken: Promise<SpanledgerError>;

  constructor(options: KeepingOptions) {
    this.#options = options;
    this.broken = new Promise((resolve) => {
      this.#broken = resolve;
    });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** A round now, as `spanledger checkpoint` asks for. */
  async keep(): Promise<Kept> {
    const { keeper } = await this.held();
    const kept = await keeper.keep();
    this.#note(kept);
    return kept;
  }

  /** @throws SpanledgerError `keeper_busy` where another process is the keeper; what kept this one from it */
  async held(): Promise<Held> {
    this.#opening ??= this.#open();
    try {
      const held = await this.#opening;
      this.counts.refused = undefined;
      return held;
    } catch (error) {
      this.#opening = undefined;
      this.counts.refused = isSpanledgerError(error) ? error.code : 'internal';
      throw error;
    }
  }

  /** A last round, of what was shipped until now; and lets go. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running;
    const held = await this.#opening?.catch(() => undefined);
    if (held === undefined) return;
    try {
      await this.#attempt(() => this.keep());
      await this.#telling;
    } finally {
      await held.release();
    }
  }

  async #open(): Promise<Held> {
    const held = await this.#options.open();
    if (held !== undefined) return held;
    throw new SpanledgerError('keeper_busy', 'another process of this directory is the keeper', {
      hint: 'there is one a directory: leave it to that',
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      const isKept = await this.#attempt(async () => {
        await this.keep();
        await this.#verifyAll();
      });
      if (isKept) await this.#retainIfDue();
      await wait(this.#options.roundSeconds * 1_000, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.counts.failures += 1;
      const level = isSpanledgerError(error, 'keeper_busy') ? 'info' : 'error';
      this.#options.log[level](errorFields(error), 'no round could be made');
      if (isSpanledgerError(error, 'journal_broken')) this.#broken(error);
      // Found only as it wrote, by one that was let in as it opened.
      if (isSpanledgerError(error, 'keeper_conflict')) this.counts.refused = error.code;
      return false;
    }
  }

  /** As `spanledger retention` and `spanledger hold` ask for. */
  async retain(ask: RetainAsk, keep: RunOptions['keep'] = () => this.keep()): Promise<unknown> {
    const { retention } = await this.held();
    const answer = await answered(retention, ask, { keep });
    if (ask.what === 'run' && !ask.isDry) this.counts.retentions += 1;
    if (ask.what !== 'status') await this.#noteRetention(retention);
    return answer;
  }

  /** As `spanledger erase` asks for. */
  async erase(ask: ErasureAsk): Promise<ErasureTold[]> {
    const { erasure } = await this.held();
    return erasure.answered(ask, () => this.keep());
  }

  /** What a law or a hold keeps no longer, and what was cut short. */
  async #eraseDue(): Promise<void> {
    const { log } = this.#options;
    const { erasure } = await this.held();
    for (const { id, erased, waiting } of await erasure.runDue())
      log.info({ request: id, records: erased.length, waiting }, 'erasure');
  }

  /** What keeps it from a run keeps nobody from the next round. */
  async #retainIfDue(): Promise<void> {
    const { log } = this.#options;
    try {
      const { retention } = await this.held();
      if (this.#end.signal.aborted) return;
      if (!retention.isDue) {
        if (this.counts.retention === undefined) await this.#noteRetention(retention);
        return;
      }
      // A round has just been made, and perhaps everything verified.
      const keep = async () => ({ verification: this.counts.verified! });
      const run = (await this.retain({ what: 'run', isDry: false }, keep)) as Retained;
      const { archived, due, held, unarchived, expired, purged, unsound } = run;
      log.info({ archived, due, held, unarchived, expired, purged }, 'retention');
      if (unsound > 0) log.error({ unsound }, 'records do not hash, and stay');
      await this.#eraseDue();
    } catch (error) {
      this.counts.retentionFailures += 1;
      const level = isSpanledgerError(error, 'keeper_busy') ? 'info' : 'error';
      log[level](errorFields(error), 'retention did not come to its end; the next run goes on');
    }
  }

  async #noteRetention(retention: Retention): Promise<void> {
    this.counts.retention = await retention.status();
  }

  async #verifyAll(): Promise<void> {
    const { fullEvery } = this.#options;
    const { keeper, verifyAll } = await this.held();
    if (fullEvery === 0 || Date.now() - keeper.verifiedAll / 1_000 < fullEvery * 1_000) return;
    this.#judge(await keeper.verifyAll(verifyAll), keeper.newest?.round ?? 0);
  }

  #note({ round, listed, failed, checkpoint, anchored, verification, stopped }: Kept): void {
    const { counts } = this;
    const { log } = this.#options;
    counts.rounds += 1;
    counts.lastRound = Date.now();
    log.debug({ round, chains: listed.length, size: checkpoint.size }, 'round');
    if (failed.length > 0)
      log.error({ round, chains: failed }, 'chains that do not verify keep their last good place');
    for (const { chainId, kind, seq } of stopped) log.error({ chain_id: chainId, seq }, kind);
    for (const each of anchored) this.#noteAnchor(each);
    this.#judge(verification, round);
  }

  #noteAnchor(anchoring: Anchoring): void {
    const { anchored } = this.counts;
    const key = `${anchoring.anchor}\n${anchoring.state}`;
    anchored.set(key, (anchored.get(key) ?? 0) + 1);
    if (anchoring.state === 'failed')
      this.#options.log.warn(
        { anchor: anchoring.anchor, code: anchoring.code },
        'an anchor did not take the checkpoint; the next will go there',
      );
  }

  #judge(verification: Verification, round: number): void {
    const { status, findings: found, broken_at_record, ledger_id } = verification;
    const findings: { [code: string]: number } = {};
    for (const { code } of found) findings[code] = (findings[code] ?? 0) + 1;
    this.counts.verified = { status, at: Date.now(), findings: new Map(Object.entries(findings)) };
    const { webhook, log } = this.#options;
    if (status !== 'tampered') {
      this.#told = '';
      return;
    }
    log.error({ round, findings, broken_at: broken_at_record?.id }, 'the ledger is tampered with');
    const told = JSON.stringify([findings, broken_at_record]);
    if (webhook === undefined || this.#told === told) return;
    this.#told = told;
    const at = new Date().toISOString();
    const message = { event: 'ledger_tampered', ledger_id, at, round, status, findings, broken_at_record };
    this.#telling = this.#telling.then(() => this.#tell(webhook, message));
  }

  async #tell(webhook: WebhookSettings, message: object): Promise<void> {
    const { signal } = this.#end;
    try {
      await tellWebhook(webhook, message, (milliseconds) =>
        wait(milliseconds, true, { signal, ref: false }).catch(() => false),
      );
    } catch (error) {
      // The next verification that finds it tells it again.
      this.#told = '';
      this.counts.webhookFailures += 1;
      this.#options.log.error(errorFields(error), 'the webhook was not told');
    }
  }
}

/** What `spanledger checkpoint` tells of a round. */
export interface Checkpointed {
  round: number;
  /** Chains that had moved, and those that do not verify and keep their last good place. */
  chains: number;
  failed: string[];
  origin: string;
  size: number;
  root: string;
  note: string;
  anchors: Anchoring[];
  verification: Verification['status'];
}

export function checkpointed({
  round,
  listed,
  failed,
  checkpoint,
  anchored,
  verification,
}: Kept): Checkpointed {
  const { status } = verification;
  return { round, chains: listed.length, failed, ...checkpoint, anchors: anchored, verification: status };
}
