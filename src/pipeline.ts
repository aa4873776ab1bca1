import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { payloadDigest } from './chain/entry.ts';
import { newChain, type StoppedChain, seal } from './chain/seal.ts';
import type { Clock } from './clock.ts';
import { isSpanledgerError, messageOf } from './errors.ts';
import { isActivity, looksLikeGenAi, readSpan } from './genai/dialects.ts';
import { contentSpans } from './genai/events.ts';
import type { ChainState, Journal, Shipped, Transaction } from './journal/journal.ts';
import { salt } from './journal/salt.ts';
import type { LogRecord } from './otlp/logs.ts';
import type { Policy } from './policy/policy.ts';
import { attributionOf } from './record/attribution.ts';
import { canonicalJson } from './record/canonical.ts';
import { Cleaner } from './record/cleaner.ts';
import { control } from './record/control.ts';
import type { Facts } from './record/facts.ts';
import { DEFAULT_TENANT, factsOf, tenantOf } from './record/facts-of.ts';
import { ancestorMemory, type Lineage, lineageMemory, spanMemory } from './record/lineage.ts';
import { isSpanKey, keys, type Memory, type SpanMemory } from './record/memory.ts';
import { preview } from './record/preview.ts';
import { addReceipt, countRecord, emptyReceipt, type Receipt } from './record/receipt.ts';
import type { AuditRecord, RecordDraft } from './record/record.ts';
import { settle } from './record/settle.ts';
import { fromMicroseconds } from './record/time.ts';
import type { Span, UnreadableSpan } from './span.ts';

/**
 * The one way through: a span is understood (pure, stateless), and what it said is appended (the only writer).
 *
 *   span ─▶ understand ─▶ facts ─▶ append: seen already? ─ settle ─ seal ─ COMMIT ─ FLUSH ─▶ receipt
 */

/** What a span turned out to be. Nothing in it is unredacted. */
export type Understood =
  | { what: 'activity'; facts: Facts; why: string }
  | { what: 'not_agent'; parent: Parent; looksLikeGenAi: boolean }
  | { what: 'quarantine'; reason: string; detail: string; digest: string; size: number; span: unknown };

/** What a span that leaves no record still tells its descendants. */
interface Parent {
  tenant: string;
  traceId: string;
  spanId: string;
  memory: SpanMemory;
}

/**
 * Reads, classifies and redacts one span. *Below this line no secret exists.*
 *
 * @param sender the tenant whose token the span came under: it counts, whatever the span says of itself.
 */
export function understand(
  span: Span,
  policy: Policy,
  phase: Facts['phase'] = 'end',
  sender?: string,
): Understood {
  try {
    const said = readSpan(span);
    const reading = sender === undefined ? said : { ...said, tenant: sender };
    if (isActivity(reading))
      return { what: 'activity', facts: factsOf(span, reading, policy, phase), why: reading.why };
    const tenant = tenantOf(reading, policy);
    const memory = lineageMemory(span.parentSpanId, attributionOf(reading, new Cleaner(policy, tenant)));
    const parent = { tenant, traceId: span.traceId, spanId: span.spanId, memory };
    return { what: 'not_agent', parent, looksLikeGenAi: looksLikeGenAi(span) };
  } catch (error) {
    return quarantine(
      { reason: 'not_understood', detail: textOf(error), raw: new Uint8Array(0), partial: span },
      policy,
    );
  }
}

/** Reads the content that log records hold of model calls; log records of anything else are none of ours. */
export function understandLogs(logs: readonly LogRecord[], policy: Policy, sender?: string): Understood[] {
  return contentSpans(logs).map((carrier) => understand(carrier, policy, 'content', sender));
}

/** What cannot be understood is kept, redacted, and counted. Never throws, whatever the span is. */
export function quarantine({ reason, detail, raw, partial }: UnreadableSpan, policy: Policy): Understood {
  const span = preview(partial, policy);
  return {
    what: 'quarantine',
    reason,
    detail: detailOf(detail, policy),
    digest: policy.keyring.digest(DEFAULT_TENANT, 'quarantine', raw.length > 0 ? raw : JSON.stringify(span)),
    size: raw.length,
    span,
  };
}

const MAX_DETAIL = 500;

/** Cut after it is redacted: half a secret is not recognised. */
function detailOf(text: string, policy: Policy): string {
  return policy.redactor.scan(text).slice(0, MAX_DETAIL);
}

/** The message of anything thrown, even of what cannot be asked for one. */
function textOf(error: unknown): string {
  try {
    return String(messageOf(error));
  } catch {
    return '';
  }
}

/** What agent activity became: the actions of its records, or nothing new. */
export interface Became {
  actions: string[];
  duplicate: boolean;
}

/** Hears, of each activity of a batch, what it became. */
export type Told = (activity: Understood, became: Became) => void;

export interface WriterOptions {
  journal: Journal;
  policy: Policy;
  ledgerId: string;
  clock: Clock;
  /** Who writes: a role or a service's name. Stands in `chain_opened`. */
  writer: string;
  /** spanledger's own version. */
  version: string;
}

/**
 * The only writer of a chain. Each start opens a new chain at its first append, so that one chain has one
 * writer, one policy and one version for its whole life.
 */
export class Writer {
  readonly journal: Journal;
  readonly #options: WriterOptions;
  /** The chain this writer opened. */
  #chainId: string | undefined;
  /** What could not be recorded since the last record. */
  #gap: Gap | undefined;
  /** The policy since the last turn. */
  #turned: Policy | undefined;
  /** Appends under way: between two parts of one, anything else may come. */
  readonly #appending = new Set<Promise<Receipt>>();
  /** Size of what the transaction has sealed, or tried to. */
  #sealed = 0;

  constructor(options: WriterOptions) {
    this.journal = options.journal;
    this.#options = options;
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
      const part = this.#commit([this.#refused(alone.facts, 'too_large', error)], lineage);
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
        this.#sealed = 0;
        if (gap !== undefined) this.#append(transaction, control('gap', { ...gap }, now), now);
        for (const each of batch) {
          if (this.#sealed >= bytes) break;
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
    for (const [each, became] of heard) told?.(each, became);
    return part;
  }

  /**
   * Records what no span told: what the ledger knows of itself. Committed when it returns.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  tell(draft: RecordDraft): void {
    const now = this.#options.clock();
    this.journal.transact((transaction) => void this.#append(transaction, draft, now));
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
    try {
      this.#tellGap();
      this.#endChain();
    } finally {
      await this.journal.flush();
    }
  }

  /**
   * Goes on under another policy: ends the chain, whose successor tells of the change. What was understood under
   * the one before must be appended already, to its last part: intake's gate sees to it. Committed when it returns.
   *
   * @throws SpanledgerError `journal_broken`: the policy is the one before.
   */
  turn(policy: Policy): void {
    this.#tellGap();
    this.#endChain();
    this.#turned = policy;
  }

  /** What is being appended is committed to its last part, or refused: whoever gave it hears of that. */
  async #appended(): Promise<void> {
    if (this.#appending.size > 0) await Promise.allSettled(this.#appending);
  }

  /** Not before it is needed: what only ships is sealed already, and may have no key. */
  get #policy(): Policy {
    return this.#turned ?? this.#options.policy;
  }

  #tellGap(): void {
    if (this.#gap !== undefined) this.commit([]);
  }

  #endChain(): void {
    if (this.#chainId === undefined) return;
    const now = this.#options.clock();
    this.journal.transact((transaction) => {
      const { chain } = transaction;
      if (chain === undefined || !this.#isMine(chain) || chain.closed) return;
      this.#append(transaction, control('chain_closed', {}, now), now);
      transaction.chain = { ...transaction.chain!, closed: true };
    }, 'own');
    this.#chainId = undefined;
  }

  /**
   * Ends a chain whose place in the store is taken: a successor says so in `fork_detected`, and what of the
   * chain the store has not confirmed is recorded again there, naming where it stood. Never healed silently,
   * and nothing acknowledged is lost. Durable when it returns.
   */
  async supersede(stopped: StoppedChain): Promise<void> {
    const now = this.#options.clock();
    const { chainId, ...found } = stopped;
    this.journal.transact((transaction) => {
      if (transaction.chain?.chainId === chainId) transaction.chain = { ...transaction.chain, stopped: true };
      this.#append(transaction, control('fork_detected', { chain_id: chainId, ...found }, now), now);
    }, 'own');
    // Not before it is durable does `unshipped` tell of what was committed while the chain was being shipped.
    do await this.journal.flush();
    while (this.#recordAgain(chainId, now));
  }

  /** Moves some of a stopped chain's unshipped records to this writer's own; false when none is left. */
  #recordAgain(chainId: string, now: number): boolean {
    let moved = 0;
    this.journal.transact((transaction) => {
      this.#sealed = 0;
      let end: Shipped | undefined;
      for (const unshipped of this.journal.unshipped()) {
        const { record } = unshipped;
        if (record.chainId !== chainId || moved >= PART_ITEMS || this.#sealed >= PART_BYTES) break;
        const draft = JSON.parse(record.payload) as AuditRecord;
        const { recorded_at } = draft;
        if (!CHAIN_ACTIONS.has(draft.action)) {
          const details = {
            ...draft.details,
            recorded_before: `${chainId}:${record.seq}`,
            recorded_before_at: recorded_at,
          };
          this.#append(transaction, { ...draft, details }, now);
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
      this.#quarantine(this.#refused(facts, 'not_recorded', error), transaction, receipt, now);
      return QUARANTINED;
    }
  }

  /** What quarantine keeps of facts that became no record. */
  #refused({ digest, trace }: Facts, reason: string, error: unknown): Quarantined {
    const detail = detailOf(textOf(error), this.#policy);
    return { what: 'quarantine', reason, detail, digest, size: 0, span: trace };
  }

  /** Known already, in conflict with what is known, or new. */
  #record(facts: Facts, transaction: Transaction, lineage: Lineage, now: number) {
    const { trace_id, span_id } = facts.trace;
    const key = keys.span(facts.tenant, trace_id, span_id);
    const known = transaction.get(key) as SpanMemory | undefined;
    const deduplicate = !isZero(trace_id) && !isZero(span_id);
    const taken = deduplicate ? known?.[facts.phase] : undefined;
    if (taken?.digests.includes(facts.digest))
      return { duplicate: true, conflict: false, unattributed: 0, records: [] };

    const memory: Memory = {
      get: (each) => transaction.get(each) ?? (isSpanKey(each) ? lineage.get(each) : undefined),
      set: (each, value) => transaction.set(each, value),
    };
    const { records, unattributed } = settle(facts, memory, now, this.#policy.registry);
    let first = taken?.record;
    // Content may come in several requests; a span comes in one.
    const conflict = taken !== undefined && facts.phase !== 'content';
    for (const draft of records) {
      if (conflict) draft.details = { ...draft.details, conflicts_with: taken!.record ?? `span ${span_id}` };
      const id = this.#append(transaction, draft, now);
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
    const { reason, detail, digest, size, span } = found;
    const key = keys.quarantined(digest);
    if (transaction.get(key) !== undefined) {
      receipt.duplicates += 1;
      return;
    }
    transaction.set(key, { reason, detail, size, span, received_at: fromMicroseconds(now) });
    this.#append(transaction, control('payload_quarantined', { reason, detail, digest, size }, now), now);
    countRecord(receipt, 'payload_quarantined');
  }

  /** Seals a draft at the end of this writer's chain, which it opens first if need be. */
  #append(transaction: Transaction, draft: RecordDraft, now: number): string {
    if (transaction.chain === undefined || !this.#isMine(transaction.chain)) this.#open(transaction, now);
    const chain = { ...transaction.chain! };
    const { ledgerId } = this.#options;
    const { document } = this.#policy;
    const sealed = seal(draft, chain, { ledgerId, policy: document, now, salt: salt() });
    transaction.records.push(sealed);
    transaction.chain = chain;
    this.#sealed += sealed.payload.length;
    return `${chain.chainId}:${chain.size - 1}`;
  }

  /** Another chain in the journal belongs to a writer before this one; a stopped one is nobody's any more. */
  #isMine(chain: ChainState): boolean {
    return chain.chainId === this.#chainId && chain.stopped === undefined;
  }

  #open(transaction: Transaction, now: number): void {
    const last = transaction.chain;
    const { writer, version } = this.#options;
    const digest = payloadDigest(canonicalJson(this.#policy.document));
    const chain: ChainState = { ...newChain(randomUUID().replaceAll('-', '')), closed: false };
    transaction.chain = chain;
    this.#chainId = chain.chainId;
    const opened = {
      role: 'records',
      writer,
      version,
      policy_digest: digest,
      ...(last === undefined ? {} : { predecessor: predecessor(last, this.journal) }),
      ...(last === undefined || last.closed ? {} : { unclean: true }),
    };
    this.#append(transaction, control('chain_opened', opened, now), now);
    const before = transaction.get(POLICY);
    if (before !== undefined && before !== digest)
      this.#append(transaction, control('policy_changed', { old: before, new: digest }, now), now);
    transaction.set(POLICY, digest);
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

/** Digest of the policy of the journal's last chain. */
const POLICY = 'state|policy';

/** What tells of a chain itself has no meaning in another. */
const CHAIN_ACTIONS: ReadonlySet<string> = new Set(['chain_opened', 'chain_closed']);

/** Spans that could not be recorded, wholly or in part: what `gap` will say of them. */
export interface Gap {
  /** Each span once, though both its start and its end are lost. */
  spans: number;
  /** The first error's code, or `not_understood` where it had none. */
  readonly reason: string;
  readonly from: string;
  to: string;
}

type Quarantined = Extract<Understood, { what: 'quarantine' }>;

/**
 * The chain before, as last shipped: a healthy one is shipped to its end before anything of its successor; of
 * a stopped one the store has what it had confirmed.
 */
function predecessor(last: ChainState, journal: Journal): { chain_id: string; size: number; head: string } {
  const { shipped } = journal;
  const stopped = last.stopped !== undefined && shipped.chainId === last.chainId;
  return {
    chain_id: last.chainId,
    size: stopped ? shipped.size! : last.size,
    head: stopped ? shipped.head! : last.head,
  };
}

/** The spans of one batch, so that an ancestor is known in whatever order they came. Of two the last stands. */
function lineageOf(batch: readonly Understood[]): Lineage {
  const spans = new Map<string, Facts | SpanMemory>();
  for (const each of batch) {
    if (each.what === 'activity') {
      const { tenant, trace } = each.facts;
      spans.set(keys.span(tenant, trace.trace_id, trace.span_id), each.facts);
    } else if (each.what === 'not_agent') {
      const { tenant, traceId, spanId, memory } = each.parent;
      spans.set(keys.span(tenant, traceId, spanId), memory);
    }
  }
  return {
    get: (key) => {
      const found = spans.get(key);
      return found !== undefined && 'digest' in found ? spanMemory(undefined, found, undefined) : found;
    },
  };
}

function isZero(id: string): boolean {
  return /^0+$/.test(id);
}
