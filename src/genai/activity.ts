import type { Span } from '../span.ts';

/**
 * What a span says an agent did, in one vocabulary for all dialects. Everything here is as the span gave it:
 * unredacted, in memory only, and gone when `understand` returns.
 */
export type ActivityKind =
  /** A tool was executed. */
  | 'tool'
  /** A model was asked and answered: a leaf, the only kind that counts tokens. */
  | 'model'
  /** An agent or workflow was invoked; model calls and tools lie below it. */
  | 'agent'
  /** Documents were fetched for the model. */
  | 'retrieval'
  /** An application declared an event of its own by `audit.action`. */
  | 'declared'
  /** Agent activity that another span already tells: a step, a chunk, a wrapper. Context, no record. */
  | 'wrapper';

/** What a dialect's own words for kinds of spans mean. */
export interface Kinds {
  [word: string]: ActivityKind;
}

/** The kind a word means; undefined for a word nobody knows, `constructor` among them. */
export function kindNamed(word: string, kinds: Kinds): ActivityKind | undefined {
  return Object.hasOwn(kinds, word) ? kinds[word] : undefined;
}

/** Fields a dialect may find on a span. A field is absent when the span does not say. */
export interface Reading {
  kind?: ActivityKind;
  /** One sentence for `--explain`. */
  why?: string;

  conversationId?: string;
  userId?: string;
  userRole?: string;
  clientIp?: string;
  userAgent?: string;
  tenant?: string;
  agentName?: string;
  agentId?: string;
  agentVersion?: string;

  provider?: string;
  requestModel?: string;
  responseModel?: string;
  responseId?: string;
  finishReasons?: string[];
  usage?: Usage;
  /** The system prompt's text. */
  systemInstructions?: string;
  input?: Message[];
  output?: Message[];

  toolName?: string;
  toolType?: string;
  toolCallId?: string;
  /** Parsed where it was JSON in a string; otherwise as it came. */
  toolArguments?: unknown;
  toolResult?: unknown;

  purpose?: string;
  trigger?: string;
  /** What the span's own place in the system says of what set it off, where nobody declared it. */
  impliedTrigger?: 'user_request' | 'follow_up' | 'system';
  subjectId?: string;
  resourceType?: string;
  resourceId?: string;
  /** `audit.action`: one of the record's actions, declared by the application. */
  action?: string;
  actorType?: string;
  actorId?: string;
  /** Of a declared change, who agreed to it, and why. */
  approver?: string;
  reason?: string;

  errorType?: string;
  errorMessage?: string;
  /** The framework itself says the operation failed, whatever the span's status. */
  failed?: boolean;
  /** The framework itself says the operation was refused. */
  denied?: boolean;
}

export interface Activity extends Reading {
  kind: ActivityKind;
  why: string;
  /** The dialect that gave the kind. */
  dialect: string;
}

export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
  cache_read_input_tokens?: number;
  cache_creation_input_tokens?: number;
  reasoning_output_tokens?: number;
}

/** A message of a model's input or output, whatever its dialect's parts were called. */
export interface Message {
  role: string;
  /** The text parts, joined by line feeds. */
  text: string;
  toolCalls: ToolCall[];
  toolResults: ToolResult[];
}

export interface ToolCall {
  id?: string;
  name?: string;
  arguments?: unknown;
}

export interface ToolResult {
  id?: string;
  name?: string;
  result: unknown;
}

/** All there is, or no more than what the span is and whom it is about: of that, nothing stands in messages. */
export type Asked = 'all' | 'who';

/** One file a dialect. */
export interface Dialect {
  name: string;
  /** Whether an attribute of this name gives a span of the dialect away: by its name alone, always the same. */
  marks(attribute: string): boolean;
  /** Whether something other than an attribute may give it away. */
  isMarked?(span: Span): boolean;
  /** Asked only of a span that is marked; answers nothing for one that is not the dialect's all the same. */
  read(span: Span, asked: Asked): Reading | undefined;
}
