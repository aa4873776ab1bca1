import { base64 } from './kind.ts';

const json = (value: unknown) => JSON.stringify(value);
const percent = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const wrapped = (text: string) => text.replace(/.{76}/g, '$&\n');
const unicode = (text: string) =>
  text.replace(/[^A-Za-z]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
const BEFORE = 'The agent wrote this in its note of the visit ';

/** Where a text may stand. */
export const PLACES: readonly [name: string, place: (text: string) => unknown][] = [
  ['alone', (text) => text],
  ['in a nested object', (text) => ({ a: { b: { note: text } } })],
  ['in a list', (text) => [1, [text, 'x'], true]],
  ['in JSON in a string', (text) => json({ note: text })],
  ['in JSON in JSON in a string', (text) => ({ body: json({ body: json({ note: text }) }) })],
  ['in JSON that was cut', (text) => json({ note: text, rest: 'of it' }).slice(0, -6)],
  [
    'in the query of a URL',
    (text) => `https://api.example.com/v1/search?q=${encodeURIComponent(text)}&lang=en`,
  ],
  ['percent-encoded', percent],
  ['percent-encoded twice', (text) => encodeURIComponent(encodeURIComponent(text))],
  ['in base64', (text) => base64(text)],
  ['in base64 within text', (text) => `it was ${base64(`${BEFORE}${text} again`)} there`],
  ['in base64url', (text) => Buffer.from(text).toString('base64url')],
  [
    'in base64 of 76 columns',
    (text) => wrapped(base64(`${BEFORE}${text} and then went on to the next one of that day`)),
  ],
  [
    'in base64url of 76 columns',
    (text) => wrapped(Buffer.from(`${BEFORE}${text} and then went on to the next`).toString('base64url')),
  ],
  ['behind backslashes', (text) => json(text).slice(1, -1)],
  ['behind more backslashes', (text) => json(json(text).slice(1, -1)).slice(1, -1)],
  ['behind backslashes, each sign', unicode],
  ['as the key of an object', (text) => ({ [text]: 1 })],
  ['in a sentence', (text) => `Please note ${text} for later.`],
];

/** Everything that can be read out of a text: itself, and what it says when it is decoded, again and again. */
export function readings(text: string): string[] {
  const found = new Set([text]);
  for (const each of found) {
    if (found.size > 200) break;
    for (const read of READERS) for (const said of read(each)) if (said !== '') found.add(said);
  }
  return [...found];
}

const READERS: readonly ((text: string) => string[])[] = [
  (text) => [text.normalize('NFKC').replace(/[\p{Mn}\p{Default_Ignorable_Code_Point}]/gu, '')],
  (text) => [
    text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString()),
  ],
  (text) => [
    text.replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
  ],
  (text) => [text.replace(/\\(["\\/])/g, '$1').replace(/\\[nrt]/g, '\n')],
  (text) =>
    (text.replace(/\n/g, '').match(/[\w+/-]{8,}/g) ?? [])
      .map((run) => Buffer.from(run, 'base64').toString())
      .filter((said) => !said.includes('\ufffd')),
];
