import { isUtf8 } from 'node:buffer';
import { eachMatch, type Hit, type Part } from './hits.ts';
import { findIssued } from './issued.ts';
import { isInRun, LONG_RUN_LENGTH, type Traits } from './traits.ts';

/** Finds tokens known by their form, and base64 of text that `hasSecret`. */
export function findTokens(
  text: string,
  hits: Hit[],
  traits: Traits,
  hasSecret?: (decoded: string) => boolean,
): void {
  const runs = longRuns(text);
  if (runs.length === 0) return;
  findIssued(text, hits, traits);
  if (hasSecret === undefined) return;
  for (const { start, end } of runs) {
    const run = text.slice(start, end);
    if (HEX_OF_TEXT.test(run)) {
      if (hasSecret(Buffer.from(run, 'hex').toString())) hits.push(encoded(start, end));
      continue;
    }
    // Base64 of text has capitals: identifiers and hexadecimal digests have none, and need no decoding.
    if (!/[A-Z]/.test(run)) continue;
    if (holds(run, hasSecret)) hits.push(encoded(start, end));
    // The signs of base64 are those of paths, too.
    else if (/[/_-]/.test(run))
      eachMatch(/[^/_-]{15,}/g, run, ({ 0: part, index }) => {
        if (holds(part, hasSecret)) hits.push(encoded(start + index, start + index + part.length));
        return undefined;
      });
  }
  if (runs.some(({ start, end }) => end - start >= MIN_LINE)) findWrapped(text, hits, hasSecret);
}

/** Of base64 in lines, each but the last has so many signs or more: usual are 60, 64 and 76. */
const MIN_LINE = 40;
const LINES = /(?<![\w+/-])[\w+/-]{40,}={0,2}(?:\r?\n[ \t]{0,32}[\w+/-]+={0,2})+/g;

/** What lies across the end of a line is only seen when the lines are one. */
function findWrapped(text: string, hits: Hit[], hasSecret: (decoded: string) => boolean): void {
  eachMatch(LINES, text, ({ 0: lines, index }) => {
    if (holds(lines.replace(/\s+/g, ''), hasSecret)) hits.push(encoded(index, index + lines.length));
    return undefined;
  });
}

/** Each byte a sign of ASCII: of a digest, none in a million is. */
const HEX_OF_TEXT = /^(?:[2-7][\da-fA-F]|0[9aAdD]){8,}$/;

function encoded(start: number, end: number): Hit {
  return { start, end, kind: 'secret', rule: 'base64' };
}

/** No text begins with a control character, or within a character of several bytes. */
const BEGINS_AS_TEXT = /^[CDI-Za-fw-z0-9]/;

function holds(base64: string, hasSecret: (decoded: string) => boolean): boolean {
  if (!BEGINS_AS_TEXT.test(base64)) return false;
  const bytes = Buffer.from(base64, 'base64');
  const whole = bytes.subarray(0, wholeCharacters(bytes));
  // UTF-16 of ASCII, as PowerShell encodes its commands, has a zero byte beside each letter.
  return isUtf8(whole) && hasSecret(whole.toString().replaceAll('\0', ''));
}

/** Without the last character where it was cut. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    // So many bytes begins one that is longer than what is left.
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) return bytes.length - back;
    if (byte < 0x80 || byte >= 0xc0) break;
  }
  return bytes.length;
}

/** With the padding of base64. Every long run holds one of the positions looked at, most of a text none. */
function longRuns(text: string): Part[] {
  const runs: Part[] = [];
  for (let i = LONG_RUN_LENGTH - 1; i < text.length; i += LONG_RUN_LENGTH) {
    if (!isInRun(text, i)) continue;
    let start = i;
    while (start > 0 && isInRun(text, start - 1)) start -= 1;
    let end = i + 1;
    while (end < text.length && isInRun(text, end)) end += 1;
    i = end;
    if (end - start < LONG_RUN_LENGTH) continue;
    while (text.charAt(end) === '=' && end < i + 2) end += 1;
    runs.push({ start, end });
  }
  return runs;
}
