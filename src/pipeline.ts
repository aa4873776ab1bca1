import { clearInterval, setInterval } from 'node:timers';
import { setImmediate } from 'node:timers/promises';
import type { StoppedChain } from './chain/seal.ts';
import type { Clock } from './clock.ts';
import { isSpanledgerError, SpanledgerError } from './errors.ts';
import type { Journal, Shipped, Transaction } from './journal/journal.ts';
import { type ChainOptions, type Declared, OwnChain } from './own-chain.ts';
import type { Policy } from './policy/policy.ts';
import { control } from './record/control.ts';
import type { Facts } from './record/facts.ts';
import { ancestorMemory, type Lineage, spanMemory } from './record/lineage.ts';
import { isSpanKey, keys, type Memory, type SpanMemory } from './record/memory.ts';
import { isSame } from './record/older-keys.ts';
import { addReceipt, countRecord, emptyReceipt, type Receipt } from './record/receipt.ts';
import type { AuditRecord, RecordDraft } from './record/record.ts';
import { settle } from './record/settle.ts';
import { fromMicroseconds } from './record/time.ts';
import { lineageOf, type Parent, type Quarantined, refused, type Understood } from './understand.ts';

/**
 * The one way through: a span is understood (pure, stateless), and what it said is appended (the only writer).
 *
 *   span ─▶ understand ─▶ facts ─▶ append: seen already? ─ settle ─ seal ─ COMMIT ─ FLUSH ─▶ receipt
 *           understand.ts                                           own-chain.ts
 */

/** What agent activity became: the actions of its records, or nothing new. */
export interface Became {
  actions: string[];
  duplicate: boolean;
}

/** Hears, of each activity of a batch, what it became. */
export type Told = (activity: Understood, became: Became) => void;

export interface WriterOptions extends ChainOptions {
  clock: Clock;
}

/**
 * The only writer of a chain. Each start opens a new chain at its first append, so that one chain has one
 * writer, one policy and one version for its whole life.
 */
export class Writer {
  readonly journal: Journal;
  readonly #options: WriterOptions;
  readonly #chain: OwnChain;
  /** What could not be recorded since the last record. */
  #gap: Gap | undefined;
  /** Appends under way: between two parts of one, anything else may come. */
  readonly #appending = new Set<Promise<Receipt>>();
  /** Looks whether a checkpoint is due, while a chain is open. */
  #beat: NodeJS.Timeout | undefined;

  constructor(options: WriterOptions) {
    this.journal = options.journal;
    this.#options = options;
    this.#chain = new OwnChain(options);
  }

  /**
   * Records a batch, and resolves when it is durable: `fdatasync` has returned. A large one is committed in parts,
   * and between two of them others have their turn; a parent is known in whatever part it stands.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`: nothing of the batch is acknowledged. What of it was
   * committed is known when it comes again.
   */
  append(batch: readonly Understood[], told?: Told): Promise<Receipt> {
    const appending = this.#appendParts(batch, told).finally(() => this.#appending.delete(appending));
    this.#appending.add(appending);
    return appending;
  }

  async #appendParts(batch: readonly Understood[], told: Told | undefined): Promise<Receipt> {
    const lineage = lineageOf(batch);
    const receipt = emptyReceipt();
    let done = 0;
    do {
      if (done > 0) await setImmediate();
      const part = this.#commitPart(batch.slice(done, done + PART_ITEMS), lineage, told);
      addReceipt(receipt, part.receipt);
      done += part.taken;
    } while (done < batch.length);
    await this.journal.flush();
    return receipt;
  }

  /** Half of it, where one frame cannot hold what it became: then nothing of it was recorded. */
  #commitPart(batch: readonly Understood[], lineage: Lineage, told: Told | undefined): Part {
    try {
      return this.#commit(batch, lineage, told, PART_BYTES);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (batch.length > 1) return this.#commitPart(batch.slice(0, batch.length >> 1), lineage, told);
      const [alone] = batch;
      if (alone?.what !== 'activity') throw error;
      const part = this.#commit([refused(alone.facts, 'too_large', error, this.#chain.policy)], lineage);
      told?.(alone, QUARANTINED);
      return part;
    }
  }

  /**
   * Records a batch in one transaction. When it returns the batch is *committed*: SIGKILL loses nothing, power
   * loss may. If it throws, nothing of the batch was recorded.
   */
  commit(batch: readonly Understood[], ancestors?: Lineage): Receipt {
    const inBatch = lineageOf(batch);
    return this.#commit(batch, { get: (key) => inBatch.get(key) ?? ancestors?.get(key) }).receipt;
  }

  /** As much of a batch, from its start, as comes to so many bytes. */
  #commit(batch: readonly Understood[], lineage: Lineage, told?: Told, bytes = Infinity): Part {
    const now = this.#options.clock();
    const gap = this.#gap;
    const heard: Parameters<Told>[] = [];
    const part = this.journal.transact(
      (transaction) => {
        const receipt = emptyReceipt();
        let taken = 0;
        this.#chain.sealed = 0;
        if (gap !== undefined) this.#chain.append(transaction, control('gap', { ...gap }, now), now);
        for (const each of batch) {
          if (this.#chain.sealed >= bytes) break;
          taken += 1;
          if (each.what === 'not_agent') {
            receipt.notAgent += 1;
            if (each.looksLikeGenAi) receipt.unknown += 1;
            this.#ancestor(each.parent, transaction);
          } else if (each.what === 'quarantine') {
            receipt.quarantined += 1;
            this.#quarantine(each, transaction, receipt, now);
          } else {
            heard.push([each, this.#activity(each.facts, transaction, lineage, receipt, now)]);
          }
        }
        return { receipt, taken };
      },
      batch.length === 0 ? 'own' : undefined,
    );
    this.#gap = undefined;
    this.#begin();
    for (const [each, became] of heard) told?.(each, became);
    return part;
  }

  /**
   * Records what no span told: what the ledger knows of itself. Committed when it returns.
   *
   * @param draft or what makes it of the transaction: whatever else that sets is committed with it.
   * @returns the record's id
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  tell(draft: RecordDraft | ((transaction: Transaction) => RecordDraft)): string {
    const now = this.#options.clock();
    const id = this.journal.transact((transaction) =>
      this.#chain.append(transaction, typeof draft === 'function' ? draft(transaction) : draft, now),
    );
    this.#begin();
    return id;
  }

  /** While a chain is open, looks every few seconds whether a checkpoint is due. It keeps no process running. */
  #begin(): void {
    this.#beat ??= setInterval(() => {
      try {
        this.journal.transact((transaction) => this.#chain.beat(transaction, this.#options.clock()), 'own');
      } catch {
        // Whoever records next hears why.
      }
    }, BEAT_MS).unref();
  }

  #rest(): void {
    clearInterval(this.#beat);
    this.#beat = undefined;
  }

  /**
   * Spans that could not be recorded: warned of at once, and told in the chain, as a `gap`, as soon as the
   * journal takes records again.
   *
   * @param error why. Only its code is kept: a message may hold what the span does.
   * @param counted the gap that another part of the same spans, their start, is counted in already.
   * @returns the gap they are counted in.
   */
  noteGap(spans: number, error: unknown, counted?: Gap): Gap {
    const now = fromMicroseconds(this.#options.clock());
    if (this.#gap === undefined) {
      const reason = isSpanledgerError(error) ? error.code : 'not_understood';
      process.emitWarning(`audit records are being lost: ${reason}`, {
        type: 'SpanledgerWarning',
        code: 'SPANLEDGER_GAP',
      });
      this.#gap = { spans: 0, reason, from: now, to: now };
    }
    if (counted !== this.#gap) this.#gap.spans += spans;
    this.#gap.to = now;
    return this.#gap;
  }

  /**
   * Resolves when everything given so far is durable, and what was lost before is told in the chain.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  async flush(): Promise<void> {
    await this.#appended();
    try {
      this.#tellGap();
    } finally {
      await this.journal.flush();
    }
  }

  /**
   * Tells what was lost, and ends this writer's chain, if it has opened one. Durable when it returns.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`: the chain stays open, and may be closed again.
   */
  async close(): Promise<void> {
    await this.#appended();
    this.#rest();
    try {
      this.#tellGap();
      this.#chain.end(this.#options.clock());
    } finally {
      await this.journal.flush();
    }
  }

  /**
   * As `close`, for a process that is about to be gone: committed when it returns, and whoever takes the journal over
   * flushes.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  end(): void {
    this.#rest();
    this.#tellGap();
    this.#chain.end(this.#options.clock());
  }

  /**
   * Goes on under another policy: ends the chain, whose successor tells of the change. What was understood under
   * the one before must be appended already, to its last part: intake's gate sees to it. Committed when it returns.
   *
   * @param declared who changed it, and why, where somebody says.
   * @throws SpanledgerError `journal_broken`: the policy is the one before.
   */
  turn(policy: Policy, declared?: Declared): void {
    this.end();
    this.#chain.turn(policy, declared);
  }

  /**
   * Opens this writer's chain without a record of anything else, so that what it tells of its policy and keys is
   * recorded. Committed when it returns.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  open(): void {
    const now = this.#options.clock();
    this.journal.transact((transaction) => this.#chain.open(transaction, now));
    this.#begin();
  }

  /** What is being appended is committed to its last part, or refused: whoever gave it hears of that. */
  async #appended(): Promise<void> {
    if (this.#appending.size > 0) await Promise.allSettled(this.#appending);
  }

  #tellGap(): void {
    if (this.#gap !== undefined) this.commit([]);
  }

  /**
   * Ends a chain whose place in the store is taken: a successor says so in `fork_detected`, and what of the
   * chain the store has not confirmed is recorded again there, naming where it stood. Never healed silently,
   * and nothing acknowledged is lost. Durable when it returns.
   *
   * @throws SpanledgerError `keeper_conflict` for a control chain: whoever else writes it is another keeper, of whose line
   * this one must not make a second.
   */
  async supersede(stopped: StoppedChain): Promise<void> {
    const now = this.#options.clock();
    const { chainId, ...found } = stopped;
    if (this.#options.control !== undefined && stopped.kind === 'fork') throw otherKeeper(stopped);
    this.journal.transact((transaction) => {
      if (transaction.chain?.chainId === chainId) transaction.chain = { ...transaction.chain, stopped: true };
      this.#chain.append(transaction, control('fork_detected', { chain_id: chainId, ...found }, now), now);
    }, 'own');
    // Not before it is durable does `unshipped` tell of what was committed while the chain was being shipped.
    do await this.journal.flush();
    while (this.#recordAgain(chainId, now));
  }

  /** Moves some of a stopped chain's unshipped records to this writer's own; false when none is left. */
  #recordAgain(chainId: string, now: number): boolean {
    let moved = 0;
    this.journal.transact((transaction) => {
      this.#chain.sealed = 0;
      let end: Shipped | undefined;
      for (const unshipped of this.journal.unshipped()) {
        const { record } = unshipped;
        if (record.chainId !== chainId || moved >= PART_ITEMS || this.#chain.sealed >= PART_BYTES) break;
        const draft = JSON.parse(record.payload) as AuditRecord;
        const { recorded_at } = draft;
        if (!CHAIN_ACTIONS.has(draft.action)) {
          const details = {
            ...draft.details,
            recorded_before: `${chainId}:${record.seq}`,
            recorded_before_at: recorded_at,
          };
          this.#chain.append(transaction, { ...draft, details }, now);
          if (record.contents !== undefined) this.#chain.carry(transaction, record.contents);
        }
        end = unshipped.end;
        moved += 1;
      }
      if (end !== undefined) transaction.moveShipped({ lsn: end.lsn, records: end.records });
    }, 'own');
    return moved > 0;
  }

  /** One span costs only itself: what cannot be settled or sealed goes to quarantine. */
  #activity(facts: Facts, transaction: Transaction, lineage: Lineage, receipt: Receipt, now: number): Became {
    try {
      const added = transaction.attempt((part) => this.#record(facts, part, lineage, now));
      if (facts.phase === 'content') receipt.contents += 1;
      else receipt.mapped += 1;
      receipt.unattributed += added.unattributed;
      if (added.duplicate) receipt.duplicates += 1;
      if (added.conflict) receipt.conflicts += 1;
      for (const { action } of added.records) countRecord(receipt, action);
      return { actions: added.records.map(({ action }) => action), duplicate: added.duplicate };
    } catch (error) {
      receipt.quarantined += 1;
      this.#quarantine(refused(facts, 'not_recorded', error, this.#chain.policy), transaction, receipt, now);
      return QUARANTINED;
    }
  }

  /** Known already, in conflict with what is known, or new. */
  #record(facts: Facts, transaction: Transaction, lineage: Lineage, now: number) {
    const { trace_id, span_id } = facts.trace;
    const key = keys.span(facts.tenant, trace_id, span_id);
    const known = transaction.get(key) as SpanMemory | undefined;
    const deduplicate = !isZero(trace_id) && !isZero(span_id);
    const taken = deduplicate ? known?.[facts.phase] : undefined;
    const same = taken?.digests.map((each) => isSame(facts.digest, each, facts.older)) ?? [];
    if (same.includes(true)) {
      // Under the newest key it is known also when the one it came under goes.
      if (!taken!.digests.includes(facts.digest))
        transaction.set(key, spanMemory(known, facts, taken!.record));
      return { duplicate: true, conflict: false, unattributed: 0, records: [] };
    }

    const memory: Memory = {
      get: (each) => transaction.get(each) ?? (isSpanKey(each) ? lineage.get(each) : undefined),
      set: (each, value) => transaction.set(each, value),
    };
    const { records, contents, unattributed } = settle(facts, memory, now, this.#chain.policy.registry);
    let first = taken?.record;
    // Content may come in several requests; a span comes in one. What nobody can compare any more contradicts nothing.
    const conflict = same.includes(false) && facts.phase !== 'content';
    for (const draft of records) {
      if (conflict) draft.details = { ...draft.details, conflicts_with: taken!.record ?? `span ${span_id}` };
      const id = this.#chain.append(transaction, draft, now, contents.get(draft));
      first ??= id;
    }
    if (deduplicate) transaction.set(key, spanMemory(known, facts, first));
    return { duplicate: false, conflict, unattributed, records };
  }

  /** A span of something else that says whom it is about is remembered for its descendants, as agents' spans are. */
  #ancestor({ tenant, traceId, spanId, memory }: Parent, transaction: Transaction): void {
    if (memory.who === undefined || isZero(traceId) || isZero(spanId)) return;
    const key = keys.span(tenant, traceId, spanId);
    const known = transaction.get(key) as SpanMemory | undefined;
    const now = ancestorMemory(known, memory);
    if (now !== known) transaction.set(key, now);
  }

  #quarantine(found: Quarantined, transaction: Transaction, receipt: Receipt, now: number): void {
    const { reason, detail, digest, size, span, older = [] } = found;
    const key = keys.quarantined(digest);
    if ([digest, ...older].some((each) => transaction.get(keys.quarantined(each)) !== undefined)) {
      receipt.duplicates += 1;
      return;
    }
    transaction.set(key, { reason, detail, size, span, received_at: fromMicroseconds(now) });
    this.#chain.append(
      transaction,
      control('payload_quarantined', { reason, detail, digest, size }, now),
      now,
    );
    countRecord(receipt, 'payload_quarantined');
  }
}

/** What one transaction takes, at most: it holds up all else, and is one frame of the journal. */
const PART_ITEMS = 500;
/** Ended once its records come to this much. */
const PART_BYTES = 4 * 1024 * 1024;

/** What one transaction took of a batch. */
interface Part {
  receipt: Receipt;
  taken: number;
}

const QUARANTINED: Became = { actions: ['payload_quarantined'], duplicate: false };

/** What tells of a chain itself has no meaning in another. */
const CHAIN_ACTIONS: ReadonlySet<string> = new Set(['chain_opened', 'chain_closed', 'checkpoint']);

function otherKeeper({ chainId, seq }: StoppedChain): SpanledgerError {
  return new SpanledgerError(
    'keeper_conflict',
    `another keeper has written record ${seq} of the control chain ${chainId}`,
    {
      hint: 'was this directory copied, and both run? Set keeper.enabled: false in all but one of them',
    },
  );
}

/** How often it is looked whether a checkpoint is due. */
const BEAT_MS = 10_000;

/** Spans that could not be recorded, wholly or in part: what `gap` will say of them. */
export interface Gap {
  /** Each span once, though both its start and its end are lost. */
  spans: number;
  /** The first error's code, or `not_understood` where it had none. */
  readonly reason: string;
  readonly from: string;
  to: string;
}

function isZero(id: string): boolean {
  return /^0+$/.test(id);
}
