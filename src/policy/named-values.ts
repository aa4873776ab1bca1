import { eachMatch, endOf, type Hit } from './hits.ts';
import { KEEP, type NameRule, type NameRules } from './names.ts';
import { elementEnd, multipartEnd, personEnd, valueEnd } from './values.ts';

/** `:`, `=`, `:=`, `=>`, `===`; behind two digits alone, it is a time. */
const ASSIGNMENT = /(?<!(?:^|[^\w-]|T)\d\d)[:=]{1,3}>?\s{0,16}\\*/g;
/** What was taken for a value was a type: `token: string = "…"`. */
const AFTER_TYPE = /\s{0,16}=\s{0,16}/y;
/** Before an assignment: all that is between quotes; else a word, with up to three before it. */
const QUOTED = /(?<=["']([^"'\\]{1,100})\\*["']\]?\s{0,16})/y;
const WORDS = /(?<=((?:(?<![\w.-])[A-Za-z]{1,32} ){0,3}[\w.$[\]\u0080-\uffff-]{1,64})["']?\s{0,16})/y;
/** Other ways to say it: a name in the first group, and its value behind the match. */
const PAIRS: readonly { needs: string; expression: RegExp; end?: typeof valueEnd }[] = [
  // --password hunter2
  { needs: '-', expression: /(?:^|[\s"'=])--?([A-Za-z][\w-]{1,63})[ \t]{1,4}(?!-)/g },
  // {"name": "password", "value": "hunter2"} and <add key="password" value="hunter2"/>
  {
    needs: 'alue',
    expression: /["']([^"'\\]{1,64})\\*["']\s{0,4},?\s{0,4}\\*["']?values?\\*["']?\s{0,4}[:=]\s{0,4}\\*/gi,
  },
  // "Authorization", "…" in a flat list of headers
  {
    needs: '",',
    expression:
      /["']\s{0,4},\s{0,4}\\*(?=["'])(?<=["']((?:proxy-)?authorization|(?:set-)?cookie|[\w-]{1,40}-(?:key|token|secret|password|auth))\\*["']\s{0,4},\s{0,4}\\*)/gi,
  },
  // ["x-api-key", "…"]
  { needs: '[', expression: /\[\s{0,4}\\*["']([^"'\\]{1,64})\\*["']\s{0,4},\s{0,4}\\*/g },
  // <birthDate value="1984-02-29"/>
  { needs: '<', expression: /<([A-Za-z][\w:.-]{0,63})\s{1,4}value=/g },
  // <input value="hunter2" name="password">
  {
    needs: '<input',
    expression: /<input\s(?=[^<>]{0,400}?\b(?:name|type|id)=["']?([\w.[\]-]{1,64}))[^<>]{0,400}?\bvalue=/gi,
  },
  // Content-Disposition: form-data; name="password"
  {
    needs: 'form-data',
    expression:
      /form-data;[^\r\n]{0,64}?name="?([^"\r\n;]{1,64})"?[^\r\n]{0,200}(?:\r?\n[^\r\n]{1,200}){0,4}\r?\n\r?\n/gi,
    end: multipartEnd,
  },
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
    const hit = (start: number, end: number, found: NameRule) => {
      if (end > start) hits.push({ start, end, kind: kindOf(found), rule: 'name' });
      return end;
    };
    eachMatch(ASSIGNMENT, text, ({ 0: sign, index }) => {
      const start = index + sign.length;
      const rule = this.#ruleBefore(text, index);
      if (rule.do === 'keep') return undefined;
      const end = valueEnd(text, start);
      const typed = endOf(AFTER_TYPE, text, end);
      if (typed > end) return hit(start, valueEnd(text, typed), rule);
      return hit(start, rule.do === 'pseudonym' ? personEnd(rule.kind, text, start, end) : end, rule);
    });
    for (const { needs, expression, end = valueEnd } of PAIRS) {
      if (!text.includes(needs)) continue;
      eachMatch(expression, text, ({ 0: said, 1: name, index }) => {
        const start = index + said.length;
        const rule = names.decide(name!);
        return rule.do === 'keep' ? undefined : hit(start, end(text, start), rule);
      });
    }
    if (!text.includes('<')) return;
    eachMatch(ELEMENT, text, ({ 0: tag, 1: name, index }) => {
      const start = index + tag.length;
      const rule = names.decide(name!);
      return rule.do === 'keep' ? undefined : hit(start, elementEnd(text, start, name!), rule);
    });
  }

  /** Of what ends here, as the name of a secret or of something about a person. */
  #ruleBefore(text: string, end: number): NameRule {
    const quoted = /["'\]\s]/.test(text.charAt(end - 1)) ? groupBefore(QUOTED, text, end) : undefined;
    if (quoted !== undefined) return this.#names.decide(quoted);
    const words = groupBefore(WORDS, text, end);
    return words === undefined ? KEEP : this.#names.decideInText(words);
  }
}

/** What a value of this name is. */
function kindOf(rule: NameRule): string {
  return rule.do === 'pseudonym' ? rule.kind : 'secret';
}

function groupBefore(expression: RegExp, text: string, end: number): string | undefined {
  expression.lastIndex = end;
  return expression.exec(text)?.[1];
}
