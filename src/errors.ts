/**
 * Every refusal has a stable code. Bad input is refused with its place and a remedy; a bug is an ordinary
 * exception and carries no code.
 *
 * The exit codes are a contract: 1 the answer is bad, 2 wrong usage or configuration, 3 store unreachable or
 * busy, 4 refused by policy, 5 nothing proven.
 */
const EXIT_CODES = {
  content_mismatch: 1,
  content_not_kept: 1,
  anchor_mismatch: 1,
  record_unknown: 1,
  note_invalid: 1,
  proof_invalid: 1,
  usage_invalid: 2,
  config_invalid: 2,
  directory_missing: 2,
  file_unreadable: 2,
  otlp_undecodable: 2,
  ledger_unknown: 2,
  query_invalid: 2,
  dependency_missing: 2,
  key_invalid: 2,
  proof_unreadable: 2,
  trust_invalid: 2,
  keeper_conflict: 2,
  keeper_lost: 2,
  state_invalid: 2,
  archive_refused: 2,
  store_schema: 2,
  directory_busy: 3,
  store_unreachable: 3,
  store_failed: 3,
  journal_full: 3,
  journal_broken: 3,
  journal_corrupt: 3,
  relay_refused: 3,
  anchor_unreachable: 3,
  anchor_refused: 3,
  archive_failed: 3,
  key_unavailable: 3,
  keeper_busy: 3,
  webhook_failed: 3,
  understanding_unavailable: 3,
  content_refused: 4,
  purpose_required: 4,
  retention_refused: 4,
  hold_refused: 4,
  audit_unavailable: 3,
  unproven: 5,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

export interface ErrorOptions {
  /** What the reader can do about it. Printed as `Try: …`. */
  hint?: string;
  cause?: unknown;
}

export class SpanledgerError extends Error {
  override readonly name = 'SpanledgerError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** Fail-closed: a tool was not called, since that it was about to be could not be made durable. */
export class AuditUnavailableError extends SpanledgerError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('audit_unavailable', message, options);
  }
}

export function isSpanledgerError(error: unknown, code?: ErrorCode): error is SpanledgerError {
  return error instanceof SpanledgerError && (code === undefined || error.code === code);
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(EXIT_CODES, code);
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
