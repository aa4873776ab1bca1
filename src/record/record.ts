import type { Classification } from '../policy/classification.ts';

/**
 * One audit record: what stands in `audit_records.payload`, as canonical JSON. A field that is unknown is
 * absent, never null or empty. SPEC.md says the same to strangers.
 */
export interface AuditRecord {
  v: 1;
  /** 16 random bytes, base64url: makes the digest of an erased payload unguessable. */
  salt: string;
  /** RFC 3339, UTC, nine decimals. */
  occurred_at: string;
  /** RFC 3339, UTC, six decimals; never runs backwards within a chain. */
  recorded_at: string;
  phase: 'intent' | 'outcome' | 'event';
  action: Action;
  actor: { type: ActorType; id: string };
  user?: { id?: string; role?: string; client_ip?: string; user_agent?: string };
  agent?: { name?: string; id?: string; version?: string };
  model?: { provider?: string; request?: string; response?: string };
  conversation_id?: string;
  turn?: number;
  tool?: RecordedTool;
  /** In a model's response: what it asked for. */
  tool_calls?: { id?: string; name?: string; arguments_digest?: string }[];
  resource?: { type?: string; id?: string; subject?: string };
  data_classification: Classification;
  domains?: readonly string[];
  retention_class: string;
  purpose?: string;
  trigger?: Trigger;
  trigger_basis?: 'declared' | 'inferred';
  outcome?: { status: OutcomeStatus; error_type?: string; error_message?: string; duration_ms?: number };
  usage?: { [kind: string]: number };
  /** Of arguments and result only where they are vaulted. */
  content?: { [field in ContentField]?: ContentDigest };
  first_sight?: true;
  trace?: { trace_id: string; span_id: string; parent_span_id?: string };
  source?: { service?: string; instance?: string; scope?: string; dialect?: string };
  tenant?: string;
  control?: { [field: string]: unknown };
  details?: { [field: string]: unknown };
}

export interface RecordedTool {
  name: string;
  type?: string;
  call_id?: string;
  /** Redacted. */
  arguments?: unknown;
  /** A summary: success, error, key identifiers, counts, size. */
  result?: { [field: string]: unknown };
  evidence: 'executed' | 'reported';
}

/** A keyed digest and the size in characters of content as it came; and where it is vaulted, what of it is kept. */
export interface ContentDigest {
  digest: string;
  /** When the sealed content may go, in Unix seconds. */
  expires_at?: number;
  /** `sha256:` and the digest of the sealed content. */
  ref?: string;
  size: number;
  /** It was cut before it was sealed. */
  truncated?: true;
}

export type ContentField = 'answer' | 'arguments' | 'prompt' | 'result';

export type ActorType = 'user' | 'agent' | 'admin' | 'system';
export type OutcomeStatus = 'success' | 'failure' | 'denied' | 'interrupted';

export const TRIGGERS = ['user_request', 'proactive', 'retry', 'follow_up', 'system'] as const;
export type Trigger = (typeof TRIGGERS)[number];

export type Action =
  | 'conversation_started'
  | 'user_message_received'
  | 'agent_response_generated'
  | 'tool_invoked'
  | 'data_accessed'
  | 'data_modified'
  | 'prompt_changed'
  | 'model_changed'
  | 'access_granted'
  | 'access_revoked'
  | 'conversation_ended'
  | 'agent_invoked'
  | ControlAction;

export type ControlAction =
  | 'chain_opened'
  | 'chain_enrolled'
  | 'chain_closed'
  | 'chain_abandoned'
  | 'checkpoint'
  | 'round'
  | 'checkpoint_anchored'
  | 'key_rotated'
  | 'verification_completed'
  | 'gap'
  | 'fork_detected'
  | 'payload_quarantined'
  | 'policy_changed'
  | 'audit_log_accessed'
  | 'content_read'
  | 'archive_confirmed'
  | 'archive_restored'
  | 'erasure_requested'
  | 'records_expired'
  | 'records_erased'
  | 'legal_hold_placed'
  | 'legal_hold_extended'
  | 'legal_hold_released';

/** A record before it has its place: its salt and `recorded_at` are empty until it is sealed. */
export type RecordDraft = AuditRecord;
