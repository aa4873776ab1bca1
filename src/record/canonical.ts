/**
 * Canonical JSON (RFC 8785): no white space, members sorted by UTF-16 code units, numbers and escapes as
 * ECMAScript writes them. Strict: what JSON or I-JSON cannot say is refused, not repaired.
 */

/** Nesting beyond this is refused; a record is at most 32 deep. */
const MAX_DEPTH = 32;

export class NotCanonical extends Error {}

/** @throws NotCanonical for undefined, functions, symbols, bigint, NaN, infinities, lone surrogates, holes, exotic objects or too deep values. */
export function canonicalJson(value: unknown, maxDepth = MAX_DEPTH): string {
  return write(value, maxDepth);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      if (!Number.isFinite(value)) throw new NotCanonical(`the number ${value}`);
      return value === 0 ? '0' : String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth <= 0) throw new NotCanonical('nested too deep');
      return Array.isArray(value) ? writeList(value, depth - 1) : writeObject(value, depth - 1);
    default:
      throw new NotCanonical(`a value of type ${typeof value}`);
  }
}

function writeList(list: unknown[], depth: number): string {
  let text = '[';
  for (let i = 0; i < list.length; i++) {
    if (i > 0) text += ',';
    text += write(list[i], depth);
  }
  return `${text}]`;
}

function writeObject(object: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null)
    throw new NotCanonical('an object that is not plain');
  const members = object as Record<string, unknown>;
  const keys = Object.keys(members);
  // biome-ignore lint/suspicious/useArraySortCompare: UTF-16 code units are the order RFC 8785 asks for
  if (!isSorted(keys)) keys.sort();
  let text = '{';
  for (let i = 0; i < keys.length; i++) {
    if (i > 0) text += ',';
    text += `${quote(keys[i]!)}:${write(members[keys[i]!], depth)}`;
  }
  return `${text}}`;
}

/** JavaScript compares strings by UTF-16 code units, which is the order RFC 8785 asks for. */
function isSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return false;
  return true;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON must escape
const NEEDS_CARE = /["\\\u0000-\u001f\ud800-\udfff]/;

function quote(text: string): string {
  if (!NEEDS_CARE.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new NotCanonical('a lone surrogate');
  // JSON.stringify escapes exactly as RFC 8785 section 3.2.2.2 asks.
  return JSON.stringify(text);
}
