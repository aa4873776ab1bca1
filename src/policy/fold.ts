import type { Hit } from './hits.ts';
import { remembered } from './remembered.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them
const NOT_ASCII = /[^\x00-\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const EACH_NOT_ASCII = /[^\x00-\x7f]/gu;

/**
 * The text as it is matched: each character in its plain form (Unicode NFKC), every dash a hyphen, and without
 * what nobody sees, such as zero-width spaces. A full-width digit is a digit.
 */
export function fold(text: string): string {
  return NOT_ASCII.test(text) ? text.replace(EACH_NOT_ASCII, plainCharacter) : text;
}

const plainCharacter = remembered((character) =>
  character
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .replace(/[\p{Dash_Punctuation}\u2212\u2043]/gu, '-'),
);

/** Where the hits in a folded text are in the text itself. */
export function unfold(text: string, hits: readonly Hit[]): Hit[] {
  const starts: number[] = [];
  let next = 0;
  for (const character of text) {
    for (let i = fold(character).length; i > 0; i--) starts.push(next);
    next += character.length;
  }
  return hits.map(({ start, end }) => {
    let after = end;
    while (starts[after] === starts[end - 1]) after += 1;
    return { start: starts[start]!, end: starts[after] ?? text.length };
  });
}
