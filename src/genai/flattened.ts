import type { Attributes } from '../span.ts';
import { isObject, toJson } from './values.ts';

const MAX_DEPTH = 16;
const NUMBER = /^\d{1,6}$/;

/**
 * Lists and objects that an instrumentation flattened into attribute names: `llm.input_messages.0.message.role`
 * under the prefix `llm.input_messages` becomes `[{message: {role}}]`. Absent when no attribute has the prefix.
 */
export function flattened(attributes: Attributes, prefix: string): unknown {
  const start = `${prefix}.`;
  let root: Record<string, unknown> | undefined;
  for (const [key, value] of attributes) {
    if (!key.startsWith(start)) continue;
    root ??= Object.create(null) as Record<string, unknown>;
    const path = key.slice(start.length).split('.');
    const last = path.pop()!;
    if (path.length > MAX_DEPTH) continue;
    let at = root;
    for (const name of path) {
      if (!isObject(at[name])) at[name] = Object.create(null);
      at = at[name] as Record<string, unknown>;
    }
    at[last] ??= toJson(value);
  }
  return root === undefined ? undefined : withLists(root);
}

/** Objects whose names are all numbers are lists, in the order of the numbers; what is missing between is skipped. */
function withLists(value: unknown): unknown {
  if (!isObject(value)) return value;
  const names = Object.keys(value);
  if (names.every((name) => NUMBER.test(name)))
    return names.sort((a, b) => Number(a) - Number(b)).map((name) => withLists(value[name]));
  for (const name of names) value[name] = withLists(value[name]);
  return value;
}
