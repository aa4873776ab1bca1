import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createOnce, makeDirectory } from '../../src/config/durable.ts';
import { fileFolder } from '../support/ledger-kit.ts';
import { mountMissing, smallDisk } from '../support/tmpfs.ts';

const folder = fileFolder();
let made = 0;
const newPath = () => join(folder, `path-${made++}`);
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('making a directory', () => {
  it('makes those above it as well, all for their owner', () => {
    const top = newPath();
    const deep = join(top, 'a', 'b', 'c');
    makeDirectory(deep);
    for (const path of [top, join(top, 'a'), join(top, 'a', 'b'), deep]) expect(mode(path)).toBe('700');
    makeDirectory(deep);
  });

  it('leaves one that is there as it is', () => {
    const path = newPath();
    mkdirSync(path, { mode: 0o755 });
    makeDirectory(join(path, 'in'));
    expect([mode(path), mode(join(path, 'in'))]).toEqual(['755', '700']);
  });

  it.skipIf(process.platform !== 'linux')('fails where none can be made, and does not try for ever', () => {
    expect(() => makeDirectory('/proc/spanledger')).toThrow('ENOENT');
    expect(() => makeDirectory('/proc/spanledger/deeper')).toThrow('ENOENT');
  });

  it('fails on a link that leads nowhere, and works through one that leads to a directory', () => {
    const [link, target] = [newPath(), newPath()];
    symlinkSync(target, link);
    expect(() => makeDirectory(link)).toThrow('EEXIST');
    mkdirSync(target);
    makeDirectory(link);
    makeDirectory(join(link, 'in'));
    expect(existsSync(join(target, 'in'))).toBe(true);
  });

  it('works from where one stands', () => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      const name = `relative-${made++}`;
      makeDirectory(join(name, 'in'));
      createOnce(join(name, 'in', 'file'), 'x');
      expect(readFileSync(join(folder, name, 'in', 'file'), 'utf8')).toBe('x');
    } finally {
      process.chdir(before);
    }
  });
});

describe('creating a file once', () => {
  it('writes it whole, for its owner, and no draft is left', () => {
    const path = join(newPath(), 'file');
    createOnce(path, 'content\n');
    expect([readFileSync(path, 'utf8'), mode(path)]).toEqual(['content\n', '600']);
    expect(readdirSync(join(path, '..'))).toEqual(['file']);
  });

  it('never touches one that is there, also an empty one', () => {
    const path = newPath();
    for (const content of ['', 'first']) {
      writeFileSync(path, content);
      createOnce(path, 'second');
      expect(readFileSync(path, 'utf8')).toBe(content);
    }
  });

  it('fails without a trace where it cannot', () => {
    const file = newPath();
    writeFileSync(file, '');
    expect(() => createOnce(join(file, 'in'), 'x')).toThrow('ENOTDIR');
    const taken = newPath();
    mkdirSync(taken);
    createOnce(taken, 'x');
    expect(readdirSync(folder).filter((name) => name.startsWith(`${taken.split('/').at(-1)}.`))).toEqual([]);
    expect(existsSync(taken)).toBe(true);
  });
});

describe.skipIf(mountMissing() !== undefined)('on a full disk', () => {
  it('makes no part of a file, and leaves nothing, however often it is tried', () => {
    const disk = newPath();
    smallDisk(disk, 'size=8k');
    const path = join(disk, 'key');
    for (let i = 0; i < 3; i++) expect(() => createOnce(path, 'x'.repeat(100_000))).toThrow('ENOSPC');
    expect(readdirSync(disk)).toEqual([]);
    createOnce(path, 'short');
    expect(readdirSync(disk)).toEqual(['key']);
  });
});
