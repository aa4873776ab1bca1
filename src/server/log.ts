import pino, { type Logger } from 'pino';
import { isSpanledgerError } from '../errors.ts';

export type { Logger } from 'pino';

/** What happens to the sidecar, a line of JSON each, on stderr. Never what spans say, nor a token. */
export function newLog(level: string): Logger {
  const known = Object.hasOwn(pino.levels.values, level) || level === 'silent';
  return pino(
    { level: known ? level : 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** Their messages name addresses, files and settings. */
const TELLABLE: ReadonlySet<string> = new Set(['store_unreachable', 'config_invalid', 'usage_invalid']);

/**
 * An error for the log: its code, and where it comes from. Its message may quote what it was about, but for some.
 */
export function errorFields(error: unknown): { [field: string]: unknown } {
  if (isSpanledgerError(error))
    return TELLABLE.has(error.code) ? { code: error.code, message: error.message } : { code: error.code };
  const { name, stack } = error as { name?: string; stack?: string };
  return { code: 'internal', name, at: stack?.split('\n').filter((line) => /^ +at /.test(line)) };
}
