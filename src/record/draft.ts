import { present } from '../genai/values.ts';
import type { Classification } from '../policy/classification.ts';
import { join, NO_DEMANDS } from '../policy/demands.ts';
import { both, type Detected, demandsOf } from '../policy/detection.ts';
import { type RedactionsSaid, together } from '../policy/redactions.ts';
import { digestsOf } from './contents.ts';
import type { Attribution, Contents, Facts } from './facts.ts';
import { DEFAULT_TENANT } from './facts-of.ts';
import type { Action, AuditRecord, RecordDraft } from './record.ts';
import { fromMicroseconds } from './time.ts';

/** Ahead of receipt by more than this, or before 2000: the sender's clock is wrong, and the record says so. */
const CLOCK_AHEAD_SECONDS = 86_400;
const EARLIEST = '2000-01-01';

/** What a record says beyond what all records of a span share; undefined means absent. */
export type Said = { [K in keyof RecordDraft]?: RecordDraft[K] | undefined } & Pick<
  RecordDraft,
  'action' | 'actor' | 'occurred_at'
> & {
    /** What was found in what it is about; what is in its outcome is known. */
    detected?: Detected | undefined;
    contents?: Contents | undefined;
  };

/** The records of one span, each with what they share: who, where from, and which span. */
export class Drafts {
  readonly records: RecordDraft[] = [];
  /** What is to be sealed beside a record. It stands in none: a draft goes into the payload as it is. */
  readonly contents = new Map<RecordDraft, Contents>();
  /** Records of a user's act whose user nobody told. */
  unattributed = 0;
  readonly #facts: Facts;
  readonly #who: Attribution;
  readonly #latest: string;

  constructor(facts: Facts, who: Attribution, now: number) {
    this.#facts = facts;
    this.#who = who;
    this.#latest = fromMicroseconds(now + CLOCK_AHEAD_SECONDS * 1e6);
  }

  /** Fields stand in canonical order, so that sealing need not sort them. */
  add(said: Said): void {
    const { trace, source, tenant } = this.#facts;
    const { user, agent, conversationId, purpose, trigger, triggerBasis } = this.#who;
    const detected = both(said.detected, this.#isOutcome(said) ? this.#facts.detected : undefined);
    const draft = {
      action: said.action,
      actor: said.actor,
      agent,
      content: said.content ?? digestsOf(said.contents),
      conversation_id: conversationId,
      data_classification: classified(said.data_classification ?? 'internal', detected),
      details: this.#details(said, detected),
      domains: said.domains,
      first_sight: said.first_sight,
      model: said.model,
      occurred_at: said.occurred_at,
      outcome: said.outcome,
      phase: said.phase ?? 'event',
      purpose,
      recorded_at: '',
      resource: said.resource,
      retention_class: said.retention_class ?? 'default',
      salt: '',
      source,
      tenant: tenant === DEFAULT_TENANT ? undefined : tenant,
      tool: said.tool,
      tool_calls: said.tool_calls,
      trace,
      trigger,
      trigger_basis: triggerBasis,
      turn: said.turn,
      usage: said.usage,
      user,
      v: 1 as const,
    };
    const record = present<RecordDraft>(draft);
    this.records.push(record);
    if (said.contents !== undefined) this.contents.set(record, said.contents);
  }

  agent(): AuditRecord['actor'] {
    const { agent } = this.#who;
    return { id: agent?.name ?? agent?.id ?? this.#facts.source.service ?? 'unknown', type: 'agent' };
  }

  userOrAgent(): AuditRecord['actor'] {
    const id = this.#who.user?.id;
    return id === undefined ? this.agent() : { id, type: 'user' };
  }

  #details(said: Said, detected: Detected | undefined): RecordDraft['details'] | undefined {
    const unattributed = said.actor.type === 'agent' && USER_ACTIONS.has(said.action);
    if (unattributed) this.unattributed += 1;
    const details: NonNullable<RecordDraft['details']> = {};
    for (const key in said.details) if (said.details[key] !== undefined) details[key] = said.details[key];
    if (detected?.phi) details.contains_phi = true;
    if (detected !== undefined && detected.kinds.length > 0) details.detected = detected.kinds;
    if (detected?.partly) details.partly_scanned = true;
    this.#redactedOutcome(said, details);
    if (this.#facts.incomplete) details.incomplete = true;
    if (this.#who.triggerSaid !== undefined) details.trigger = this.#who.triggerSaid;
    if (this.#clockIsWrong(said.occurred_at)) details.clock_suspect = true;
    if (unattributed) details.unattributed = true;
    for (const _ in details) return details;
    return undefined;
  }

  /** Of a reported result, the outcome is not the span's, and what is in it is told already. */
  #isOutcome(said: Said): boolean {
    return said.outcome !== undefined && said.tool?.evidence !== 'reported';
  }

  #redactedOutcome(said: Said, details: NonNullable<RecordDraft['details']>): void {
    const { redactions } = this.#facts;
    if (redactions === undefined || !this.#isOutcome(said)) return;
    Object.assign(details, together(details as RedactionsSaid, redactions));
  }

  #clockIsWrong(occurredAt: string): boolean {
    if (occurredAt < EARLIEST) return true;
    // Both are RFC 3339 with fixed decimals, so text compares as time.
    return occurredAt > this.#latest;
  }
}

/** What was found may raise what a record is. */
function classified(classification: Classification, detected: Detected | undefined): Classification {
  return detected === undefined
    ? classification
    : join({ ...NO_DEMANDS, classification }, demandsOf(detected)).classification;
}

const USER_ACTIONS: ReadonlySet<Action> = new Set(['conversation_started', 'user_message_received']);
