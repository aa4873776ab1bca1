import type { AttributeValue } from '../span.ts';

const MAX_DEPTH = 32;
/** Values of one tool's arguments or result: far more than anybody keeps, and soon looked at. */
const MAX_VALUES = 100_000;

/**
 * What a tool was given or answered, as the value of an attribute: as `JSON.stringify` would say it, and never
 * failing. A member that cannot be asked for, or says nothing in JSON, is left out.
 *
 * @returns what was left out for its depth or number, too.
 */
export function attributeFrom(given: unknown): { value: AttributeValue; dropped: number } {
  const above = new Set<object>();
  let values = 0;
  let dropped = 0;

  const read = (value: unknown, depth: number): AttributeValue | undefined => {
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' || typeof value === 'bigint' || value === null) return value;
    if (typeof value !== 'object') return undefined;
    // A sound's samples, an embedding's numbers: a million of them are no million members.
    if (ArrayBuffer.isView(value)) return bytesOf(value);
    values += 1;
    if (depth >= MAX_DEPTH || values > MAX_VALUES || above.has(value)) {
      dropped += 1;
      return null;
    }
    above.add(value);
    try {
      return readObject(value, depth);
    } catch {
      dropped += 1;
      return null;
    } finally {
      above.delete(value);
    }
  };

  const readObject = (value: object, depth: number): AttributeValue => {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') return read(Reflect.apply(toJSON, value, ['']), depth + 1) ?? null;
    if (Array.isArray(value)) return value.map((each) => read(each, depth + 1) ?? null);
    if (value instanceof Set) return [...value].map((each) => read(each, depth + 1) ?? null);
    if (value instanceof Error) return { name: value.name, message: value.message };
    const members = value instanceof Map ? [...value] : Object.keys(value);
    const object = Object.create(null) as { [key: string]: AttributeValue };
    for (const member of members) {
      const [key, each] = Array.isArray(member)
        ? (member as [unknown, unknown])
        : [member, memberOf(value, member as string)];
      const found = read(each, depth + 1);
      if (found !== undefined) object[String(key)] = found;
    }
    return object;
  };

  const memberOf = (value: object, key: string): unknown => {
    try {
      return (value as { [key: string]: unknown })[key];
    } catch {
      dropped += 1;
      return undefined;
    }
  };

  return { value: read(given, 0) ?? null, dropped };
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
