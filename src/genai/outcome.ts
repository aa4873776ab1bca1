import { type Span, StatusCode } from '../span.ts';
import type { Activity } from './activity.ts';
import { isObject, textAttribute, textOf, unwrapJson } from './values.ts';

export type OutcomeStatus = 'success' | 'failure' | 'denied' | 'interrupted';

/** How it ended, as far as the span or the tool's own answer tells. Text is unredacted. */
export interface Ending {
  status: OutcomeStatus;
  errorType?: string;
  errorMessage?: string;
}

/**
 * How the operation of a span ended.
 *
 * The status alone proves nothing: some frameworks leave it unset on errors, some say OK beside an exception,
 * and one passes a failed tool's status on to its innocent siblings. So an exception event, `error.type` or
 * the framework's own word is a failure; a bare error status is one unless the operation has its answer; and
 * where the span says all was well, the answer may still say `denied` or `error`.
 */
export function endingOf(span: Span, activity: Activity): Ending {
  const exception = span.events.find((event) => event.name === 'exception');
  const errorType = exception ? textAttribute(exception.attributes, 'exception.type') : undefined;
  const errorMessage =
    (exception && textAttribute(exception.attributes, 'exception.message')) ??
    activity.errorMessage ??
    (span.status.message || undefined);
  const proven = exception !== undefined || activity.errorType !== undefined || activity.failed === true;
  const suspected = span.status.code === StatusCode.error && !isAnswered(activity);
  const told = activity.kind === 'tool' ? endingOfResult(activity.toolResult) : undefined;

  if (activity.denied === true) return ending('denied', activity.errorType, errorMessage);
  // A bare status may be a sibling's, message and all: what the tool itself answered comes before it.
  if (told !== undefined && !proven)
    return ending(told.status, told.errorType, told.errorMessage ?? errorMessage);
  if (proven || suspected) {
    const type =
      (activity.errorType === 'unknown' ? undefined : activity.errorType) ?? errorType ?? told?.errorType;
    const message = errorMessage ?? told?.errorMessage;
    return ending(statusOf(type, message) ?? told?.status ?? 'failure', type, message);
  }
  return { status: statusOfReasons(activity.finishReasons) };
}

/** How a tool's own answer says it ended; undefined when it says nothing of an error. */
export function endingOfResult(result: unknown): Ending | undefined {
  if (typeof result === 'string') {
    const parsed = unwrapJson(result);
    if (parsed !== result) return endingOfResult(parsed);
    return endingOfText(result);
  }
  if (Array.isArray(result)) return endingOfText(contentText(result));
  if (!isObject(result)) return undefined;
  const { error } = result;
  const code = codeIn(result);
  const message = messageIn(result, code);
  const saysError =
    (error !== undefined && error !== null && error !== false && error !== '') ||
    result.isError === true ||
    result.is_error === true ||
    result.success === false ||
    result.ok === false ||
    FAILED_STATUS.test(String(scalar(result.status) ?? ''));
  if (code !== undefined && DENIED_CODE.test(code)) {
    // `denied` may be what was asked for, as the state of a claim: it is the call's own end when an error,
    // a reason or nothing else stands beside it.
    const only =
      code !== result.status || saysError || message !== undefined || Object.keys(result).length === 1;
    return only ? ending('denied', code, message) : undefined;
  }
  // Frameworks wrap a tool's plain answer: ADK as `{result}`, MCP as `{content}`, LlamaIndex as `{blocks}`.
  if (!saysError) return endingOfText(textOf(result.result) ?? contentText(result.content ?? result.blocks));
  const saysDenied = message !== undefined && DENIED_ANSWER.test(message);
  return ending(statusOf(code, message) ?? (saysDenied ? 'denied' : 'failure'), code, message);
}

function endingOfText(answer: string | undefined): Ending | undefined {
  const text = answer?.slice(0, MAX_JUDGED);
  if (text === undefined || text === '') return undefined;
  if (DENIED_ANSWER.test(text) || REFUSED_ANSWER.test(text)) return ending('denied', undefined, text);
  return ERROR_ANSWER.test(text) ? ending('failure', undefined, text) : undefined;
}

/** A machine's word for what went wrong, or an HTTP status. */
function codeIn(result: Record<string, unknown>): string | undefined {
  const { error } = result;
  const inner = isObject(error) ? [error.code, error.type, error.status] : [error];
  return [...inner, result.code, result.error_code, result.status, result.statusCode, result.status_code]
    .map((value) => scalar(value)?.toString())
    .find((text) => text !== undefined && isCode(text));
}

function scalar(value: unknown): string | number | undefined {
  return typeof value === 'number' ? value : textOf(value);
}

function messageIn(result: Record<string, unknown>, code: string | undefined): string | undefined {
  const error = result.error;
  const candidates = [
    isObject(error) ? error.message : undefined,
    result.message,
    result.error_message,
    result.reason,
    typeof error === 'string' && error !== code ? error : undefined,
    contentText(result.content),
  ];
  return candidates.map(textOf).find((text) => text !== undefined);
}

/** The text of an MCP result's content parts. */
function contentText(content: unknown): string | undefined {
  if (!Array.isArray(content)) return undefined;
  return textOf(
    content
      .map((part) => (isObject(part) ? textOf(part.text) : undefined))
      .filter(Boolean)
      .join('\n'),
  );
}

function statusOf(type: string | undefined, text: string | undefined): OutcomeStatus | undefined {
  if (type !== undefined && isCode(type)) {
    if (ABORTED.test(type)) return 'interrupted';
    if (DENIED_CODE.test(type)) return 'denied';
  }
  const message = text?.slice(0, MAX_JUDGED);
  if (message === undefined) return undefined;
  // A message may begin with the machine's word.
  const word = /^[\w.-]+(?=:)/.exec(message)?.[0];
  const isDenied =
    (word !== undefined && isCode(word) && DENIED_CODE.test(word)) || DENIED_MESSAGE.test(message);
  return isDenied ? 'denied' : undefined;
}

function isAnswered(activity: Activity): boolean {
  if (activity.kind === 'tool')
    return activity.toolResult !== undefined && endingOfResult(activity.toolResult) === undefined;
  return (
    activity.responseId !== undefined || activity.finishReasons !== undefined || activity.output !== undefined
  );
}

/** A model's call that says all was well but for the reason why it stopped. */
function statusOfReasons(reasons: string[] = []): OutcomeStatus {
  if (reasons.some((reason) => /^(abort|aborted|cancell?ed)$/i.test(reason))) return 'interrupted';
  return reasons.some((reason) => /^error$/i.test(reason)) ? 'failure' : 'success';
}

function ending(
  status: OutcomeStatus,
  errorType: string | undefined,
  errorMessage: string | undefined,
): Ending {
  const found: Ending = { status };
  if (errorType !== undefined) found.errorType = errorType;
  if (errorMessage !== undefined) found.errorMessage = errorMessage;
  return found;
}

/** How much of a text is looked at for what it says of the end. */
const MAX_JUDGED = 2_000;

/** A machine's word, not a sentence. */
function isCode(text: string): boolean {
  return text.length <= 64 && /^[A-Za-z0-9_.:-]+$/.test(text);
}

const ABORTED = /^([\w.]+\.)?(AbortError|Aborted|Cancell?edError|Cancell?ed|cancell?ed|aborted|interrupted)$/;
/** Words, and HTTP's own codes for failure. */
const FAILED_STATUS = /^(error|failed|failure|[45]\d\d)$/i;
const DENIED_CODE =
  /^(40[13]|.*(permission|access|authori[sz]ation|policy|approval|execution)[_.-]?(denied|violation|required|rejected|refused).*|denied|forbidden|unauthori[sz]ed|not[_-](permitted|allowed|approved|authori[sz]ed)|rejected|blocked|AccessDenied(Exception|Error)?|PermissionDenied(Error|Exception)?|PermissionError|Forbidden(Error|Exception)?|Unauthori[sz]ed(Error|Exception)?)$/i;
const DENIED_MESSAGE =
  /\b(permission|access|authori[sz]ation|request|approval) (was |has been |is )?(denied|refused|rejected)\b|\b(denies|forbidden|unauthori[sz]ed)\b|\bnot (been )?(approved|permitted|allowed|authori[sz]ed)\b|\bdenied (by|for)\b/i;
const DENIED_ANSWER =
  /^\W*(error: ?)?(permission|access|request|tool execution|execution|tool call)\b.{0,40}\b(denied|rejected|(?<!connection )refused|not (been )?(approved|permitted|allowed|authori[sz]ed))\b/is;
/** How frameworks say, in the place of a result, that a person or a rule refused the call. */
const REFUSED_ANSWER =
  /^\W*(the |this )?(user|human|operator|tool call|function call|tool|manual approval|authori[sz]ation)\b.{0,60}\b(rejected|denied|declined|refused|cancelled by user|was not approved)\b|^\W*(403|forbidden|unauthori[sz]ed|denied by policy)\b|^\W*you (do not|don't) have permission\b/is;
const ERROR_ANSWER =
  /^\W*(error|exception|traceback)\b ?[:(]|^an error occurred\b|^error (executing|invoking|running|calling) (tool|function)\b|^encountered error\b|^[A-Z]\w*(Error|Exception): |^\W*(request|connection|tool call|tool execution) failed\b/i;
