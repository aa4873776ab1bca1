import type { AuditRecord } from '../record/record.ts';
import type { Store } from '../store/client.ts';

/** A record with its place. */
export interface PlacedRecord {
  id: string;
  record: AuditRecord;
}

const CONVERSATION = `
SELECT concat(chain_id, ':', toString(seq)) AS id, payload FROM spanledger.audit_records
WHERE conversation_id = {conversation:String}
   OR (conversation_id = '' AND trace_id != '' AND trace_id IN
       (SELECT trace_id FROM spanledger.audit_records WHERE conversation_id = {conversation:String}))
ORDER BY occurred_at, chain_id, seq`;

/**
 * A conversation in order of time. Records that do not name it belong to it by their trace, if another record
 * of the trace does. Of one tool call the execution stands for what was only reported, and its outcome for its
 * intent. An answer has with it what log records tell of it.
 */
export async function timeline(store: Store, conversation: string): Promise<PlacedRecord[]> {
  // The empty id is that of all records without a conversation.
  if (conversation === '') return [];
  const rows = await store.query<{ id: string; payload: string }>(CONVERSATION, { conversation });
  const records = rows.map(({ id, payload }) => ({ id, record: JSON.parse(payload) as AuditRecord }));
  const executed = records.filter(({ record }) => isOutcome(record) && record.tool?.evidence === 'executed');
  const ids = new Set(executed.map(callOf));
  const likes = new Set(executed.map(likeOf));
  const likesWithoutId = new Set(executed.filter(({ record }) => !hasId(record)).map(likeOf));
  const answered = new Set(
    records
      .filter(({ record }) => isAnswer(record) && !isContent(record))
      .map(({ record }) => spanOf(record)),
  );
  const contents = new Map(
    records.filter(({ record }) => isContent(record)).map(({ record }) => [spanOf(record), record]),
  );
  const ended = new Set(
    records.filter(({ record }) => isOutcome(record)).map(({ record }) => spanOf(record)),
  );
  const shown = records.filter(({ id, record }) => {
    if (isContent(record)) return !answered.has(spanOf(record));
    if (record.action !== 'tool_invoked') return true;
    if (record.phase === 'intent') return !ended.has(spanOf(record));
    if (record.tool?.evidence === 'executed') return true;
    const of = { id, record };
    // Of two ids, each is a call of its own.
    return !ids.has(callOf(of)) && !(hasId(record) ? likesWithoutId : likes).has(likeOf(of));
  });
  return shown.map(({ id, record }) => {
    const content = isAnswer(record) && !isContent(record) ? contents.get(spanOf(record)) : undefined;
    return { id, record: content === undefined ? record : withContent(record, content) };
  });
}

function withContent(answer: AuditRecord, { content, tool_calls, details }: AuditRecord): AuditRecord {
  const { content_of: _, ...told } = details ?? {};
  return {
    ...(content === undefined ? {} : { content }),
    ...(tool_calls === undefined ? {} : { tool_calls }),
    ...answer,
    details: { ...told, ...answer.details },
  };
}

function isOutcome(record: AuditRecord): boolean {
  return record.action === 'tool_invoked' && record.phase === 'outcome';
}

function isAnswer(record: AuditRecord): boolean {
  return record.action === 'agent_response_generated';
}

/** What log records told of an answer that its own span tells too. */
function isContent(record: AuditRecord): boolean {
  return isAnswer(record) && record.details?.content_of !== undefined;
}

/** The same tool with the same arguments in one trace. */
function likeOf({ id, record }: PlacedRecord): string {
  const digest = record.details?.arguments_digest;
  return typeof digest === 'string' ? `${record.trace?.trace_id} ${record.tool?.name} ${digest}` : id;
}

function hasId(record: AuditRecord): boolean {
  return record.tool?.call_id !== undefined;
}

function callOf({ id, record }: PlacedRecord): string {
  const { call_id } = record.tool ?? {};
  return call_id === undefined ? id : `${record.source?.service ?? ''} ${call_id}`;
}

function spanOf(record: AuditRecord): string {
  return `${record.trace?.trace_id} ${record.trace?.span_id}`;
}

/**
 * One line a record, under a head that says on whose behalf, by which model, with which tool and why:
 *
 *   User nurse-17 (nurse) → gpt-4o-mini → send_email [user_request]
 *     [Turn 1] ✅ send_email({…}) → {…} [38ms]
 */
export function timelineLines(records: readonly PlacedRecord[]): string[] {
  const lines: string[] = [];
  let head = '';
  let model: string | undefined;
  for (const { record } of records) {
    model = record.model?.response ?? record.model?.request ?? model;
    if (record.action === 'data_accessed' || record.action === 'data_modified') continue;
    const chain = record.tool === undefined ? '' : attribution(record, model);
    if (chain !== '' && chain !== head) lines.push(chain);
    if (chain !== '') head = chain;
    lines.push(`  ${record.turn === undefined ? '' : `[Turn ${record.turn}] `}${lineOf(record)}`);
  }
  return lines;
}

/** The attribution of a call in one line. */
export function attribution(record: AuditRecord, model: string | undefined): string {
  const user = `User ${record.user?.id ?? 'unknown'}${record.user?.role === undefined ? '' : ` (${record.user.role})`}`;
  const trigger = record.trigger === undefined ? '' : ` [${record.trigger}]`;
  return [user, model, record.tool?.name].filter((part) => part !== undefined).join(' → ') + trigger;
}

const MARKS = { success: '✅', failure: '❌', denied: '⛔', interrupted: '⏹' } as const;

function lineOf(record: AuditRecord): string {
  const { tool, outcome } = record;
  if (tool !== undefined) {
    const call = `${tool.name}(${JSON.stringify(tool.arguments ?? {})})`;
    if (outcome === undefined) return `⏳ ${call} → no outcome yet`;
    const result =
      tool.result ?? (outcome.error_message === undefined ? {} : { error: outcome.error_message });
    const took = outcome.duration_ms === undefined ? '' : ` [${Math.round(outcome.duration_ms)}ms]`;
    return `${MARKS[outcome.status]} ${call} → ${JSON.stringify(result)}${took}${tool.evidence === 'reported' ? ' (reported)' : ''}`;
  }
  switch (record.action) {
    case 'user_message_received':
      return `💬 ${record.actor.id}: a message of ${record.details?.message_length ?? '?'} characters`;
    case 'agent_response_generated':
      return `🤖 ${record.actor.id}: ${answer(record)}`;
    case 'prompt_changed':
    case 'model_changed':
      return `⚠️  ${record.action} by ${record.actor.type} ${record.actor.id}`;
    default:
      return `${record.action} by ${record.actor.type} ${record.actor.id}${outcome === undefined || outcome.status === 'success' ? '' : `: ${outcome.status}`}`;
  }
}

function answer(record: AuditRecord): string {
  if (record.outcome !== undefined && record.outcome.status !== 'success')
    return `${record.outcome.status}: ${record.outcome.error_message ?? ''}`;
  const asked = record.tool_calls?.map((call) => call.name ?? 'unknown').join(', ');
  if (asked !== undefined) return `asks for ${asked}`;
  return `an answer of ${record.details?.response_length ?? 'unknown'} characters`;
}
