import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { Store, TextFormat } from '../store/client.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { type Output, type Text, table } from './output.ts';
import { onlyReads } from './read-only.ts';

/** Runs one query that only reads: anything else is refused, by us and by the engine. */
export async function sqlCommand(query: string, options: LedgerOptions, out: Output): Promise<number> {
  if (query.trim() === '')
    throw new SpanledgerError('usage_invalid', 'the query is empty', {
      hint: 'spanledger sql "SELECT count() FROM spanledger.audit_records"',
    });
  if (/\bFORMAT\s+\w+\s*;?\s*$/i.test(query)) {
    throw new SpanledgerError('query_invalid', 'the query names a FORMAT of its own', {
      hint: 'leave it out: --json gives an array of rows',
    });
  }
  const ledger = await Ledger.open(options, 'read');
  try {
    const text = await onlyReads(ledger.store, query);
    await ledger.drain(out);
    await ledger.store.readOnly();
    if (out.json) {
      const rows = await answer(ledger.store, text, 'JSONEachRow');
      process.stdout.write(`[${rows.trimEnd().replaceAll('\n', ',')}]\n`);
    } else {
      const rows = await answer(ledger.store, text, 'TabSeparatedWithNamesAndTypes');
      for (const line of linesOf(rows)) out.line(line);
    }
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

/** What the engine refuses of a user's own query is the query's fault. */
async function answer(store: Store, query: string, format: TextFormat): Promise<string> {
  try {
    return await store.text(query, format);
  } catch (error) {
    if (!isSpanledgerError(error, 'store_failed')) throw error;
    throw new SpanledgerError('query_invalid', error.message, {
      cause: error,
      hint: 'the tables are spanledger.audit_records and spanledger.audit_tombstones; queries can only read, and on the embedded engine set no SETTINGS',
    });
  }
}

function linesOf(text: string): Text[] {
  const [names, types, ...rows] = text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.split('\t').map(unescaped));
  if (names === undefined || types === undefined) return [];
  const isNumber = types.map((type) => /^(Nullable\()?(U?Int|Float)\d+\)?$/.test(type));
  return table(
    names,
    rows.map((row) => row.map((value, i) => (isNumber[i] ? numberIn(value) : value))),
  );
}

const ESCAPES: { [letter: string]: string } = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', 0: '\0' };

function unescaped(value: string): string {
  if (value === '\\N') return 'NULL';
  return value.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}

/** Text where a number would say something else: more digits, or none. */
function numberIn(value: string): string | number {
  return String(Number(value)) === value ? Number(value) : value;
}
