import { isSpanledgerError, messageOf } from '../errors.ts';

/** `skipped` is what could not be looked at, or has nothing to look at: `found` says which. */
export type Status = 'ok' | 'warn' | 'fail' | 'skipped';

/** One thing looked at. */
export interface Check {
  /** `group.name`, stable. */
  check: string;
  status: Status;
  /** What was found, with its numbers, in one line. May quote what a span's sender wrote. */
  found: string;
  /** One thing to do about it: a command, or a setting. */
  remedy?: string;
}

const made =
  (status: Status) =>
  (check: string, found: string, remedy?: string): Check => ({
    check,
    status,
    found,
    ...(remedy === undefined ? {} : { remedy }),
  });

export const ok = made('ok');
export const warn = made('warn');
export const fail = made('fail');
export const skipped = made('skipped');

/** The error as a finding: its message, and its hint as the remedy. */
export function failed(check: string, error: unknown): Check {
  const hint = isSpanledgerError(error) ? error.hint : undefined;
  const [first = '', ...more] = messageOf(error).split('\n');
  return fail(check, [first, more.map((line) => line.trim()).join('; ')].join(' ').trimEnd(), hint);
}

/** What all of them say together. */
export function worstOf(checks: readonly Check[]): 'ok' | 'warn' | 'fail' {
  const has = (status: Status) => checks.some((each) => each.status === status);
  return has('fail') ? 'fail' : has('warn') ? 'warn' : 'ok';
}

/** `1 record`, `2 records`; with commas from a thousand on. */
export function count(number: number, noun: string, nouns = `${noun}s`): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? noun : nouns}`;
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytesText(bytes: number): string {
  const unit = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** unit;
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[unit]}`;
}

export function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : Math.round((100 * part) / whole)} %`;
}
