import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Public test vectors that lie beside a checkout where there are any; too large to be kept in it. */
const PUBLIC_VECTORS = new URL('../../../shared/vectors/', import.meta.url);

/** The path of a public vector, or undefined: such a test is skipped, visibly. */
export function publicVectors(name: string): string | undefined {
  const path = fileURLToPath(new URL(name, PUBLIC_VECTORS));
  return existsSync(path) ? path : undefined;
}

/** A vector of our own, always there. */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8')) as T;
}
