import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isInRange } from '../../instrumentation/versions.ts';
import { temporaryFolder } from '../support/cli.ts';

describe('LoadedModules', () => {
  const MODULES = join(process.cwd(), 'dist/instrumentation/modules.js');

  /** An app with packages of its own, in a process: what it prints. */
  function app(code: string, file = 'app.mjs'): unknown {
    const dir = temporaryFolder();
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    };
    for (const [name, version] of [
      ['listed', '1.2.0'],
      ['old', '0.9.0'],
      ['other', '1.0.0'],
    ]) {
      const at = `node_modules/${name}`;
      write(
        `${at}/package.json`,
        JSON.stringify({
          name,
          version,
          exports: {
            '.': { import: './esm/index.mjs', require: './cjs/index.js' },
            './deep': './cjs/deep.js',
          },
        }),
      );
      write(
        `${at}/esm/index.mjs`,
        "export const call = () => 'plain'; export class Tool { run() { return 'plain'; } }",
      );
      write(`${at}/cjs/index.js`, "exports.deep = require('./deep.js'); exports.call = () => 'plain';");
      write(
        `${at}/cjs/deep.js`,
        // As bundlers write it: it can neither be set nor defined anew.
        "const call = () => 'plain'; Object.defineProperty(exports, 'call', { enumerable: true, get: () => call });",
      );
    }
    write(
      'setup.mjs',
      `import { LoadedModules } from ${JSON.stringify(MODULES)};
       const of = (name, file) => ({ package: name, ...(file ? { file } : {}) });
       const modules = new LoadedModules([{
         supports: [{ package: 'listed', versions: '^1.1' }, { package: 'old', versions: '>=1' }],
         modules: [of('listed'), of('listed', 'deep.js'), of('old')],
       }]);
       globalThis.patched = [];
       for (const name of ['listed', 'old', 'other'])
         globalThis['stop_' + name] = modules.onLoad(name, ({ package: p, version, file, format, exports }) => {
           patched.push([p, version, file, format].join(' '));
           const { call } = exports;
           exports.call = () => 'patched';
           return () => { exports.call = call; };
         });
       globalThis.seen = modules.seen;`,
    );
    write(file, code);
    const args = ['--import', './setup.mjs', file];
    return JSON.parse(execFileSync(process.execPath, args, { cwd: dir, encoding: 'utf8' }));
  }

  it('patches what is imported, of the list alone, and undoes it', () => {
    const said =
      app(`import { call } from 'listed'; import { call as other } from 'other'; import { call as old } from 'old';
      const before = call(); stop_listed();
      console.log(JSON.stringify({ before, after: call(), other: other(), old: old(), patched, seen }));`);
    expect(said).toEqual({
      before: 'patched',
      after: 'plain',
      other: 'plain',
      old: 'plain',
      patched: ['listed 1.2.0 esm/index.mjs esm'],
      seen: [
        { package: 'listed', version: '1.2.0', isSupported: true, isEarly: false },
        { package: 'old', version: '0.9.0', isSupported: false, isEarly: false },
      ],
    });
  });

  it('patches what is required, also a file that only the package itself asks for', () => {
    const said = app(
      `const listed = require('listed'); const other = require('other');
       console.log(JSON.stringify({ call: listed.call(), deep: listed.deep.call(), other: other.call(), patched }));`,
      'app.cjs',
    );
    expect(said).toEqual({
      call: 'patched',
      deep: 'patched',
      other: 'plain',
      patched: ['listed 1.2.0 cjs/deep.js commonjs', 'listed 1.2.0 cjs/index.js commonjs'],
    });
  });
});

describe('isInRange', () => {
  it.each([
    ['1.12.3', '^1.12', true],
    ['1.11.9', '^1.12', false],
    ['2.0.0', '^1.12', false],
    ['0.3.5', '^0.3.1', true],
    ['0.4.0', '^0.3.1', false],
    ['5.0.0', '>=5 <8', true],
    ['8.0.0', '>=5 <8', false],
    ['7.0.0-beta.1', '>=5 <8', true],
    ['1.2.9', '~1.2.3', true],
    ['1.3.0', '~1.2.3', false],
    ['2.4.0', '^1 || 2.x', true],
    ['3.0.0', '^1 || 2.x', false],
    ['9.9.9', '*', true],
    ['1.2.3', '1.2.3', true],
    ['1.2.4', '1.2.3', false],
  ])('%s in %s: %s', (version, range, is) => {
    expect(isInRange(version, range)).toBe(is);
  });
});
