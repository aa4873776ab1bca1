import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { Store } from '../store/client.ts';

const STATEMENTS = /^\(*(SELECT|WITH|SHOW|DESCRIBE|EXPLAIN|EXISTS)\b/;

/** Of the engine's table functions, those that read nothing, or only what the query itself may read. */
const TABLE_FUNCTIONS = new Set([
  'format',
  'generaterandom',
  'generateseries',
  'generate_series',
  'merge',
  'null',
  'numbers',
  'numbers_mt',
  'primes',
  'sqlstandardvalues',
  'values',
  'view',
  'viewifpermitted',
  'zeros',
  'zeros_mt',
]);

/**
 * Ordinary functions that reach beyond the ledger: a file, a program, a language model, a name server, a counter.
 * They are refused by their mere name, since other functions take them by it: `arrayMap(file, …)`.
 */
const REACHING =
  /^(file|ai(classify|embed|extract|generate|translate)\w*|catboostevaluate|generateserialid|reversednsquery)$/;

/** In text as the engine writes it: strings, quoted names, names. There are no comments. */
const TOKEN = /'(?:[^'\\]|\\.)*'|`((?:[^`\\]|\\.)*)`|"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)|\S/gsu;

/**
 * A query as the engine itself writes it, in one statement that only reads, and only what is in the database.
 * To be asked before the store is made read-only, which is the second wall: neither is enough by itself.
 *
 * @throws SpanledgerError `query_invalid`
 */
export async function onlyReads(store: Store, query: string): Promise<string> {
  const text = await canonical(store, query);
  if (!STATEMENTS.test(text))
    throw refused('it is no query: SELECT, WITH, SHOW, DESCRIBE, EXPLAIN and EXISTS can be asked');
  const tableFunctions = await tableFunctionsOf(store);
  const tokens = [...text.matchAll(TOKEN)];
  for (const [i, [token, backQuoted, quoted, plain]] of tokens.entries()) {
    if (plain === 'OUTFILE' && tokens[i - 1]?.[0] === 'INTO') throw refused('it writes a file');
    const name = backQuoted ?? quoted ?? plain;
    if (name === undefined) continue;
    // A function may be named with a database before it.
    const last = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
    const isCalled = tokens[i + 1]?.[0] === '(';
    const isForeign = isCalled && tableFunctions.has(last) && !TABLE_FUNCTIONS.has(last);
    if (isForeign || REACHING.test(last)) throw refused(`${token} reaches beyond the ledger`);
  }
  return text;
}

/** One statement, without comments, every string in single quotes, every name plain or in back-quotes. */
async function canonical(store: Store, query: string): Promise<string> {
  try {
    const [row] = await store.query<{ text: string }>(
      'SELECT formatQuerySingleLine({query:String}) AS text',
      {
        query,
      },
    );
    return row!.text;
  } catch (error) {
    if (!isSpanledgerError(error, 'store_failed')) throw error;
    const [said] = error.message.split(/: (?:In scope|while executing) /);
    throw new SpanledgerError('query_invalid', said!, { cause: error, hint: 'give one statement' });
  }
}

async function tableFunctionsOf(store: Store): Promise<Set<string>> {
  const rows = await store.query<{ name: string }>('SELECT lower(name) AS name FROM system.table_functions');
  return new Set(rows.map(({ name }) => name));
}

function refused(why: string): SpanledgerError {
  return new SpanledgerError('query_invalid', `the query is refused: ${why}`, {
    hint: 'ask the tables and views in spanledger; a column of such a name can be given another with AS',
  });
}
