import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HEADER_BYTES } from '../../src/journal/frame.ts';
import { Log, SEGMENT_BYTES } from '../../src/journal/log.ts';
import { codeOf, fileFolder } from '../support/ledger-kit.ts';

const folder = fileFolder();
let made = 0;
const newDir = () => join(folder, `log-${made++}`);

const LARGE = Buffer.alloc(SEGMENT_BYTES, 0x61);
const text = (log: Log, from = 1) => [...log.read(from)].map(({ lsn, body }) => `${lsn} ${body.toString()}`);
const segmentsOf = (dir: string) => readdirSync(dir).sort();

async function logOf(bodies: readonly (string | Buffer)[]): Promise<string> {
  const dir = newDir();
  const log = Log.open(dir);
  for (const body of bodies) log.append(Buffer.from(body));
  await log.close();
  return dir;
}

/** Opens, reads, and closes again. */
async function reopened(dir: string, trusted?: number): Promise<string[]> {
  const log = Log.open(dir, trusted);
  const frames = text(log);
  await log.close();
  return frames;
}

function flip(path: string, at: number, bits = 0x01): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= bits;
  writeFileSync(path, bytes);
}

describe('a log', () => {
  it('numbers frames from 1 and gives them back, from any on', async () => {
    const log = Log.open(newDir());
    expect(text(log)).toEqual([]);
    expect(['one', 'two', 'three'].map((body) => log.append(Buffer.from(body)))).toEqual([1, 2, 3]);
    expect(text(log)).toEqual(['1 one', '2 two', '3 three']);
    expect(text(log, 3)).toEqual(['3 three']);
    expect(text(log, 4)).toEqual([]);
    expect(text(log, 2)).toEqual(['2 two', '3 three']);
    await log.close();
  });

  it('is durable only after a flush', async () => {
    const log = Log.open(newDir());
    log.append(Buffer.from('one'));
    expect([log.committed, log.durable]).toEqual([1, 0]);
    const flushed = log.flush();
    log.append(Buffer.from('two'));
    await flushed;
    expect(log.durable).toBeGreaterThanOrEqual(1);
    await log.flush();
    expect([log.committed, log.durable]).toEqual([2, 2]);
    await log.close();
  });

  it('goes on where it was when opened again', async () => {
    const dir = await logOf(['one', '']);
    const log = Log.open(dir, 2);
    expect([log.committed, log.durable]).toEqual([2, 2]);
    expect(log.append(Buffer.from('three'))).toBe(3);
    await log.close();
    expect(await reopened(dir)).toEqual(['1 one', '2 ', '3 three']);
  });

  it('begins a segment after a large one, and removes only whole ones', async () => {
    const dir = newDir();
    const log = Log.open(dir);
    for (const body of ['1', LARGE, '3', LARGE, '5']) log.append(Buffer.from(body));
    const names = ['0000000000000001.log', '0000000000000003.log', '0000000000000005.log'];
    expect(segmentsOf(dir)).toEqual(names);
    log.trim(1);
    expect(segmentsOf(dir)).toEqual(names);
    log.trim(3);
    expect(segmentsOf(dir)).toEqual(names.slice(1));
    log.trim(5);
    expect(segmentsOf(dir)).toEqual(names.slice(2));
    expect(text(log)).toEqual(['5 5']);
    expect(log.append(Buffer.from('6'))).toBe(6);
    await log.close();
    expect(await reopened(dir, 6)).toEqual(['5 5', '6 6']);
  });

  it('refuses everything once it is closed', async () => {
    const log = Log.open(newDir());
    await log.close();
    expect(await codeOf(() => log.append(Buffer.from('late')))).toBe('journal_broken');
    await log.close();
  });

  it('reads what is appended while it reads, without losing its place', async () => {
    const log = Log.open(newDir());
    for (const body of ['one', 'two', 'three']) log.append(Buffer.from(body));
    const first = log.read(1);
    expect(first.next().value?.lsn).toBe(1);
    log.append(Buffer.from('four'));
    expect(text(log, 2)).toEqual(['2 two', '3 three', '4 four']);
    expect([...first].map(({ lsn }) => lsn).slice(0, 2)).toEqual([2, 3]);
    expect(text(log, 4)).toEqual(['4 four']);
    expect(text(log, 1)).toHaveLength(4);
    await log.close();
  });
});

describe('a torn end', () => {
  const bodies = ['', 'two', 'the third body', 'x'.repeat(60), '5'];
  const ends = bodies.map((_, i) =>
    bodies.slice(0, i + 1).reduce((sum, body) => sum + HEADER_BYTES + body.length, 0),
  );

  it.each([
    ['of the only segment', []],
    ['after a whole segment', [LARGE]],
  ])('%s: the frames before it survive, and nothing else appears', async (_, before) => {
    const whole = await logOf([...before, ...bodies]);
    const last = segmentsOf(whole).at(-1)!;
    const bytes = readFileSync(join(whole, last));
    expect(bytes.length).toBe(ends.at(-1));
    const dir = newDir();
    cpSync(whole, dir, { recursive: true });
    for (let cut = 0; cut <= bytes.length; cut++) {
      writeFileSync(join(dir, last), bytes.subarray(0, cut));
      const left = ends.filter((end) => end <= cut).length;
      const log = Log.open(dir, before.length);
      const survivors = [...log.read(before.length + 1)].map(({ body }) => body.toString());
      expect(survivors, `cut at ${cut}`).toEqual(bodies.slice(0, left));
      expect(log.append(Buffer.from('next'))).toBe(before.length + left + 1);
      expect(text(log, log.committed), `append after a cut at ${cut}`).toEqual([`${log.committed} next`]);
      await log.close();
    }
  });

  it('of garbage, zeros, or a frame of another place is cut off', async () => {
    const dir = await logOf(['one', 'two']);
    const path = join(dir, segmentsOf(dir)[0]!);
    const good = readFileSync(path);
    for (const tail of [Buffer.alloc(5_000), Buffer.alloc(5_000, 0xff), good, good.subarray(0, 19)]) {
      writeFileSync(path, Buffer.concat([good, tail]));
      expect(await reopened(dir, 2)).toEqual(['1 one', '2 two']);
      expect(readFileSync(path)).toEqual(good);
    }
  });
});

describe('damage', () => {
  const small = ['one', 'two', 'three'];

  it('anywhere in what is known to be durable is told, and nothing is cut', async () => {
    const dir = await logOf(small);
    const path = join(dir, segmentsOf(dir)[0]!);
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at++) {
      flip(path, at, 1 << (at % 8));
      const damaged = readFileSync(path);
      expect(await codeOf(() => Log.open(dir, 3)), `byte ${at}`).toBe('journal_corrupt');
      expect(readFileSync(path), `after byte ${at}`).toEqual(damaged);
      writeFileSync(path, good);
    }
    expect(await reopened(dir, 3)).toHaveLength(3);
  });

  it('in a segment before the last is told whatever is trusted', async () => {
    const dir = await logOf(['one', 'two', LARGE, 'four']);
    const path = join(dir, segmentsOf(dir)[0]!);
    for (const at of [0, 4, 8, HEADER_BYTES, HEADER_BYTES + 3, 1_000_000, SEGMENT_BYTES]) {
      flip(path, at);
      expect(await codeOf(() => Log.open(dir)), `byte ${at}`).toBe('journal_corrupt');
      flip(path, at);
    }
    truncateSync(path, SEGMENT_BYTES);
    expect(await codeOf(() => Log.open(dir))).toBe('journal_corrupt');
  });

  it.each([
    ['a missing segment in the middle', '0000000000000002.log', 0],
    ['a missing first segment', '0000000000000001.log', 0],
    ['a missing last segment that was durable', '0000000000000003.log', 3],
  ])('%s', async (_, name, trusted) => {
    const dir = await logOf([LARGE, LARGE, 'three']);
    rmSync(join(dir, name));
    expect(await codeOf(() => Log.open(dir, trusted))).toBe('journal_corrupt');
  });

  it('an empty folder where frames were durable', async () => {
    const dir = newDir();
    expect(await codeOf(() => Log.open(dir, 1))).toBe('journal_corrupt');
    expect(await reopened(dir)).toEqual([]);
  });

  it('of a frame while the log is open does not go unseen', async () => {
    const dir = newDir();
    const log = Log.open(dir);
    for (const body of ['one', LARGE, 'three']) log.append(Buffer.from(body));
    await log.flush();
    flip(join(dir, segmentsOf(dir)[0]!), HEADER_BYTES);
    expect(await codeOf(() => text(log))).toBe('journal_corrupt');
    await log.close();
  });

  it('leaves files of other names alone', async () => {
    const dir = await logOf(small);
    appendFileSync(join(dir, '1.log'), 'not a segment');
    appendFileSync(join(dir, '0000000000000001.log.bak'), 'nor this');
    expect(await reopened(dir, 3)).toHaveLength(3);
    expect(existsSync(join(dir, '1.log'))).toBe(true);
  });
});
