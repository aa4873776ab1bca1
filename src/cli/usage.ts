import { SpanledgerError } from '../errors.ts';
import { isChainId } from '../target/line.ts';

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

/** Where a record stands. @throws SpanledgerError `usage_invalid` */
export function placeOf(id: string): { chainId: string; seq: number } {
  const [, chainId = '', digits = ''] = /^(.*):(0|[1-9]\d{0,15})$/.exec(id) ?? [];
  const seq = Number(digits);
  if (isChainId(chainId) && digits !== '' && Number.isSafeInteger(seq)) return { chainId, seq };
  throw new SpanledgerError('usage_invalid', `${id} is no record's id`, {
    hint: 'an id is CHAIN:SEQ, as timeline and query --json print it',
  });
}
