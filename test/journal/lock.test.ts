import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileLock } from '../../src/journal/lock.ts';
import { journalChild } from '../support/child.ts';
import { fileFolder } from '../support/ledger-kit.ts';

const folder = fileFolder();
let made = 0;
const newPath = () => join(folder, `lock-${made++}`);

describe('a file lock', () => {
  it('excludes another part of the same process, until it is released', () => {
    const path = newPath();
    const lock = FileLock.take(path);
    expect(lock).toBeDefined();
    expect(FileLock.take(path)).toBeUndefined();
    lock!.release();
    const next = FileLock.take(path);
    expect(next).toBeDefined();
    next!.release();
  });

  it('makes its folder, and is for its owner only', () => {
    const path = join(newPath(), 'deeper', 'lock');
    const lock = FileLock.take(path)!;
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    lock.release();
  });

  it('names its holder', () => {
    const path = newPath();
    expect(FileLock.holder(path)).toBeUndefined();
    const lock = FileLock.take(path)!;
    expect(FileLock.holder(path)).toBe(String(process.pid));
    expect(FileLock.take(path)).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    lock.release();
  });

  it('is released once: its descriptor may be another file by the second time', () => {
    const lock = FileLock.take(newPath())!;
    lock.release();
    const other = openSync(newPath(), 'w');
    lock.release();
    expect(() => closeSync(other)).not.toThrow();
  });

  it('is not left behind by a file that was', () => {
    const path = newPath();
    FileLock.take(path)!.release();
    expect(existsSync(path)).toBe(true);
    FileLock.take(path)!.release();
    mkdirSync(`${path}-dir`);
    expect(() => FileLock.take(`${path}-dir`)).toThrow('EISDIR');
    rmSync(path);
  });

  it('can be asked for without being taken, and without a trace', async () => {
    const path = newPath();
    const child = journalChild('lock', path);
    await child.heard(1);
    expect(FileLock.isHeld(path)).toBe(true);
    expect(FileLock.borrow(path)).toBeUndefined();
    expect(FileLock.holder(path)).toBe(String(child.process.pid));
    await child.kill();
    expect(FileLock.isHeld(path)).toBe(false);
    expect(FileLock.holder(path)).toBe(String(child.process.pid));
    FileLock.take(path)!.release();
  });

  it('borrowed, names its holder meanwhile, and then whom it named before', () => {
    const path = newPath();
    expect(() => FileLock.borrow(path)).toThrow('ENOENT');
    writeFileSync(path, '12345678901\n');
    const lock = FileLock.borrow(path)!;
    expect(FileLock.take(path)).toBeUndefined();
    expect(FileLock.isHeld(path)).toBe(true);
    expect(FileLock.holder(path)).toBe(String(process.pid));
    lock.release();
    lock.release();
    expect(readFileSync(path, 'utf8')).toBe('12345678901\n');
    FileLock.take(path)!.release();
  });

  it('excludes other processes, and is free once its holder is killed', async () => {
    const path = newPath();
    const child = journalChild('lock', path);
    expect(await child.heard(1)).toEqual(['locked']);
    expect(FileLock.take(path)).toBeUndefined();
    expect(FileLock.holder(path)).toBe(String(child.process.pid));
    await child.kill();
    const lock = FileLock.take(path)!;
    expect(lock).toBeDefined();
    const second = journalChild('lock', path);
    expect(await second.heard(1)).toEqual(['busy']);
    await second.kill();
    lock.release();
  });
});
