/**
 * What a table or view is, by its parts: `column user_id`, `index by_user`, `setting fsync_after_insert`, `TTL`,
 * `select` … Every word of the statement is in one of them, but for what says nothing of rows: comments.
 */
export type Definition = Map<string, string>;

/** Clauses of a table's statement, after its columns, in any order. */
const CLAUSES = [
  'ENGINE =',
  'PARTITION BY',
  'PRIMARY KEY',
  'ORDER BY',
  'SAMPLE BY',
  'UNIQUE KEY',
  'TTL',
  'SETTINGS',
  'COMMENT',
];
/** What may stand between the name of a view and its query. */
const OF_VIEWS = ['DEFINER =', 'SQL SECURITY', 'COMMENT'];
/** What stands among a table's columns and is none. */
const AMONG_COLUMNS = /^(INDEX|PROJECTION|CONSTRAINT) (`[^`]*`|\S+) (.*)$/s;

/**
 * Takes a statement apart. It is of the engine's own writing, in one line: `formatQuerySingleLine` says. Not a
 * parser of SQL: what it does not know it keeps whole.
 */
export function definitionOf(statement: string): Definition {
  const found: Definition = new Map();
  // Whatever comes twice is kept twice, so that nothing can hide behind its namesake.
  const put = (name: string, text: string) => {
    const before = found.get(name);
    found.set(name, before === undefined ? text : `${before} ${text}`);
  };
  const [, what = '', , rest = statement] =
    /^((?:CREATE|ATTACH) .*?) (?:IF NOT EXISTS )?spanledger\.(`[^`]*`|\w+)(?: UUID '[^']*')? ?(.*)$/s.exec(
      statement,
    ) ?? [];
  put('statement', what);
  const columns = rest.startsWith('(') ? closing(rest, 0) : 0;
  const isTable = what === 'CREATE TABLE';
  if (columns > 0) elements(rest.slice(1, columns - 1), put);
  const options = rest.slice(columns).trim();
  if (isTable) {
    for (const [clause, text] of clauses(options, CLAUSES)) {
      if (clause === 'SETTINGS')
        for (const setting of split(text)) {
          const [name = '', value = ''] = setting.split(/ = (.*)/s);
          put(`setting ${name}`, value);
        }
      else if (clause !== 'COMMENT') put(clause === 'ENGINE =' ? 'ENGINE' : clause, text);
    }
    return found;
  }
  const as = find(options, 'AS ');
  const [before, select] = as < 0 ? [options, ''] : [options.slice(0, as), options.slice(as + 3)];
  for (const [clause, text] of clauses(before.trim(), OF_VIEWS)) if (clause !== 'COMMENT') put(clause, text);
  // Older engines say a view's comment last.
  put('select', select.replace(/ COMMENT '(?:[^'\\]|\\.)*'$/, ''));
  return found;
}

/** How two definitions differ, by part; what stands in one of them only is undefined in the other. */
export function differences(
  expected: Definition,
  found: Definition,
): { part: string; expected: string | undefined; found: string | undefined }[] {
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((part) => expected.get(part) !== found.get(part))
    .map((part) => ({ part, expected: expected.get(part), found: found.get(part) }));
}

function elements(text: string, put: (name: string, text: string) => void): void {
  const columns: string[] = [];
  for (const element of split(text)) {
    const [, kind, name, rest] = AMONG_COLUMNS.exec(element) ?? [];
    if (kind !== undefined) put(`${kind.toLowerCase()} ${unquoted(name!)}`, rest!);
    else {
      const [, column = element, definition = ''] = /^(`(?:[^`\\]|\\.)*`|\S+) ?(.*)$/s.exec(element) ?? [];
      columns.push(unquoted(column));
      put(`column ${unquoted(column)}`, plain(definition));
    }
  }
  put('columns', columns.join(', '));
}

/** Without its comment; the width the engine adds to a codec follows from the type. */
function plain(column: string): string {
  const [first, ...rest] = clauses(`: ${column}`, [':', 'COMMENT', 'CODEC', 'DEFAULT', 'TTL', 'STATISTICS']);
  return [first!, ...rest]
    .filter(([clause]) => clause !== 'COMMENT')
    .map(([clause, text]) =>
      clause === 'CODEC' ? `CODEC${text.replace(/\bDelta\(\d+\)/g, 'Delta')}` : `${clause} ${text}`,
    )
    .join(' ')
    .slice(2);
}

function unquoted(name: string): string {
  return name.replace(/^`(.*)`$/s, '$1');
}

/** At the commas that stand in no text and no parentheses. */
function split(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const i of places(text)) {
    if (text[i] !== ',') continue;
    parts.push(text.slice(from, i).trim());
    from = i + 1;
  }
  return [...parts, text.slice(from).trim()].filter((part) => part !== '');
}

/** A text from one of its words to the next, each with the word it begins with; what comes before the first is ''. */
function clauses(text: string, words: readonly string[]): [clause: string, text: string][] {
  const found: [string, string][] = [];
  let from = 0;
  let last = '';
  for (const i of places(text)) {
    if (i > 0 && text[i - 1] !== ' ') continue;
    const word = words.find((each) => text.startsWith(each, i) && !/\w/.test(text[i + each.length] ?? ''));
    if (word === undefined) continue;
    if (i > 0) found.push([last, text.slice(from, i).trim()]);
    last = word;
    from = i + word.length;
  }
  if (text !== '') found.push([last, text.slice(from).trim()]);
  return found;
}

function find(text: string, word: string): number {
  for (const i of places(text)) if (text.startsWith(word, i) && (i === 0 || text[i - 1] === ' ')) return i;
  return -1;
}

/** The place after the parenthesis that closes the one at `from`. */
function closing(text: string, from: number): number {
  for (const i of places(text, from)) if (i > from) return i;
  return text.length;
}

/** Every place that stands in no text, no quoted name and no parentheses, in order. */
function* places(text: string, from = 0): Generator<number> {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i]!;
    if (depth === 0) yield i;
    if (char === "'" || char === '`' || char === '"') {
      i += 1;
      while (i < text.length && text[i] !== char) i += text[i] === '\\' ? 2 : 1;
    } else if ('([{'.includes(char)) depth += 1;
    else if (')]}'.includes(char)) depth -= 1;
  }
}
