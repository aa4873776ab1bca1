import { eachMatch, type Hit } from './hits.ts';
import type { NameRules } from './names.ts';

/** `:`, `=`, `:=`, `=>`, `===`, and an equals sign or a colon percent-encoded once or twice. */
const ASSIGNMENT = /(?:[:=]{1,3}>?|%(?:25)?3[ad])\s{0,16}\\*/gi;
/** What was taken for a value was a type: `token: string = "…"`. */
const AFTER_TYPE = /\s{0,16}=\s{0,16}/y;
/** Before an assignment: all that is between quotes; else a word, with up to three before it. */
const QUOTED = /(?<=["']([^"'\\]{1,100})\\*["']\]?\s{0,16})/y;
const WORDS = /(?<=((?:(?<![\w.-])[A-Za-z]{1,32} ){0,3}[\w.$%[\]\u0080-\uffff-]{1,64})["']?\s{0,16})/y;
/** Other ways to say it: a name in the first group, and its value behind the match. */
const PAIRS = [
  // --password hunter2
  { needs: '-', expression: /(?:^|[\s"'=])--?([A-Za-z][\w-]{1,63})[ \t]{1,4}(?!-)/g },
  // {"name": "password", "value": "hunter2"} and <add key="password" value="hunter2"/>
  {
    needs: 'alue',
    expression: /["']([^"'\\]{1,64})\\*["']\s{0,4},?\s{0,4}\\*["']?values?\\*["']?\s{0,4}[:=]\s{0,4}\\*/gi,
  },
  // ["x-api-key", "…"]
  { needs: '[', expression: /\[\s{0,4}\\*["']([^"'\\]{1,64})\\*["']\s{0,4},\s{0,4}\\*/g },
  // <birthDate value="1984-02-29"/>
  { needs: '<', expression: /<([A-Za-z][\w:.-]{0,63})\s{1,4}value=/g },
];
/** <password>hunter2</password> */
const ELEMENT = /<([A-Za-z][\w:.-]{0,63})(?:\s[^<>]{0,300})?(?<!\/)>/g;

/**
 * Values in text, given away by the name before them: `password=…`, `"ssn": "…"`, `Authorization: Bearer …`,
 * `--token …`, `<pin>…</pin>`; and JSON that was cut, so that nobody can parse it.
 */
export class NamedValues {
  readonly #names: NameRules;

  constructor(names: NameRules) {
    this.#names = names;
  }

  find(text: string, hits: Hit[]): void {
    const names = this.#names;
    const hit = (start: number, end: number) => {
      if (end > start) hits.push({ start, end });
      return end;
    };
    eachMatch(ASSIGNMENT, text, ({ 0: sign, index }) => {
      const start = index + sign.length;
      if (!this.#isNamed(text, index)) return undefined;
      const end = valueEnd(text, start);
      const typed = endOf(AFTER_TYPE, text, end);
      return hit(start, typed > end ? valueEnd(text, typed) : end);
    });
    for (const { needs, expression } of PAIRS) {
      if (!text.includes(needs)) continue;
      eachMatch(expression, text, ({ 0: said, 1: name, index }) => {
        const start = index + said.length;
        return names.decide(name!).do === 'keep' ? undefined : hit(start, valueEnd(text, start));
      });
    }
    if (!text.includes('<')) return;
    eachMatch(ELEMENT, text, ({ 0: tag, 1: name, index }) => {
      const start = index + tag.length;
      return names.decide(name!).do === 'keep' ? undefined : hit(start, elementEnd(text, start, name!));
    });
  }

  /** Whether what ends here names a secret or a person. */
  #isNamed(text: string, end: number): boolean {
    const quoted = /["'\]\s]/.test(text.charAt(end - 1)) ? groupBefore(QUOTED, text, end) : undefined;
    if (quoted !== undefined) return this.#names.decide(quoted).do !== 'keep';
    const words = groupBefore(WORDS, text, end);
    return words !== undefined && this.#names.decideInText(words).do !== 'keep';
  }
}

function groupBefore(expression: RegExp, text: string, end: number): string | undefined {
  expression.lastIndex = end;
  return expression.exec(text)?.[1];
}

const OPENING =
  /"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?|`[^`]*`?|“[^”]*”?|[|>][-+]?[ \t]*\n[^\n]*|(?:bearer|basic|digest|token|api-?key|negotiate)\s+|\d(?:[ -]?\d)+/isy;
const PLAIN = /[^\s"',;&)}\]]+/y;

/** A value is in brackets, in quotes, of digits in groups, a line of YAML, or what comes before the next delimiter. */
function valueEnd(text: string, start: number): number {
  const opened = /[[{]/.test(text.charAt(start)) ? bracketEnd(text, start) : endOf(OPENING, text, start);
  return endOf(PLAIN, text, opened);
}

/** Behind the bracket that closes the one at `start`; the end, where the text was cut before it. */
function bracketEnd(text: string, start: number): number {
  const token = /"(?:[^"\\]|\\.)*"?|[[\]{}]/gs;
  token.lastIndex = start;
  let depth = 0;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (/[[{]/.test(found[0].charAt(0))) depth += 1;
    else if (/[\]}]/.test(found[0].charAt(0))) depth -= 1;
    if (depth === 0) return token.lastIndex;
  }
  return text.length;
}

/** Before the closing tag; where the text was cut before it, as any value. */
function elementEnd(text: string, start: number, name: string): number {
  const closing = text.indexOf(`</${name}`, start);
  return closing < 0 ? valueEnd(text, start) : closing;
}

function endOf(expression: RegExp, text: string, start: number): number {
  expression.lastIndex = start;
  return expression.test(text) ? expression.lastIndex : start;
}
