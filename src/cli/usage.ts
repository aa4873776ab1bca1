import { SpanledgerError } from '../errors.ts';

/** An empty id names nothing, and would match every record that has none. */
export function requireId(
  id: string,
  what: string,
  hint = 'give the id as it stands in the records; in a script, is the variable set?',
): void {
  if (id !== '') return;
  throw new SpanledgerError('usage_invalid', `${what} is empty`, {
    hint,
  });
}
