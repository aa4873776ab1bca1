import { present } from '../genai/values.ts';
import type { Registry } from '../policy/registry.ts';
import { Calls } from './calls.ts';
import { changeOf, type Moment } from './changes.ts';
import { Drafts } from './draft.ts';
import type { Attribution, Facts, ModelFacts, ToolFacts } from './facts.ts';
import { type AgentMemory, type ConversationMemory, keys, type Memory, type SpanMemory } from './memory.ts';
import { acrossKeys, sinceRotation } from './older-keys.ts';
import type { Action, AuditRecord } from './record.ts';

/**
 * What a span becomes, given what this journal has seen before: the table of SPEC.md, "From span to records".
 * No clock and no I/O: it reads and writes the memory it is given.
 *
 * @param now microseconds since the epoch: when the span was received
 */
export function settle(facts: Facts, remembered: Memory, now: number, registry: Registry): Drafts {
  const memory = acrossKeys(remembered, facts.older);
  const who = inherit(facts, memory);
  const span = new Settlement(facts, who, memory, now, registry);
  span.conversationStarted();
  if (facts.tool !== undefined) span.toolExecuted(facts.tool);
  else if (facts.phase === 'intent') return span.drafts;
  else if (facts.kind === 'model') span.modelCalled(facts.model!);
  else if (facts.kind === 'agent') span.agentInvoked();
  else if (facts.kind === 'retrieval') span.retrieved();
  else if (facts.kind === 'declared') span.declared();
  return span.drafts;
}

const MAX_ANCESTORS = 64;

/** What the span does not say itself, from the nearest ancestor that is known and does. */
export function inherit(facts: Facts, memory: Pick<Memory, 'get'>): Attribution {
  const who = { ...facts.attribution };
  // Log records name the span whose content they hold.
  let parent = facts.phase === 'content' ? facts.trace.span_id : facts.trace.parent_span_id;
  for (let i = 0; i < MAX_ANCESTORS && parent !== undefined; i++) {
    const known = memory.get(keys.span(facts.tenant, facts.trace.trace_id, parent)) as SpanMemory | undefined;
    if (known === undefined) break;
    if (known.who !== undefined) inheritFrom(known.who, who);
    parent = known.parent;
  }
  return who;
}

function inheritFrom(from: NonNullable<SpanMemory['who']>, who: Attribution): void {
  if (who.conversationId === undefined && from.conversationId !== undefined)
    who.conversationId = from.conversationId;
  if (who.user === undefined && from.user !== undefined) who.user = from.user;
  if (who.agent === undefined && from.agent !== undefined) who.agent = from.agent;
  if (who.purpose === undefined && from.purpose !== undefined) who.purpose = from.purpose;
  inheritTrigger(who, from);
}

/** The nearest declared one; else the nearest that can be inferred. */
function inheritTrigger(who: Attribution, from: NonNullable<SpanMemory['who']>): void {
  if (from.trigger === undefined || who.triggerBasis === 'declared') return;
  if (who.trigger !== undefined && from.triggerBasis !== 'declared') return;
  who.trigger = from.trigger;
  who.triggerBasis = from.triggerBasis ?? 'declared';
}

class Settlement {
  readonly drafts: Drafts;
  readonly #facts: Facts;
  readonly #who: Attribution;
  readonly #memory: Memory;
  readonly #calls: Calls;
  readonly #registry: Registry;
  readonly #moment: Moment;

  constructor(facts: Facts, who: Attribution, memory: Memory, now: number, registry: Registry) {
    this.#facts = facts;
    this.#who = who;
    this.#memory = memory;
    this.#calls = new Calls(facts, memory);
    this.#registry = registry;
    this.#moment = { now, startedAt: facts.startedAt };
    this.drafts = new Drafts(facts, who, now);
  }

  /** By whichever span first carries the conversation's id. */
  conversationStarted(): void {
    if (this.#who.conversationId === undefined || this.#conversation() !== undefined) return;
    this.#memory.set(this.#conversationKey(), {});
    this.drafts.add({
      action: 'conversation_started',
      actor: this.drafts.userOrAgent(),
      occurred_at: this.#facts.startedAt,
    });
  }

  toolExecuted(tool: ToolFacts): void {
    const phase = this.#facts.phase === 'intent' ? 'intent' : 'outcome';
    if (phase === 'outcome') this.#calls.executed(tool);
    this.#toolInvoked(tool, phase);
  }

  #toolInvoked(tool: ToolFacts, phase: 'intent' | 'outcome'): void {
    const { startedAt, endedAt } = this.#facts;
    const { recorded, classification, retentionClass } = tool;
    const resources = this.#resources(tool);
    const actor = this.drafts.agent();
    const turn = this.#conversation()?.turn;
    const domains = tool.domains.length > 0 ? tool.domains : undefined;
    const outcome = phase === 'intent' ? undefined : tool.outcome;
    this.drafts.add({
      action: 'tool_invoked',
      phase,
      actor,
      occurred_at: phase === 'intent' ? startedAt : endedAt,
      turn,
      data_classification: classification,
      domains,
      retention_class: retentionClass,
      contents: tool.contents,
      tool: recorded,
      resource: resources.first,
      outcome,
      detected: tool.detected,
      details: {
        answers: tool.answers?.prompt,
        arguments_digest: tool.argumentsDigest,
        incomplete: tool.truncated ? true : undefined,
        position: tool.answers?.position,
        purpose_missing: tool.purposeRequired && this.#who.purpose === undefined ? true : undefined,
        ...tool.redactions,
        tags: tool.tags.length > 0 ? tool.tags : undefined,
        unclassified: tool.unclassified ? true : undefined,
      },
    });
    if (phase === 'intent' || recorded.evidence !== 'executed') return;
    const { name, call_id, evidence } = recorded;
    for (const resource of resources.all) {
      this.drafts.add({
        action: resources.action === 'modify' ? 'data_modified' : 'data_accessed',
        actor,
        occurred_at: endedAt,
        turn,
        data_classification: classification,
        domains,
        retention_class: retentionClass,
        tool: call_id === undefined ? { evidence, name } : { call_id, evidence, name },
        resource,
        outcome,
        details: { fields: tool.outcome.status === 'success' ? tool.fields : undefined },
      });
    }
  }

  modelCalled(model: ModelFacts): void {
    const { startedAt, endedAt, outcome } = this.#facts;
    const turn = this.#turn(model);
    if (model.userMessage !== undefined) this.#userMessage(model.userMessage, turn);
    const firstSight = this.#changes(model, startedAt, turn);
    for (const tool of model.reported) {
      const named = this.#calls.named(tool, this.#registry);
      if (this.#calls.reported(named)) this.#toolInvoked(named, 'outcome');
    }
    this.#calls.asked(model);
    if (this.#isTold(model)) return;
    const isContent = this.#facts.phase === 'content';
    const tools = [...new Set(model.toolCalls.map((call) => call.name ?? 'unknown'))];
    this.drafts.add({
      action: 'agent_response_generated',
      actor: this.drafts.agent(),
      occurred_at: endedAt,
      turn,
      model: Object.keys(model.names).length > 0 ? model.names : undefined,
      tool_calls: model.toolCalls.length > 0 ? model.toolCalls : undefined,
      // Its own span tells what it cost.
      usage: isContent ? undefined : model.usage,
      content: model.content,
      detected: model.detected,
      contents: model.contents,
      outcome: isContent ? undefined : outcome,
      first_sight: firstSight ? true : undefined,
      details: {
        content_of: isContent ? this.#facts.trace.span_id : undefined,
        finish_reasons: model.finishReasons,
        prompt_digest: model.promptDigest,
        response_length: model.content?.answer?.size,
        tools_used: tools.length > 0 ? tools : undefined,
      },
    });
  }

  /**
   * Whether the answer stands in another record: a model's span around another's counts no tokens, and log
   * records without an answer tell only what was asked.
   */
  #isTold(model: ModelFacts): boolean {
    const { tenant, trace, phase } = this.#facts;
    if (phase === 'content') return model.content?.answer === undefined && model.toolCalls.length === 0;
    if (trace.parent_span_id !== undefined)
      this.#memory.set(keys.innerModel(tenant, trace.trace_id, trace.parent_span_id), 1);
    return this.#memory.get(keys.innerModel(tenant, trace.trace_id, trace.span_id)) !== undefined;
  }

  agentInvoked(): void {
    const { endedAt, outcome, modelNames } = this.#facts;
    this.drafts.add({
      action: 'agent_invoked',
      actor: this.drafts.agent(),
      occurred_at: endedAt,
      turn: this.#conversation()?.turn,
      model: modelNames && Object.keys(modelNames).length > 0 ? modelNames : undefined,
      outcome,
    });
  }

  retrieved(): void {
    this.drafts.add({
      action: 'data_accessed',
      actor: this.drafts.agent(),
      occurred_at: this.#facts.endedAt,
      turn: this.#conversation()?.turn,
      resource: { type: 'document', ...this.#facts.resource },
      outcome: this.#facts.outcome,
      data_classification: 'confidential',
    });
  }

  /** An event the application tells of itself, by `audit.action`. */
  declared(): void {
    const { declared, endedAt, outcome, resource } = this.#facts;
    const action = declared!.action as Action;
    const type = declared!.actorType ?? (action === 'conversation_ended' ? 'user' : 'admin');
    const id = declared!.actorId ?? this.#who.user?.id;
    this.drafts.add({
      action,
      actor: id === undefined && type === 'user' ? this.drafts.agent() : { type, id: id ?? 'unknown' },
      occurred_at: endedAt,
      turn: this.#conversation()?.turn,
      resource,
      outcome,
      data_classification: action.startsWith('data_') ? 'confidential' : 'internal',
      details: { approver: declared!.approver, declared: true, reason: declared!.reason },
    });
  }

  /** The number of user messages in the call's own input when it tells, else as counted so far. */
  #turn(model: ModelFacts): number | undefined {
    const known = this.#conversation();
    if (model.turn === undefined) return known?.turn;
    if (known?.turn !== model.turn) this.#memory.set(this.#conversationKey(), { ...known, turn: model.turn });
    return model.turn;
  }

  /** The input ends in a message not seen before in this conversation (without an id: in this trace). */
  #userMessage(
    { content, detected, kept }: NonNullable<ModelFacts['userMessage']>,
    turn: number | undefined,
  ): void {
    const key = keys.message(this.#facts.tenant, this.#conversationOrTrace(), turn ?? 0, content.digest);
    if (this.#memory.get(key) !== undefined) return;
    this.#memory.set(key, 1);
    this.drafts.add({
      action: 'user_message_received',
      actor: this.drafts.userOrAgent(),
      occurred_at: this.#facts.startedAt,
      turn,
      content: { prompt: content },
      detected,
      contents: kept && { prompt: kept },
      details: { message_length: content.size },
    });
  }

  /** Prompt and model against this journal's last for the agent. True where it knew none. */
  #changes(model: ModelFacts, at: string, turn: number | undefined): boolean {
    const agent = this.#who.agent?.name ?? this.#who.agent?.id ?? '';
    const key = keys.agent(this.#facts.tenant, this.#facts.source.service ?? '', agent);
    const known = (this.#memory.get(key) ?? {}) as AgentMemory;
    const last = sinceRotation(known, model.promptDigest, this.#facts.older);
    const { request } = model.names;
    // Nothing has answered a call that failed, whatever the span says.
    const response = this.#facts.outcome.status === 'failure' ? undefined : model.names.response;
    const now: AgentMemory = { ...last };
    if (model.promptDigest !== undefined) now.prompt = model.promptDigest;
    if (request !== undefined) now.request = request;
    if (response !== undefined) now.response = response;
    const prompt = changeOf(['prompt'], last, now, last.promptTold, this.#moment);
    const names = changeOf(['request', 'response'], last, now, last.modelTold, this.#moment);
    if (prompt.told !== undefined) now.promptTold = prompt.told;
    if (names.told !== undefined) now.modelTold = names.told;
    const differs = (field: keyof AgentMemory) => now[field] !== last[field];
    if (last !== known || Object.keys(now).some((field) => differs(field as keyof AgentMemory)))
      this.#memory.set(key, now);

    const change = { actor: this.drafts.agent(), occurred_at: at, turn };
    if (prompt.change !== undefined) {
      const { previous, changes } = prompt.change;
      const details = { changes, prompt_digest: now.prompt, previous_prompt_digest: previous.prompt };
      this.drafts.add({ ...change, action: 'prompt_changed', details });
    }
    if (names.change !== undefined) {
      const { previous, changes } = names.change;
      const details = {
        changes,
        previous_request: previous.request,
        previous_response: previous.response,
      };
      // A call that names no model may be the one that tells of what changed before.
      const named = Object.keys(model.names).length > 0 ? model.names : modelOf(now);
      this.drafts.add({ ...change, action: 'model_changed', model: named, details });
    }
    return (
      (last.prompt === undefined && differs('prompt')) || (last.request === undefined && differs('request'))
    );
  }

  /** What the call touched: as the span says itself, else as the registry ties the tool to it. */
  #resources({ resource: known }: ToolFacts) {
    const declared = this.#facts.resource;
    const resource = (id: string | undefined) =>
      present<NonNullable<AuditRecord['resource']>>({
        id: declared?.id ?? id,
        subject: declared?.subject ?? known?.subject,
        type: declared?.type ?? known?.type,
      });
    const { ids = [], action } = known ?? {};
    const one =
      declared?.id !== undefined || (ids.length === 0 && (declared?.subject ?? known?.subject) !== undefined);
    const all = one ? [resource(undefined)] : ids.map(resource);
    const first = all[0] ?? (known === undefined && declared === undefined ? undefined : resource(undefined));
    // audit.action on the tool's own span says what it does to the data.
    const said = this.#facts.declared?.action;
    return {
      all,
      first,
      action: said === 'data_modified' ? 'modify' : said === 'data_accessed' ? 'read' : action,
    };
  }

  #conversationKey(): string {
    return keys.conversation(this.#facts.tenant, this.#conversationOrTrace());
  }

  #conversationOrTrace(): string {
    const { conversationId } = this.#who;
    return conversationId === undefined ? `trace:${this.#facts.trace.trace_id}` : `id:${conversationId}`;
  }

  #conversation(): ConversationMemory | undefined {
    return this.#memory.get(this.#conversationKey()) as ConversationMemory | undefined;
  }
}

function modelOf({ request, response }: AgentMemory): NonNullable<AuditRecord['model']> {
  return present({ request, response });
}
