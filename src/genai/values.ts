import type { Attributes, AttributeValue } from '../span.ts';
import { readCutJson } from './cut-json.ts';

/**
 * Reading attribute values as instrumentations really write them: JSON in strings (up to three deep), numbers
 * as decimal strings, lists as JSON text.
 */

const MAX_NESTED_JSON = 3;

/** An attribute as a JSON value. JSON inside strings is parsed, of cut JSON what is whole; other text stays text. */
export function jsonAttribute(attributes: Attributes, key: string): unknown {
  const value = attributes.get(key);
  return value === undefined || value === null ? undefined : unwrapJson(toJson(value));
}

/** Parses JSON objects and lists out of a string, again if the result is such a string. */
export function unwrapJson(value: unknown): unknown {
  let current = value;
  for (let i = 0; i < MAX_NESTED_JSON && typeof current === 'string'; i++) {
    if (!/^\s*[[{"]/.test(current)) return current;
    const text: string = current;
    try {
      current = JSON.parse(text);
    } catch {
      return readCutJson(text) ?? text;
    }
  }
  return current;
}

/** What JSON cannot say becomes text: integers beyond 2^53, NaN and the infinities; bytes become base64. */
export function toJson(value: AttributeValue): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) {
    const object = Object.create(null) as Record<string, unknown>;
    for (const key of Object.keys(value)) object[key] = toJson(value[key]!);
    return object;
  }
  return value;
}

/** Text, or a number or boolean as text; absent when empty. */
export function textAttribute(attributes: Attributes, key: string, ...others: string[]): string | undefined {
  const value = attributes.get(key);
  const text = value === undefined ? undefined : scalarText(value);
  if (text !== undefined || others.length === 0) return text;
  const [next, ...rest] = others;
  return textAttribute(attributes, next!, ...rest);
}

/** Text, or a number or boolean as text; absent when empty, or a list or an object. */
export function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value || undefined;
  const isScalar = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  return isScalar ? String(value) : undefined;
}

/** A count of tokens: a whole number, also as decimal text. */
export function countAttribute(attributes: Attributes, ...keys: string[]): number | undefined {
  for (const key of keys) {
    const count = countOf(attributes.get(key));
    if (count !== undefined) return count;
  }
  return undefined;
}

export function countOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** A list of texts: an array, JSON text of one, or a single text. */
export function listAttribute(attributes: Attributes, key: string): string[] | undefined {
  const value = jsonAttribute(attributes, key);
  if (value === undefined) return undefined;
  const list = (Array.isArray(value) ? value : [value]).filter((each) => typeof each === 'string');
  return list.length > 0 ? list : undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * The members that are not undefined, so that absent fields are absent. (Deleting the others would cost ten times.)
 *
 * @param fields made for this: they are answered themselves where none is absent.
 */
export function present<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  if (isWhole(fields)) return fields as T;
  const kept = {} as T;
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined) kept[key] = value;
  }
  return kept;
}

function isWhole(fields: object): boolean {
  for (const key in fields) if ((fields as { [key: string]: unknown })[key] === undefined) return false;
  return true;
}

/** As `present`, or undefined when nothing is. */
export function presentIfAny<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T | undefined {
  const kept = present<T>(fields);
  for (const _ in kept) return kept;
  return undefined;
}
