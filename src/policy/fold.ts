import type { Hit } from './hits.ts';
import { remembered } from './remembered.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them
const NOT_ASCII = /[^\x00-\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const EACH_NOT_ASCII = /[^\x00-\x7f]/gu;

/**
 * The text as it is matched: each character in its plain form (Unicode NFKC), every dash a hyphen, any script's
 * digit a digit, and without what nobody sees, such as zero-width spaces, or what only marks a character.
 */
export function fold(text: string): string {
  return NOT_ASCII.test(text) ? text.replace(EACH_NOT_ASCII, plainCharacter) : text;
}

const plainCharacter = remembered((character) =>
  character
    .normalize('NFKC')
    .replace(/[\p{Default_Ignorable_Code_Point}\p{Mn}\p{Me}]/gu, '')
    .replace(/\p{Nd}/gu, plainDigit)
    .replace(/[\p{Dash_Punctuation}\u2212\u2043]/gu, '-'),
);

/** A script's ten digits begin at a code that ends in 0 or, so that the last ends in F, in 6. */
function plainDigit(digit: string): string {
  const code = digit.codePointAt(0)!;
  const begins = /\p{Nd}/u.test(String.fromCodePoint(code | 0xf)) ? 6 : 0;
  return String((code & 0xf) - begins);
}

/** Where the hits in a folded text are in the text itself. */
export function unfold(text: string, hits: readonly Hit[]): Hit[] {
  const starts: number[] = [];
  let next = 0;
  for (const character of text) {
    for (let i = fold(character).length; i > 0; i--) starts.push(next);
    next += character.length;
  }
  return hits.map((hit) => {
    const { start, end } = hit;
    let after = end;
    while (starts[after] === starts[end - 1]) after += 1;
    return { ...hit, start: starts[start]!, end: starts[after] ?? text.length };
  });
}
