import { readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

/** The package a file belongs to. */
export interface PackageOf {
  name: string;
  version: string;
  /** The file's path inside it, with `/`. */
  file: string;
}

const known = new Map<string, { name: string; version: string; dir: string } | undefined>();

/** By the nearest `package.json` above it that has a name and a version. */
export function packageOf(path: string): PackageOf | undefined {
  const found = packageAbove(dirname(path));
  return (
    found && {
      name: found.name,
      version: found.version,
      file: relative(found.dir, path).split(sep).join('/'),
    }
  );
}

/** The copy of a package that code in a folder would get. */
export function installedVersion(name: string, from: string): string | undefined {
  for (let dir = from; ; dir = dirname(dir)) {
    const { version } = read(join(dir, 'node_modules', name, 'package.json')) ?? {};
    if (version !== undefined) return version;
    if (dirname(dir) === dir) return undefined;
  }
}

function packageAbove(dir: string): { name: string; version: string; dir: string } | undefined {
  if (known.has(dir)) return known.get(dir);
  const { name, version } = read(join(dir, 'package.json')) ?? {};
  const found =
    name !== undefined && version !== undefined
      ? { name, version, dir }
      : dirname(dir) === dir
        ? undefined
        : packageAbove(dirname(dir));
  known.set(dir, found);
  return found;
}

function read(path: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  } catch {
    return undefined;
  }
}
