import type { RunWithContext } from './context.ts';

/**
 * What adapters and plain code are given: tool calls go in directly, as spans of our own, whatever OpenTelemetry
 * does with its: sampled out, suppressed, disabled, shut down, or not there at all.
 */
export interface AuditDoor {
  /**
   * Writes the intent of a tool call, committed when this returns, and answers the call, to be ended once. Never
   * throws: what could not be recorded is a gap, or, fail-closed, told by `admit`.
   *
   * @example
   * const call = door.startTool({ name, callId, arguments: args, scope: 'mcp' });
   * await call.admit();
   * try {
   *   const result = await call.run(() => original(args));
   *   call.end(result);
   *   return result;
   * } catch (error) {
   *   call.fail(error);
   *   throw error;
   * }
   */
  startTool(start: ToolStart): ToolCall;

  /**
   * The same for a whole call: what `run` answers is answered, a promise, a generator or a stream too, whose end is
   * then the call's. Fail-closed it waits first: a call that must wait answers a promise, unless `isSync`, which
   * blocks the thread for the flush.
   *
   * @throws SpanledgerError `audit_unavailable`, by rejecting, and `run` was not called.
   */
  tool<T>(start: ToolStart, run: () => T, options?: { isSync?: boolean }): T;

  /**
   * Runs `work`, in which spans that a framework makes of tools leave their intent to the `startTool` that follows
   * inside them, in the same trace: it knows the arguments and the call's id, which they do not as they start. A span
   * that none follows is recorded whole as it ends. Inside the calls that `work` begins nothing is claimed.
   */
  claim<T>(spans: ToolSpans, work: () => T): T;

  /** What is no span: an approval, an access granted, the end of a conversation. Committed when this returns. */
  event(event: AuditEvent): void;

  /** Runs `fn` on somebody's behalf, as `withAuditContext` does. */
  readonly withContext: RunWithContext;

  /** Resolves when all of this process so far is durable. */
  flush(): Promise<void>;
}

/** The spans that a framework makes of tool calls, as far as an adapter is sure to tell of the same calls. */
export interface ToolSpans {
  /** Of the framework's tracer. */
  scope: string;
  /** Names of tools. */
  tools: { has(name: string): boolean };
}

/** A tool call as it begins. A field the caller does not know is absent, and inherited where it can be. */
export interface ToolStart {
  name: string;
  /** `function`, `extension`, `datastore`, or the caller's own word. */
  type?: string | undefined;
  /** The id the model gave the call. */
  callId?: string | undefined;
  /** As the tool gets them: an object, or JSON text. Redacted before they reach a disk. */
  arguments?: unknown;
  agent?: string | { name?: string; id?: string; version?: string } | undefined;
  conversationId?: string | undefined;
  resource?: ResourceSaid | undefined;
  purpose?: string | undefined;
  /** What the call does to the data, where the registry does not know it. */
  action?: 'data_accessed' | 'data_modified' | undefined;
  /** Who calls: an adapter's name. Stands in `source.scope` as `spanledger/<scope>`. */
  scope?: string | undefined;
  /** Milliseconds since the epoch; now where absent. */
  startedAt?: number | undefined;
  /** Never less than the policy asks for. */
  failClosed?: boolean | undefined;
}

/** A tool call under way. Of `end`, `fail`, `deny` and `interrupt` the first counts. */
export interface ToolCall {
  readonly traceId: string;
  readonly spanId: string;
  /** By the policy of the tool, or of the process: it must not run before `admit` says so. */
  readonly failClosed: boolean;

  /**
   * Resolves when the tool may be called: at once when fail-open, else when its intent is durable, within a bounded
   * time.
   *
   * @throws SpanledgerError `audit_unavailable`, or `purpose_required` where the policy wants to know why and nobody
   * says: it must not be called, and the call has ended as denied.
   */
  admit(): Promise<void>;

  /** The same for what cannot wait: fail-closed it blocks the thread for one `fdatasync`. */
  admitSync(): void;

  /** Runs the tool: a span that a framework makes of the same call inside is not recorded a second time. */
  run<T>(work: () => T): T;

  end(result?: unknown): void;
  fail(error: unknown): void;
  /** Refused by a person or a rule. */
  deny(reason?: string): void;
  /** Given up by whoever asked for it. */
  interrupt(reason?: string): void;
}

export interface ResourceSaid {
  type?: string | undefined;
  id?: string | undefined;
  /** The person the data is about. */
  subject?: string | undefined;
}

export const TOLD_ACTIONS = [
  'conversation_ended',
  'data_accessed',
  'data_modified',
  'prompt_changed',
  'model_changed',
  'access_granted',
  'access_revoked',
] as const;

/** What the application tells of itself. Who, where it is not said, is the context's user. */
export interface AuditEvent {
  action: (typeof TOLD_ACTIONS)[number];
  actor?: { type: 'user' | 'agent' | 'admin' | 'system'; id?: string } | undefined;
  /** Of a change, who agreed to it. */
  approver?: string | undefined;
  conversationId?: string | undefined;
  resource?: ResourceSaid | undefined;
  purpose?: string | undefined;
  /** Why, in a sentence. Redacted as any text. */
  reason?: string | undefined;
  agent?: ToolStart['agent'];
  model?: string | undefined;
}
