/** What there is in a text to look closer at. Most of what is looked for needs one of these. */
export const NOT_ASCII = 1;
export const DIGIT = 2;
/** May stand between a name and its value. */
export const SIGN = 4;
/** Begins what is escaped: `%`, `&` and the backslash. */
export const ESCAPE = 8;
export const AT = 16;
/** So many letters, digits and signs of base64 in a row as the shortest token has. */
export const LONG_RUN = 32;
const IN_RUN = 64;
/** A word begins as a label of `findLabelled`, */
export const LABEL = 128;
/** as a key of `findIssued`, */
export const ISSUED = 256;
/** as what a pattern needs, */
export const KEYED = 512;
/** or as what stands beside a name of somebody. */
export const TITLE = 1_024;
/** As many digits as a telephone number has, with no more between them than stands in one. */
export const NUMBER = 2_048;
/** As many as a card has. */
export const LONG_NUMBER = 4_096;
/** A word begins as a bank account. */
export const ACCOUNT = 8_192;
const LETTER = 16_384;
const IN_NUMBER = 32_768;

/** Base64 of a social security number is one. */
export const LONG_RUN_LENGTH = 15;
const NUMBER_LENGTH = 9;
const LONG_NUMBER_LENGTH = 12;
const MAX_BETWEEN_DIGITS = 3;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const TRAITS = new Uint16Array(128);
const mark = (signs: string, trait: number) => {
  for (const sign of signs) TRAITS[sign.charCodeAt(0)]! |= trait;
};
mark(`${LETTERS}0123456789+/-_`, IN_RUN);
mark(LETTERS, LETTER);
mark('0123456789', DIGIT);
mark(' .()/-', IN_NUMBER);
mark(':=<-["\'', SIGN);
mark('%&\\', ESCAPE);
mark('@', AT);

/** By how words begin, in either case: of three signs, the lower five bits of each. Others may be alike. */
const WORDS = new Uint16Array(2 ** 15);
const beginning = (a: number, b: number, c: number) => ((a & 31) << 10) | ((b & 31) << 5) | (c & 31);
/** @param beginnings of three signs, or of two where any may follow */
export function markWords(beginnings: string, trait: number): void {
  for (const word of beginnings.split(' ')) {
    const [a, b, c] = [...word].map((sign) => sign.charCodeAt(0)) as [number, number, number?];
    for (let i = c ?? 0; i <= (c ?? 31); i++) WORDS[beginning(a, b, i)]! |= trait;
  }
}

/** Of the word that begins at a place. */
function traitsOfWord(text: string, i: number): number {
  if (i + 1 >= text.length) return 0;
  const last = i + 2 < text.length ? text.charCodeAt(i + 2) : 0;
  return WORDS[beginning(text.charCodeAt(i), text.charCodeAt(i + 1), last)]!;
}

export interface Traits {
  /** Of the whole text. */
  found: number;
  /** Where words begin that have some. */
  words: readonly number[];
}

/** All at once: of clean text, this is most of what redaction costs. */
export function traitsOf(text: string): Traits {
  const words: number[] = [];
  let found = 0;
  let run = 0;
  let digits = 0;
  let between = 0;
  let before = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const traits = code < 128 ? TRAITS[code]! : NOT_ASCII;
    if ((traits & IN_RUN) === 0) run = 0;
    else if (++run === LONG_RUN_LENGTH) found |= LONG_RUN;
    // Most are letters, and most of these stand behind another.
    if (traits & LETTER) {
      if ((before & LETTER) === 0) {
        const word = traitsOfWord(text, i);
        if (word !== 0) {
          found |= word;
          words.push(i);
        }
        digits = 0;
      }
    } else {
      found |= traits;
      if (traits & DIGIT) {
        const word = (before & (LETTER | DIGIT)) === 0 ? traitsOfWord(text, i) : 0;
        if (word !== 0) {
          found |= word;
          words.push(i);
        }
        between = 0;
        digits += 1;
        if (digits === NUMBER_LENGTH) found |= NUMBER;
        else if (digits === LONG_NUMBER_LENGTH) found |= LONG_NUMBER;
      } else if (digits > 0 && ((traits & IN_NUMBER) === 0 || ++between > MAX_BETWEEN_DIGITS)) digits = 0;
    }
    before = traits;
  }
  return { found, words };
}

/** Visits each word that begins as one with a trait, the next one from where the visitor says. */
export function eachWord(
  text: string,
  { found, words }: Traits,
  trait: number,
  visit: (at: number) => number,
): void {
  if ((found & trait) === 0) return;
  let next = 0;
  for (const at of words) if (at >= next && (traitsOfWord(text, at) & trait) !== 0) next = visit(at);
}

/** Whether what stands at a place may be in a token or in base64. */
export function isInRun(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code < 128 && (TRAITS[code]! & IN_RUN) !== 0;
}
