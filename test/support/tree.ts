import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Everything below a folder, by path: modes, and of files the digest of what they hold. */
export function treeOf(folder: string): { [path: string]: string } {
  const tree: { [path: string]: string } = {};
  for (const path of ['.', ...(readdirSync(folder, { recursive: true }) as string[])].sort()) {
    const place = join(folder, path);
    const stat = lstatSync(place);
    const content = stat.isFile() ? hash('sha256', readFileSync(place)) : '';
    tree[path] = `${(stat.mode & 0o7777).toString(8)} ${content}`;
  }
  return tree;
}
