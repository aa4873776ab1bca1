import { readFileSync } from 'node:fs';

const ROOT = findRoot();

/** This package's version: the same from `src` and from `dist`. */
export const VERSION: string = versionIn(ROOT) ?? 'unknown';

/** A file that is published with the package, as text. */
export function packaged(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** The nearest folder above with our package.json. */
function findRoot(): URL {
  for (let folder = new URL('../', import.meta.url); ; folder = new URL('../', folder))
    if (versionIn(folder) !== undefined || folder.pathname === '/') return folder;
}

function versionIn(folder: URL): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as {
      name?: string;
      version?: string;
    };
    return name === 'spanledger' ? version : undefined;
  } catch {
    return undefined;
  }
}
