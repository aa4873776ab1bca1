/**
 * Canonical JSON (RFC 8785): no white space, members sorted by UTF-16 code units, numbers and escapes as
 * ECMAScript writes them. Strict: what JSON or I-JSON cannot say is refused, not repaired.
 */

/** Nesting beyond this is refused; a record is at most 32 deep. */
const MAX_DEPTH = 32;

export class NotCanonical extends Error {}

/** @throws NotCanonical for undefined, functions, symbols, bigint, NaN, infinities, lone surrogates, holes, exotic objects or too deep values. */
export function canonicalJson(value: unknown, maxDepth = MAX_DEPTH): string {
  const ordered = inOrder(value, maxDepth);
  if (ordered !== REFUSED) {
    const text = JSON.stringify(ordered);
    // A lone surrogate, or words that look like one: the writer below tells them apart.
    if (!text.includes('\\ud')) return text;
  }
  return write(value, maxDepth);
}

/** No value of JSON. */
const REFUSED = Symbol('refused');

/**
 * What `JSON.stringify`, which is quicker than the writer below, writes as RFC 8785 asks: the value itself, or a copy
 * with its members in order; `REFUSED` where only the writer can tell.
 */
function inOrder(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : REFUSED;
    case 'object':
      if (value === null) return value;
      if (depth <= 0) return REFUSED;
      return Array.isArray(value) ? listInOrder(value, depth - 1) : objectInOrder(value, depth - 1);
    default:
      return REFUSED;
  }
}

function listInOrder(list: readonly unknown[], depth: number): unknown {
  let copy: unknown[] | undefined;
  for (let i = 0; i < list.length; i++) {
    const each = inOrder(list[i], depth);
    if (each === REFUSED) return REFUSED;
    if (each !== list[i]) copy ??= list.slice();
    if (copy !== undefined) copy[i] = each;
  }
  return copy ?? list;
}

function objectInOrder(object: object, depth: number): unknown {
  if (!isPlain(object)) return REFUSED;
  const members = object as Record<string, unknown>;
  let before = '';
  // Before anything below is looked at: that is done once, however deep.
  for (const key in members) {
    if (key < before) return sorted(members, depth);
    before = key;
  }
  let copy: Record<string, unknown> | undefined;
  for (const key in members) {
    const each = inOrder(members[key], depth);
    if (each === REFUSED) return REFUSED;
    if (each !== members[key])
      copy ??= Object.assign(Object.create(null) as Record<string, unknown>, members);
    if (copy !== undefined) copy[key] = each;
  }
  return copy ?? object;
}

/** An object tells numbers before all other names, and in an order of their own: these are left to the writer. */
function sorted(members: Record<string, unknown>, depth: number): unknown {
  const copy = Object.create(null) as Record<string, unknown>;
  // biome-ignore lint/suspicious/useArraySortCompare: UTF-16 code units are the order RFC 8785 asks for
  for (const key of Object.keys(members).sort()) {
    const each = NUMBER.test(key) ? REFUSED : inOrder(members[key], depth);
    if (each === REFUSED) return REFUSED;
    copy[key] = each;
  }
  return copy;
}

const NUMBER = /^\d/;

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
  if (!isPlain(object)) throw new NotCanonical('an object that is not plain');
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

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
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
