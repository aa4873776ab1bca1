import { readFileSync } from 'node:fs';

/** This package's version, from the nearest package.json above: the same file from `src` and from `dist`. */
export const VERSION: string = findVersion();

function findVersion(): string {
  for (let folder = new URL('../', import.meta.url); ; folder = new URL('../', folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (name === 'spanledger' && version !== undefined) return version;
    } catch {
      // not in this folder
    }
    if (folder.pathname === '/') return 'unknown';
  }
}
