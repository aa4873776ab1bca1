import { eachMatch, endOf, type Hit } from './hits.ts';
import { KEEP, type NameRule, type NameRules } from './names.ts';
import { findInserted } from './sql.ts';
import { elementEnd, isNoValue, MORE_WORDS, multipartEnd, personEnd, valueEnd } from './values.ts';

/** `:`, `=`, `:=`, `=>`, `===`; behind two digits alone, it is a time. */
const ASSIGNMENT = /(?<!(?:^|[^\w-]|T)\d\d)[:=]{1,3}>?\s{0,16}\\*/g;
/** What was taken for a value was a type: `token: string = "…"`. */
const AFTER_TYPE = /\s{0,16}=\s{0,16}/y;
/** Before an assignment: all that is between quotes; else a word, with up to three before it. */
const QUOTED = /(?<=["']([^"'\\]{1,100})\\*["']\]?\s{0,16})/y;
const WORDS = /(?<=((?:(?<![\w.-])[A-Za-z]{1,32} ){0,3}[\w.$[\]\u0080-\uffff-]{1,64})["']?\s{0,16})/y;
/** `passphrase: correct horse` */
const PHRASE = /(?:phrase|mnemonic)s?["']?\s{0,4}$/i;
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
/** <password>hunter2</password> and <property name="password">hunter2</property> */
const ELEMENT = /<([A-Za-z][\w:.-]{0,63})(\s[^<>]{0,300})?(?<!\/)>/g;
const NAME_OF_ELEMENT = /\s(?:name|key|id)\s?=\s?["']([\w.-]{1,64})["']/i;
/** `: {`, behind a name in quotes */
const MEMBER_OBJECT = /:\s{0,4}\{/g;
const NAME_OF_PERSON =
  /["'](?:name|first|last|middle|display_?name|nickname)\\*["']\s{0,4}:\s{0,4}\\*(?=["'])/gi;
/** Of a person's members, so many signs are looked at. */
const MAX_PERSON = 400;

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
      const isHit = end > start && !(found.do === 'redact' && isNoValue(text.slice(start, end)));
      if (isHit) hits.push({ start, end, kind: kindOf(found), rule: 'name' });
      return end;
    };
    eachMatch(ASSIGNMENT, text, ({ 0: sign, index }) => {
      const start = index + sign.length;
      const rule = this.#ruleBefore(text, index);
      if (rule.do === 'keep') return undefined;
      const end = valueEnd(text, start);
      const typed = endOf(AFTER_TYPE, text, end);
      if (typed > end) return hit(start, valueEnd(text, typed), rule);
      if (rule.do === 'redact' && PHRASE.test(text.slice(Math.max(0, index - 16), index)))
        return hit(start, /["'`]/.test(text.charAt(start)) ? end : endOf(MORE_WORDS, text, end), rule);
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
    if (text.includes('(')) findInserted(text, names.decide, hit);
    if (text.includes('{')) this.#findPeople(text, hits);
    if (!text.includes('<')) return;
    // Each is looked for to the end once only.
    const unclosed = new Set<string>();
    eachMatch(ELEMENT, text, ({ 0: tag, 1: name, 2: attributes, index }) => {
      const start = index + tag.length;
      let rule = names.decide(name!);
      const named = rule.do === 'keep' && attributes ? NAME_OF_ELEMENT.exec(attributes)?.[1] : undefined;
      if (named !== undefined) rule = names.decide(named);
      if (rule.do === 'keep') return undefined;
      const closing = unclosed.has(name!) ? -1 : text.indexOf(`</${name}`, start);
      if (closing < 0) unclosed.add(name!);
      return hit(start, elementEnd(text, start, closing), rule);
    });
  }

  /** `"patient":{"id":4,"name":"…"}`, in JSON that nobody can parse. */
  #findPeople(text: string, hits: Hit[]): void {
    eachMatch(MEMBER_OBJECT, text, ({ 0: opening, index }) => {
      const noun = groupBefore(QUOTED, text, index);
      if (noun === undefined || !this.#names.isPerson(noun)) return undefined;
      const start = index + opening.length;
      const members = /^[^{}]*/.exec(text.slice(start, start + MAX_PERSON))![0];
      eachMatch(NAME_OF_PERSON, members, (match) => {
        const at = start + match.index + match[0].length;
        hits.push({ start: at, end: valueEnd(text, at), kind: 'patient_name', rule: 'name' });
        return undefined;
      });
      return undefined;
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
  return rule.do === 'keep' ? 'secret' : rule.kind;
}

function groupBefore(expression: RegExp, text: string, end: number): string | undefined {
  expression.lastIndex = end;
  return expression.exec(text)?.[1];
}
