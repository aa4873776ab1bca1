import { SpanledgerError } from '../errors.ts';
import { type Attributes, type AttributeValue, plainObject, type Scope } from '../span.ts';
import { type Item, resourceOf } from './items.ts';
import { Limits, SpanRefused, within } from './limits.ts';

/** What every OTLP/JSON message is made of. */

/** A request, parsed once whatever signals it holds. */
export interface JsonRequest {
  body: JsonObject;
  /** Characters of its text. */
  length: number;
}

/** @throws SpanledgerError `otlp_undecodable` */
export function parseRequest(text: string): JsonRequest {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    // The parser's message quotes the text, which nobody has redacted: only the place is told.
    const at = / at position \d+/.exec((cause as Error).message)?.[0] ?? '';
    throw new SpanledgerError('otlp_undecodable', `not JSON${at}`);
  }
  if (!isObject(body)) throw notOtlp('the body is no object');
  return { body, length: text.length };
}

/** An empty request is one of any signal; another must have the member that holds what is asked for. */
function requireMember(body: JsonObject, member: string): void {
  const names = Object.keys(body);
  if (names.length === 0 || body[member] !== undefined) return;
  const found = names.slice(0, 3).map((n) => `"${n.slice(0, 40)}"`);
  throw notOtlp(`no "${member}", but ${found.join(', ')}`);
}

/** How the members of a request are called, from the outside in. */
interface Layout {
  resources: string;
  scopes: readonly string[];
  items: string;
}

/** The spans or log records of a request, each with what it stands under. */
export function* itemsIn(
  { body, length }: JsonRequest,
  { resources, scopes, items }: Layout,
): Generator<Item<JsonObject>> {
  requireMember(body, resources);
  for (const each of list(body, resources)) {
    const under = resourceOf(() => readResource(each.resource));
    for (const group of scopes.flatMap((name) => list(each, name))) {
      const scope = readScope(group.scope ?? group.instrumentationLibrary);
      for (const json of list(group, items)) {
        // Only in a request that long can one item be too long.
        const tooLong = length > Limits.spanBytes && rawText(json).length > Limits.spanBytes;
        const refused = tooLong ? new SpanRefused('span_too_large', 'it is over the limit') : under.refused;
        yield { encoded: json, scope, resource: under.resource, refused, raw: () => rawText(json) };
      }
    }
  }
}

/** JSON.stringify recurses: an item nested so deep that it cannot be kept takes its request with it. */
function rawText(json: JsonObject): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(json));
  } catch (cause) {
    throw new SpanledgerError('otlp_undecodable', 'not OTLP/JSON: a span is nested too deep', { cause });
  }
}

function readResource(json: unknown): Attributes {
  return isObject(json) ? readAttributes(json.attributes) : new Map();
}

function readScope(json: unknown): Scope {
  return isObject(json) ? { name: text(json.name), version: text(json.version) } : { name: '', version: '' };
}

export function readAttributes(json: unknown, depth = 0): Map<string, AttributeValue> {
  const attributes = new Map<string, AttributeValue>();
  if (!Array.isArray(json)) return attributes;
  within('attributes_too_many', json.length, Limits.attributes);
  for (const pair of json) {
    if (isObject(pair)) attributes.set(text(pair.key), readAnyValue(pair.value, depth));
  }
  return attributes;
}

export function readAnyValue(json: unknown, depth: number): AttributeValue {
  within('value_too_deep', depth, Limits.depth);
  if (!isObject(json)) return null;
  if (json.stringValue !== undefined) return text(json.stringValue);
  if (json.boolValue !== undefined) return json.boolValue === true || json.boolValue === 'true';
  if (json.intValue !== undefined) return integer(json.intValue);
  if (json.doubleValue !== undefined) return numberOf(json.doubleValue);
  if (json.bytesValue !== undefined) return new Uint8Array(Buffer.from(text(json.bytesValue), 'base64'));
  if (isObject(json.arrayValue)) {
    return elements(json.arrayValue.values).map((each) => readAnyValue(each, depth + 1));
  }
  if (isObject(json.kvlistValue)) return plainObject(readAttributes(json.kvlistValue.values, depth + 1));
  return null;
}

export type JsonObject = { [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The objects of a member that must be a list: its absence is an empty list, anything else is not OTLP. */
function list(json: JsonObject, name: string): JsonObject[] {
  const value = json[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every(isObject)) throw notOtlp(`"${name}" is no list of objects`);
  return value;
}

/** The same inside one span, where only the span is refused. */
export function some(json: JsonObject, name: string): JsonObject[] {
  const objects = elements(json[name]).filter(isObject);
  within(`${name}_too_many`, objects.length, Limits.events);
  return objects;
}

function elements(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

export function id(value: unknown): string {
  return text(value).toLowerCase();
}

export function count(value: unknown): number {
  const number = numberOf(value);
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}

/** `Number` of an object runs what the object says; of null and lists it is 0. */
function numberOf(value: unknown): number {
  return typeof value === 'number' || (typeof value === 'string' && value !== '')
    ? Number(value)
    : Number.NaN;
}

function integer(value: unknown): number | bigint {
  const big = decimal(value, 'int_value_invalid');
  return big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big;
}

export function nanoseconds(value: unknown): bigint {
  return BigInt.asUintN(64, decimal(value ?? 0, 'time_invalid'));
}

function decimal(value: unknown, reason: string): bigint {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  // What it is nobody has redacted.
  throw new SpanRefused(reason, `a ${typeof value} of ${text(value).length} characters is no 64-bit integer`);
}

export function enumeration(value: unknown, names: readonly string[]): number {
  if (typeof value === 'string') return Math.max(0, names.indexOf(value));
  return typeof value === 'number' && Number.isInteger(value) ? value : 0;
}

function notOtlp(what: string): SpanledgerError {
  return new SpanledgerError('otlp_undecodable', `not OTLP/JSON: ${what}`);
}
