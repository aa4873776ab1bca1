/**
 * One of a kind in a process, whatever copies of this package are loaded in it: an app's, a bundle's, an
 * adapter's of another version. What stands there is used by its shape alone.
 */
export function processWide<T>(name: string, make: () => T): T {
  const key = Symbol.for(`spanledger.${name}`);
  const place = globalThis as { [key: symbol]: T | undefined };
  place[key] ??= make();
  return place[key];
}
