import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { open } from 'lmdb';
import { describe, expect, it } from 'vitest';
import { decodeBody, encodeBody } from '../../src/journal/body.ts';
import { HEADER_BYTES } from '../../src/journal/frame.ts';
import { Log } from '../../src/journal/log.ts';
import { Remembered } from '../../src/journal/remembered.ts';
import { codeOf, fileFolder } from '../support/ledger-kit.ts';

const folder = fileFolder();
let made = 0;
const newDir = () => join(folder, `memory-${made++}`);

const DAY = 86_400_000;
const MONTH = 30 * DAY;
const START = Date.UTC(2026, 0, 1);

/** The memory and the log it is the memory of, as a journal holds them. */
class Pair {
  log: Log;
  memory: Remembered;
  readonly dir: string;

  constructor(dir = newDir()) {
    this.dir = dir;
    this.memory = Remembered.open(join(dir, 'memory'));
    this.log = Log.open(join(dir, 'log'), this.memory.applied);
    for (const { lsn, body } of this.log.read(this.memory.applied + 1))
      this.memory.stage(lsn, decodeBody(body).writes);
  }

  set(...writes: [string, unknown][]): void {
    this.memory.stage(this.log.append(encodeBody({ records: [], writes })), writes);
  }

  async apply(now = START): Promise<void> {
    await this.memory.apply(this.log, now);
  }

  /** Sets a key that nobody looks at, so that there is something to apply. */
  async age(now: number): Promise<void> {
    this.set(['state|tick', now]);
    await this.apply(now);
  }

  async close(): Promise<void> {
    await this.log.close();
    await this.memory.close();
  }
}

describe('the memory', () => {
  it('knows what was set at once, and after it was applied, and after it was opened again', async () => {
    let pair = new Pair();
    expect(pair.memory.get('span|a')).toBeUndefined();
    pair.set(['span|a', { digests: ['x'] }], ['state|chain', null]);
    expect(pair.memory.get('span|a')).toEqual({ digests: ['x'] });
    await pair.apply();
    expect(pair.memory.applied).toBe(1);
    expect(pair.memory.get('span|a')).toEqual({ digests: ['x'] });
    await pair.close();
    pair = new Pair(pair.dir);
    expect(pair.memory.applied).toBe(1);
    expect(pair.memory.get('span|a')).toEqual({ digests: ['x'] });
    expect(pair.memory.get('state|chain')).toBeNull();
    await pair.close();
  });

  it('reads frames again that were not applied', async () => {
    let pair = new Pair();
    pair.set(['span|a', 1]);
    await pair.apply();
    pair.set(['span|a', 2], ['span|b', 1]);
    await pair.close();
    pair = new Pair(pair.dir);
    expect(pair.memory.applied).toBe(1);
    expect(pair.memory.get('span|a')).toBe(2);
    expect(pair.memory.get('span|b')).toBe(1);
    await pair.close();
  });

  it('flushes the log before it applies, and never says more than the log', async () => {
    const pair = new Pair();
    pair.set(['span|a', 1]);
    expect(pair.log.durable).toBe(0);
    await pair.apply();
    expect(pair.log.durable).toBe(1);
    await pair.close();
  });

  it('holds what the applied frames said, not what came while they were applied', async () => {
    const pair = new Pair();
    pair.set(['state|chain', 'first']);
    const applied = pair.apply();
    pair.set(['state|chain', 'second']);
    await applied;
    expect(pair.memory.applied).toBe(1);
    expect(pair.memory.get('state|chain')).toBe('second');
    await pair.close();
    const memory = Remembered.open(join(pair.dir, 'memory'));
    expect(memory.get('state|chain')).toBe('first');
    await memory.close();
  });

  it('applies once what several ask for', async () => {
    const pair = new Pair();
    pair.set(['span|a', 1]);
    await Promise.all([pair.apply(), pair.apply(), pair.apply()]);
    expect(pair.memory.applied).toBe(1);
    await pair.close();
  });

  it.each([1, 399, 400, 401, 5_000])('keeps keys of %d characters apart', async (length) => {
    const pair = new Pair();
    const keys = ['a', 'b'].map((end) => `message|${'k'.repeat(length)}${end}`);
    pair.set(...keys.map((key): [string, unknown] => [key, key.at(-1)]));
    await pair.apply();
    await pair.close();
    const memory = Remembered.open(join(pair.dir, 'memory'));
    expect(keys.map((key) => memory.get(key))).toEqual(['a', 'b']);
    expect(memory.get(`message|${'k'.repeat(length)}c`)).toBeUndefined();
    await memory.close();
  });

  it('lists what is in quarantine, applied or not, each once', async () => {
    const pair = new Pair();
    pair.set(['quarantined|a', 1], ['span|quarantined|x', 1]);
    await pair.apply();
    pair.set(['quarantined|b', { reason: 'x' }]);
    pair.set(['quarantined|a', 2]);
    expect([...pair.memory.entries('quarantined')].sort()).toEqual([
      ['quarantined|a', 2],
      ['quarantined|b', { reason: 'x' }],
    ]);
    await pair.close();
  });

  it('lists what is in quarantine of both generations, the newest word of each', async () => {
    const pair = new Pair();
    pair.set(['quarantined|old', 1], ['quarantined|again', 1]);
    await pair.apply(START);
    pair.set(['quarantined|again', 2], ['quarantined|new', 2]);
    await pair.apply(START + 91 * DAY);
    expect([...pair.memory.entries('quarantined')].sort()).toEqual([
      ['quarantined|again', 2],
      ['quarantined|new', 2],
      ['quarantined|old', 1],
    ]);
    await pair.age(START + 182 * DAY);
    expect([...pair.memory.entries('quarantined')].sort()).toEqual([
      ['quarantined|again', 2],
      ['quarantined|new', 2],
    ]);
    await pair.close();
  });

  it('keeps 100,000 in quarantine and no more: the oldest go first, also of one flood', async () => {
    let pair = new Pair();
    const flood = async (from: number, to: number, now: number) => {
      for (let i = from; i < to; i += 1_000)
        pair.set(...Array.from({ length: 1_000 }, (_, j): [string, unknown] => [`quarantined|${i + j}`, 1]));
      await pair.apply(now);
    };
    await flood(0, 130_000, START);
    expect([...pair.memory.entries('quarantined')].length).toBeLessThanOrEqual(100_000);
    await flood(130_000, 150_000, START + 1);
    await pair.close();
    pair = new Pair(pair.dir);
    expect([...pair.memory.entries('quarantined')].length).toBeLessThanOrEqual(100_000);
    expect([...pair.memory.entries('quarantined')].length).toBeGreaterThanOrEqual(50_000);
    expect(pair.memory.get('quarantined|149999')).toBe(1);
    expect(pair.memory.get('quarantined|100000')).toBe(1);
    expect(pair.memory.get('quarantined|0')).toBeUndefined();
    await pair.close();
  });

  // LMDB itself would end the process.
  it.each([
    ['of another kind', Buffer.alloc(65_536, 0x41)],
    ['of zeros', Buffer.alloc(65_536)],
    ['cut short', Buffer.alloc(20)],
  ])('refuses a file %s', async (_, content) => {
    const dir = newDir();
    mkdirSync(dir);
    writeFileSync(join(dir, 'data.mdb'), content);
    expect(await codeOf(() => Remembered.open(dir))).toBe('journal_corrupt');
  });
});

describe('a file that is cut short', () => {
  async function filled(): Promise<string> {
    const pair = new Pair();
    pair.set(
      ...Array.from({ length: 3_000 }, (_, i): [string, unknown] => [`span|${i}`, 'x'.repeat(i % 700)]),
    );
    pair.set(['quarantined|large', 'x'.repeat(30_000)]);
    await pair.apply();
    await pair.close();
    return join(pair.dir, 'memory');
  }

  // LMDB would end the process with SIGBUS, or spin.
  it('is refused wherever it is cut, before LMDB sees it', async () => {
    const dir = await filled();
    const path = join(dir, 'data.mdb');
    const whole = readFileSync(path);
    for (const bytes of [8_191, 8_192, 8_193, 12_288, 16_384, whole.length >> 1, whole.length - 4_096]) {
      writeFileSync(path, whole.subarray(0, bytes));
      expect(await codeOf(() => Remembered.open(dir)), `${bytes} of ${whole.length}`).toBe('journal_corrupt');
      expect(statSync(path).size, 'it is left as it is').toBe(bytes);
    }
    writeFileSync(path, whole);
    const memory = Remembered.open(dir);
    expect(memory.get('span|2999')).toBe('x'.repeat(199));
    await memory.close();
  });

  // LMDB does not write pages that were freed in the transaction which added them.
  it('by free pages alone, which were never written, is whole', async () => {
    const dir = await filled();
    const path = join(dir, 'data.mdb');
    const env = open({ path: dir, noSubdir: false, maxDbs: 2, encoding: 'json', overlappingSync: false });
    const keys = env.openDB({ name: 'memory', encoding: 'json' });
    await keys.transaction(() => {
      for (let i = 0; i < 50; i++) void keys.put(`span|00000000|passing ${i}`, 'x'.repeat(40_000));
      for (let i = 0; i < 50; i++) void keys.remove(`span|00000000|passing ${i}`);
    });
    await env.close();
    const bytes = readFileSync(path);
    const last = [0, 4_096].map((page) => Number(bytes.readBigUInt64LE(page + 144)));
    expect(bytes.length).toBeLessThan((Math.max(...last) + 1) * 4_096);
    const memory = Remembered.open(dir);
    expect(memory.get('span|2999')).toBe('x'.repeat(199));
    expect(memory.get('quarantined|large')).toBe('x'.repeat(30_000));
    await memory.close();
    writeFileSync(path, bytes.subarray(0, bytes.length - 4_096));
    expect(await codeOf(() => Remembered.open(dir))).toBe('journal_corrupt');
  });
});

describe('forgetting', () => {
  // Each space, its window, and whether two windows later it is gone.
  const spaces: [space: string, window: number][] = [
    ['span', DAY],
    ['call', DAY],
    ['conversation', MONTH],
    ['message', MONTH],
    ['quarantined', 90 * DAY],
  ];

  it.each(spaces)('%s: known for its window, gone after two', async (space, window) => {
    const pair = new Pair();
    await pair.age(START);
    pair.set([`${space}|early`, 1]);
    await pair.apply(START + 1);
    pair.set([`${space}|late`, 1]);
    await pair.apply(START + window - 1);
    await pair.age(START + window + 1);
    // The late one is as old as the early one when both are last known.
    await pair.close();
    const again = new Pair(pair.dir);
    expect(again.memory.get(`${space}|late`)).toBe(1);
    await again.age(START + 2 * window + 2);
    expect(again.memory.get(`${space}|early`)).toBeUndefined();
    await again.close();
  });

  it.each(['agent', 'state'])('%s: never, by time', async (space) => {
    const pair = new Pair();
    pair.set([`${space}|a`, 1]);
    for (let year = 0; year < 10; year++) await pair.age(START + year * 365 * DAY);
    expect(pair.memory.get(`${space}|a`)).toBe(1);
    await pair.close();
  });

  it('spares what is still read, also while a generation ends', async () => {
    const pair = new Pair();
    pair.set(['span|used', { turn: 1 }]);
    await pair.apply(START);
    for (let day = 1; day <= 5; day++) {
      expect(pair.memory.get('span|used'), `day ${day}`).toEqual({ turn: 1 });
      pair.set(['span|other', day]);
      const applying = pair.apply(START + day * (DAY + 1));
      expect(pair.memory.get('span|used'), `as day ${day} begins`).toEqual({ turn: 1 });
      await applying;
      expect(pair.memory.get('span|used'), `after day ${day} began`).toEqual({ turn: 1 });
    }
    await pair.close();
    const memory = Remembered.open(join(pair.dir, 'memory'));
    expect(memory.get('span|used')).toEqual({ turn: 1 });
    await memory.close();
  });

  it('takes the newest word of a key that is read and then set again', async () => {
    const pair = new Pair();
    pair.set(['span|a', 'old']);
    await pair.apply(START);
    await pair.age(START + DAY + 1);
    expect(pair.memory.get('span|a')).toBe('old');
    pair.set(['span|a', 'new']);
    expect(pair.memory.get('span|a')).toBe('new');
    await pair.age(START + DAY + 2);
    expect(pair.memory.get('span|a')).toBe('new');
    await pair.age(START + 2 * DAY + 3);
    expect(pair.memory.get('span|a')).toBe('new');
    await pair.close();
  });

  it.each([
    ['an hour back', [-DAY / 24]],
    ['ten years back', [-3_650 * DAY]],
    ['ten years ahead', [3_650 * DAY]],
    ['ten years ahead and back again', [3_650 * DAY, 0]],
    ['back and ahead', [-3_650 * DAY, 0]],
  ])('loses nothing recent when the clock steps %s', async (_, steps) => {
    const pair = new Pair();
    await pair.age(START);
    pair.set(['span|recent', 1]);
    await pair.apply(START + 1);
    for (const step of steps) await pair.age(START + step);
    expect(pair.memory.get('span|recent')).toBe(1);
    await pair.close();
  });
});

describe('a crash', () => {
  const key = fc.constantFrom('span|a', 'span|b', 'state|chain', 'conversation|c');
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ set: fc.array(key, { maxLength: 3 }) }) },
    { weight: 2, arbitrary: fc.constant('flush' as const) },
    { weight: 2, arbitrary: fc.constant('apply' as const) },
    { weight: 1, arbitrary: fc.constant('killed' as const) },
    { weight: 1, arbitrary: fc.constant('power lost' as const) },
  );

  it('leaves the memory as the surviving frames say, whenever and however it comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 30 }), async (actions) => {
        let pair = new Pair();
        let frames: [string, unknown][][] = [];
        let value = 0;
        for (const each of actions) {
          if (typeof each === 'object') {
            const writes = each.set.map((name): [string, unknown] => [name, value++]);
            pair.set(...writes);
            frames.push(writes);
          } else if (each === 'flush') await pair.log.flush();
          else if (each === 'apply') await pair.apply();
          else {
            const survive = each === 'killed' ? frames.length : pair.log.durable;
            frames = frames.slice(0, survive);
            pair = await crashed(pair, survive);
          }
          const expected = new Map(frames.flat());
          for (const name of ['span|a', 'span|b', 'state|chain', 'conversation|c'])
            expect(pair.memory.get(name), `${name} after ${JSON.stringify(each)}`).toBe(expected.get(name));
        }
        await pair.close();
      }),
      { numRuns: 60 },
    );
  });

  /** The files as a crash leaves them: of the log the first frames, of LMDB what it had when it was told. */
  async function crashed(pair: Pair, frames: number): Promise<Pair> {
    const dir = newDir();
    mkdirSync(join(dir, 'memory'), { recursive: true });
    copyFileSync(join(pair.dir, 'memory', 'data.mdb'), join(dir, 'memory', 'data.mdb'));
    const kept = [...pair.log.read(1)].slice(0, frames);
    cpSync(join(pair.dir, 'log'), join(dir, 'log'), { recursive: true });
    const [segment] = readdirSync(join(dir, 'log'));
    truncateSync(
      join(dir, 'log', segment!),
      kept.reduce((sum, { body }) => sum + HEADER_BYTES + body.length, 0),
    );
    await pair.close();
    return new Pair(dir);
  }
});
