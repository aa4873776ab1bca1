import { REDACTED, type RedactionContext, type Redactor } from './redact.ts';
import { Redactions, step } from './redactions.ts';

/** Over this many characters a result's size is told, and that it was cut. */
const SIZE_LIMIT = 1_000;
const MAX_TEXT = 300;
const MAX_KEYS = 20;
const IDENTIFIER = /^(id|uuid|reference|.+[_-]id|.+I[dD])$/;
const KEPT = new Set(['success', 'ok', 'status', 'code', 'count', 'total', 'error', 'isError']);
/** A result is often wrapped once. */
const WRAPPERS = ['result', 'data', 'structuredContent'];

/**
 * What of a tool's result is kept: whether it succeeded, its error, its key identifiers, how much it was; never
 * its content. Redacted like all else.
 */
export function summariseResult(
  result: unknown,
  redactor: Redactor,
  context: RedactionContext,
): Record<string, unknown> {
  const summary: Record<string, unknown> = {};
  const inner = unwrapped(result);
  if (Array.isArray(inner)) summary.count = inner.length;
  else if (typeof inner === 'object' && inner !== null)
    Object.assign(summary, keyFields(inner as Record<string, unknown>, redactor, context));
  else if (typeof inner === 'boolean') summary.success = inner;
  const size = typeof result === 'string' ? result.length : (JSON.stringify(result)?.length ?? 0);
  if (typeof inner === 'string' || size > SIZE_LIMIT) summary.size = size;
  if (size > SIZE_LIMIT) summary.truncated = true;
  return summary;
}

function unwrapped(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return result;
  const object = result as Record<string, unknown>;
  const wrapper = WRAPPERS.find((key) => typeof object[key] === 'object' && object[key] !== null);
  const hasOwn = Object.keys(object).some((key) => KEPT.has(key) || IDENTIFIER.test(key));
  return wrapper !== undefined && !hasOwn ? object[wrapper] : result;
}

function keyFields(
  object: Record<string, unknown>,
  redactor: Redactor,
  context: RedactionContext,
): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(object)) {
    if (Object.keys(kept).length >= MAX_KEYS) break;
    if (Array.isArray(object[key])) {
      kept[`${redactor.key(key, context)}_count`] = object[key].length;
      continue;
    }
    if (!KEPT.has(key) && !IDENTIFIER.test(key)) continue;
    const value = scalar(object[key]);
    if (value === undefined) continue;
    const shown = redactor.key(key, context);
    const redactions = new Redactions();
    // Redacted with its name, so that an identifier which is a person's is a pseudonym here too.
    const redacted = redactor.redact({ [key]: value }, { ...context, redactions }).value;
    // Its place is told by the name it is kept under.
    for (const { kind, rule, count } of redactions.said()?.redactions ?? [])
      context.redactions?.add(`${context.at ?? ''}/${step(shown)}`, kind, rule, count);
    const [clean] = Object.values(redacted as Record<string, unknown>);
    kept[shown] =
      typeof clean === 'string' && clean !== REDACTED && clean.length > MAX_TEXT
        ? `${clean.slice(0, MAX_TEXT)}…`
        : clean;
  }
  return kept;
}

/** A text, number or boolean; of an error object, its message or code. */
function scalar(value: unknown): unknown {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { message, code, type } = value as Record<string, unknown>;
  return [message, code, type].find((each) => typeof each === 'string');
}
