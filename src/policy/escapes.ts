import type { Hit } from './hits.ts';
import { remembered } from './remembered.ts';

const MAY_BE_ESCAPED = /[%\\]|&[#A-Za-z]/;

/** UTF-8 percent-encoded, references of HTML, and what JSON and programs write behind a backslash. */
const ESCAPES = new RegExp(
  [
    '%[0-7][\\da-f]|%[cd][\\da-f]%[89ab][\\da-f]|%e[\\da-f](?:%[89ab][\\da-f]){2}|%f[0-4](?:%[89ab][\\da-f]){3}',
    '&(?:#\\d{1,7}|#x[\\da-f]{1,6}|[a-z]{2,8});',
    '\\\\(?:u[\\da-f]{4}|u\\{[\\da-f]{1,6}\\}|x[\\da-f]{2}|["\'`\\\\/nrtbf])',
  ].join('|'),
  'gi',
);

/** The text with one layer of escapes taken off; the same text where there are none. */
export function unescaped(text: string): string {
  return MAY_BE_ESCAPED.test(text) ? text.replace(ESCAPES, said) : text;
}

/** Where the hits in `unescaped(text)` are in the text itself. */
export function escapedHits(text: string, hits: readonly Hit[]): Hit[] {
  // Of each sign that is read, where what says it begins; and where the text ends.
  const starts: number[] = [];
  let next = 0;
  for (const { 0: written, index } of text.matchAll(ESCAPES)) {
    while (next < index) starts.push(next++);
    for (let i = said(written).length; i > 0; i--) starts.push(index);
    next = index + written.length;
  }
  while (next <= text.length) starts.push(next++);
  return hits.map((hit) => {
    const { start, end } = hit;
    let after = end;
    while (starts[after] === starts[end - 1]) after += 1;
    return { ...hit, start: starts[start]!, end: starts[after] ?? text.length };
  });
}

const said = remembered((written) => {
  if (written.startsWith('%')) return Buffer.from(written.replaceAll('%', ''), 'hex').toString();
  if (written.startsWith('\\')) return behindBackslash(written);
  const name = written.slice(1, -1).toLowerCase();
  if (name.startsWith('#x')) return character(name.slice(2), 16);
  return name.startsWith('#') ? character(name.slice(1), 10) : (ENTITIES[name] ?? written);
});

function behindBackslash(written: string): string {
  const sign = written.charAt(1).toLowerCase();
  if (written.length > 2) return character(written.replace(/[^\da-f]/gi, ''), 16);
  return CONTROLS[sign] ?? sign;
}

function character(digits: string, base: number): string {
  const code = Number.parseInt(digits, base);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '';
}

const CONTROLS: { [sign: string]: string } = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };
const ENTITIES: { [name: string]: string } = {
  amp: '&',
  apos: "'",
  ast: '*',
  bsol: '\\',
  colon: ':',
  comma: ',',
  commat: '@',
  dash: '-',
  equals: '=',
  gt: '>',
  hyphen: '-',
  lbrace: '{',
  lowbar: '_',
  lpar: '(',
  lsqb: '[',
  lt: '<',
  nbsp: ' ',
  newline: '\n',
  num: '#',
  percnt: '%',
  period: '.',
  plus: '+',
  quot: '"',
  rbrace: '}',
  rpar: ')',
  rsqb: ']',
  semi: ';',
  shy: '',
  sol: '/',
  tab: '\t',
  zwj: '',
  zwnj: '',
};
