/**
 * JSON that an attribute's length limit has cut. What of it came whole is read, so that names in it are known to
 * redaction and ids to the registry; that it was cut, the record says.
 */

const OPENS = /^\s*(?:\{\s*"|\[\s*[[{"])/;
const CLOSER: { [opener: string]: string } = { '{': '}', '[': ']' };

/** Whether a text begins as an object or a list and does not end as one. */
export function isCutJson(text: string): boolean {
  const first = text.charCodeAt(0);
  if (first !== 0x7b && first !== 0x5b && first !== 0x20 && first !== 0x0a) return false;
  const last = text.charCodeAt(text.length - 1);
  if (last === 0x7d || last === 0x5d || !OPENS.test(text.slice(0, 64))) return false;
  return !/[\]}]\s*$/.test(text.slice(-64));
}

/** The members and elements that are whole; undefined when none is, or when the text is no cut JSON. */
export function readCutJson(text: string): unknown {
  if (!OPENS.test(text.slice(0, 64))) return undefined;
  const closers: string[] = [];
  let end = 0;
  let closing = '';
  let inText = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (inText) {
      if (char === '\\') at += 1;
      else if (char === '"') inText = false;
      continue;
    }
    if (char === '"') inText = true;
    else if (char === '{' || char === '[') closers.push(CLOSER[char]!);
    else if (char === '}' || char === ']') {
      if (closers.pop() !== char) return undefined;
      end = at + 1;
      closing = closers.toReversed().join('');
    } else if (char === ',') {
      end = at;
      closing = closers.toReversed().join('');
    }
    if (closers.length > MAX_DEPTH) return undefined;
  }
  if (end === 0) return undefined;
  try {
    return JSON.parse(text.slice(0, end) + closing);
  } catch {
    return undefined;
  }
}

/** Deeper than any record may be. */
const MAX_DEPTH = 64;
