// biome-ignore lint/suspicious/noExplicitAny: what others export has no type here
export type AnyFunction = (this: any, ...args: any[]) => any;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyObject = { [name: string]: any };

/**
 * Puts another function in the place of a method or an export, of the same name and arity. Where there is none, which
 * a version may have moved, it says so.
 *
 * @returns puts the first back. Where somebody has wrapped it in the meantime, ours steps aside and theirs stays.
 */
export function wrapMethod(
  target: AnyObject | undefined,
  name: string,
  wrap: (original: AnyFunction) => AnyFunction,
): () => void {
  const original: unknown = target?.[name];
  if (target === undefined || typeof original !== 'function') {
    process.emitWarning(`there is no ${name} to record the calls of`, {
      type: 'SpanledgerWarning',
      code: 'SPANLEDGER_ADAPTER',
    });
    return () => {};
  }
  const own = Object.getOwnPropertyDescriptor(target, name);
  const ours = alike(original as AnyFunction, wrap(original as AnyFunction));
  let isOn = true;
  const standing = alike(original as AnyFunction, function (this: unknown, ...args: unknown[]): unknown {
    return Reflect.apply(isOn ? ours : (original as AnyFunction), this, args);
  });
  put(target, name, standing, own);
  return () => {
    isOn = false;
    if (target[name] !== standing) return;
    if (own === undefined) delete target[name];
    else put(target, name, original, own);
  };
}

/** A function that looks to its callers like the one it stands for: name, arity, and whatever else it carries. */
export function alike<F extends AnyFunction>(original: AnyFunction, instead: F): F {
  const { prototype: _, ...carried } = Object.getOwnPropertyDescriptors(original) as PropertyDescriptorMap;
  for (const [key, descriptor] of Object.entries(carried)) define(instead, key, descriptor);
  for (const key of Object.getOwnPropertySymbols(original))
    define(instead, key, Object.getOwnPropertyDescriptor(original, key)!);
  return instead;
}

/** An object like another, with some properties of its own: what was given to a framework is not changed. */
export function withProperties<T extends object>(object: T, instead: { [name: string]: unknown }): T {
  const all = Object.getOwnPropertyDescriptors(object) as PropertyDescriptorMap;
  for (const [key, value] of Object.entries(instead))
    all[key] = { value, writable: true, configurable: true, enumerable: all[key]?.enumerable ?? true };
  return Object.create(Object.getPrototypeOf(object) as object | null, all) as T;
}

function put(target: AnyObject, name: string, value: unknown, was: PropertyDescriptor | undefined): void {
  // What the loader gives of an ES module can be set and not defined anew.
  if (was?.configurable === true || (was === undefined && Object.isExtensible(target)))
    try {
      Object.defineProperty(target, name, {
        value,
        writable: true,
        configurable: true,
        enumerable: was?.enumerable ?? false,
      });
      return;
    } catch {
      // then it can be set, or nothing can be done
    }
  target[name] = value;
}

function define(on: object, key: PropertyKey, descriptor: PropertyDescriptor): void {
  try {
    Object.defineProperty(on, key, descriptor);
  } catch {
    // its callers do without
  }
}
