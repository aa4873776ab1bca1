import type { ActivityKind } from '../genai/activity.ts';
import type { Classification } from '../policy/classification.ts';
import type { Detected } from '../policy/detection.ts';
import type { RedactionsSaid } from '../policy/redactions.ts';
import type { ActorType, AuditRecord, ContentDigest, ContentField, RecordedTool, Trigger } from './record.ts';

/**
 * What of a span may be kept: redacted, summarised, digested. Below this line no secret exists. Facts know
 * nothing of other spans; `settle` does.
 */
export interface Facts {
  kind: ActivityKind;
  /** `content`: what log records tell of a span beside the span itself. */
  phase: 'intent' | 'end' | 'content';
  /** Keyed digest of the span as decoded: tells a retry from another span of the same ids. */
  digest: string;
  tenant: string;
  trace: NonNullable<AuditRecord['trace']>;
  source: NonNullable<AuditRecord['source']>;
  startedAt: string;
  endedAt: string;
  attribution: Attribution;
  outcome: NonNullable<AuditRecord['outcome']>;
  /** What was taken out of the outcome. */
  redactions?: RedactionsSaid;
  /** What was found in the outcome. */
  detected?: Detected;
  tool?: ToolFacts;
  model?: ModelFacts;
  /** Of an agent's invocation, the model it was to use. */
  modelNames?: ModelFacts['names'];
  declared?: {
    action: string;
    actorType?: ActorType;
    actorId?: string;
    approver?: string;
    reason?: string;
  };
  resource?: NonNullable<AuditRecord['resource']>;
  /** The sender dropped attributes, events or links, or something was cut here. */
  incomplete: boolean;
  /** Of its digests and of ids that are pseudonyms, those under older live keys. */
  older?: OlderDigests;
}

/** Of each digest, those that the same text has under older live keys, newest first. Absent while one key is live. */
export interface OlderDigests {
  [digest: string]: readonly string[];
}

/** Who and why, as far as this span says. */
export interface Attribution {
  conversationId?: string;
  user?: NonNullable<AuditRecord['user']>;
  agent?: NonNullable<AuditRecord['agent']>;
  purpose?: string;
  trigger?: Trigger;
  triggerBasis?: 'declared' | 'inferred';
  /** A trigger in words of the application's own. */
  triggerSaid?: string;
}

export interface ToolFacts {
  recorded: RecordedTool;
  /** Where the policy vaults them. */
  contents?: Contents;
  argumentsDigest?: string;
  /** As its rules say, and what was found in it. */
  classification: Classification;
  domains: readonly string[];
  retentionClass: string;
  unclassified: boolean;
  purposeRequired: boolean;
  tags: readonly string[];
  resource?: { type: string; action: 'read' | 'modify'; ids: string[]; subject?: string };
  /** Names of the fields that were read, or given to be changed. */
  fields?: string[];
  outcome: NonNullable<AuditRecord['outcome']>;
  truncated: boolean;
  /** What was taken out of arguments and result; of a reported result, out of its outcome too. */
  redactions?: RedactionsSaid;
  /** What was found in arguments and result; of a reported result, in its outcome too. */
  detected?: Detected;
  /** Of a reported result without its call's name or id: which prompt's answer asked for it, and as which of its calls. */
  answers?: { prompt: string; position: number };
}

export interface ModelFacts {
  names: NonNullable<AuditRecord['model']>;
  usage?: { [kind: string]: number };
  finishReasons?: string[];
  /** Keyed digest of the system prompt. */
  promptDigest?: string;
  content?: NonNullable<AuditRecord['content']>;
  /** What was found in the answer. */
  detected?: Detected;
  /** Of prompt and answer what is vaulted. */
  contents?: Contents;
  toolCalls: NonNullable<AuditRecord['tool_calls']>;
  /** Messages a person wrote, in this call's own input; absent when the input is not told. */
  turn?: number;
  /** The input ends in this message of a person. */
  userMessage?: {
    content: ContentDigest;
    detected?: Detected;
    /** Where the policy vaults it. */
    kept?: Kept;
  };
  /** Tool results this call is the first to show the model. */
  reported: ToolFacts[];
}

/** What was said, to be sealed beside its record: redacted, and cut where it is too long. */
export interface Kept extends ContentDigest {
  text: string;
}

export type Contents = { [field in ContentField]?: Kept };
