import { endOf } from './hits.ts';

/** Where the value ends that begins here. */

const OPENING =
  /(?:(?:[bfnrul@$]|br|rb|fr|rf|@\$)(?=["']))?(?:"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?)|(?:digest|hawk|oauth|signature|aws4-hmac-sha256)\s{1,4}\w+=(?:"[^"\n]*"|[^\s,"]*)(?:,\s{0,4}\w+=(?:"[^"\n]*"|[^\s,"]*))*|`[^`]*`?|“[^”]*”?|[|>][-+]?[ \t]*\n[^\n]*|(?:bearer|basic|digest|token|api-?key|negotiate)\s+|\d(?:[ -]?\d)+/isy;
/** No value, its type, or a word for where it comes from. */
const NO_VALUE =
  /^(?:["'\\]{2,12}|null|true|false|undefined|none|nil|n\/a|\?|string|str|await|(?:(?:bearer|basic|token)\s+)?<[a-z][a-z _-]{0,40}>?|process\.env\.\w+)$/i;
/** `$TOKEN`, `${TOKEN}`, `${{ secrets.TOKEN }}`, `getToken()` and `os.environ["TOKEN"]`, as far as they were read. */
const REFERENCE =
  /^(?:(?:(?:[Bb]earer|[Bb]asic|[Tt]oken)\s+)?\$(?:[A-Z_]{3,40}|\{{1,2}[\w. ]{0,60}\}{0,2})|[A-Za-z_][A-Za-z_.]*[([])$/;
const PLAIN = /[^\s"',;&)}\]]+/y;

/** A value is in brackets, in quotes, of digits in groups, a line of YAML, or what comes before the next delimiter. */
export function valueEnd(text: string, start: number): number {
  const opened = /[[{]/.test(text.charAt(start)) ? bracketEnd(text, start) : endOf(OPENING, text, start);
  return endOf(PLAIN, text, opened);
}

/** Whether a secret's name is followed by no secret: `token: null`, `password: ${DB_PASSWORD}`. */
export function isNoValue(value: string): boolean {
  const said = value.replace(/\\{1,8}(?=["']?$)/g, '');
  return value.length < 80 && (NO_VALUE.test(said) || REFERENCE.test(said));
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

/** Before the closing tag; where the text was cut before it, as any value. `"<token>"` is no element. */
export function elementEnd(text: string, start: number, closing: number): number {
  if (closing >= 0) return closing;
  return /["'\\]/.test(text.charAt(start)) ? start : valueEnd(text, start);
}

/** Before the next boundary. */
export function multipartEnd(text: string, start: number): number {
  const boundary = text.slice(start).search(/\r?\n--/);
  return boundary < 0 ? text.length : start + boundary;
}

/** Further words of a name in capitals, or one more that is not; what is itself a name of a value is none. */
const MORE_NAMES =
  /(?:,?[ \t]{1,2}(?:(?:van|von|de|der|den|del|della|di|da|dos|bin|ibn|al|el|la|le|ten|ter|zu)[ \t]){0,3}\p{Lu}[\p{L}'.-]{0,63}(?![\w-]*\s?[:=]))+/uy;
const ONE_MORE_NAME = /[ \t]\p{Ll}[\p{L}'-]{1,63}(?![\w-]*\s?[:=])/uy;
/** To the end of the line, or where another value is named. With a number in it, it is no remark. */
const MORE_ADDRESS =
  /(?:(?<=\d[\w/-]{0,8})(?=[ ,])|(?=[^\n]{0,60}\d))(?:(?!\s[\w-]{1,32}\s?[:=])[^\n\r;|"<>{}]){1,200}/y;
const MORE_DATE =
  /(?:[ \t,.-]{1,2}(?:\d{1,4}(?:st|nd|rd|th)?|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})(?!\w)){1,2}/iy;
const MORE_PHONE = /(?:[ ()./-]{0,2}\d){1,14}/y;

/** A phrase is in words. */
export const MORE_WORDS = /(?:[ \t]\p{L}{2,16}(?![\w-]*\s?[:=])){1,24}/uy;

/** In words, unquoted: what is about a person has more than one, and no delimiter behind it. */
export function personEnd(kind: string, text: string, start: number, end: number): number {
  if (/["'`“[{*]/.test(text.charAt(start))) return end;
  switch (kind) {
    case 'patient_name': {
      const more = endOf(MORE_NAMES, text, end);
      return more > end || /\p{Lu}/u.test(text.charAt(start)) ? more : endOf(ONE_MORE_NAME, text, end);
    }
    case 'address':
      return endOf(MORE_ADDRESS, text, end);
    case 'date_of_birth':
      return endOf(MORE_DATE, text, end);
    case 'phone':
      return endOf(MORE_PHONE, text, end);
    default:
      return end;
  }
}
