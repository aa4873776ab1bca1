import { execFileSync } from 'node:child_process';
import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { Journal } from '../../../src/journal/journal.ts';
import { leaveOut } from '../../support/older-store.ts';
import type { Asked, Meddling } from '../../support/served-clickhouse.ts';
import type { Sidecar } from '../../support/sidecar.ts';
import { smallDisk } from '../../support/tmpfs.ts';
import type { Found, Ground } from './ground.ts';

/** What a fault needs of the machine it is tried on. */
export type Need = 'gcc' | 'mount';

/** One line of the matrix. */
export interface Fault {
  fault: string;
  /** When it strikes: before something persists, after it, or between. */
  twin: string;
  store: 'embedded' | 'server';
  needs?: Need;
  /** Of thirty rounds, how many are its own. One that is no matter of rounds has none, and runs once. */
  share?: number;
  /** Strikes while senders send, so many times; what it leaves runs, and is sent to. */
  strike(ground: Ground, rounds: number): Promise<unknown>;
  /** How spans are counted. */
  by?: 'records' | 'views';
  /** Where it is not `valid` without a finding. */
  finds?: Pick<Found, 'status' | 'findings'>;
}

const below = (limit: number) => Math.floor(Math.random() * limit);
const soon = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.random() * ms));

/** In a third of the rounds while it starts, or while it drains; else under load. */
async function killAnyTime(ground: Ground, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const sidecar = ground.start();
    if (below(6) === 0) await soon(800);
    else {
      await ground.aim(sidecar);
      await ground.load.acknowledges(1 + below(100));
      if (below(6) === 0) sidecar.process.kill('SIGTERM');
      await soon(60);
    }
    await sidecar.kill();
  }
  await ground.up();
  await ground.load.acknowledges(20);
}

/** Killed by a shim at a known point: of the first such calls of its life, at any. */
function killAt(what: 'part' | 'sync', when: 'before' | 'after', calls: number): Fault['strike'] {
  return async (ground, rounds) => {
    const shim = compiled('strike-shim', ground);
    for (let round = 0; round < rounds; round++) {
      const env = {
        LD_PRELOAD: shim,
        STRIKE: what,
        STRIKE_AT: String(1 + below(calls)),
        STRIKE_WHEN: when,
      };
      const sidecar = ground.start({ env });
      await ground.aim(sidecar);
      expect(await sidecar.gone).toMatchObject({ signal: 'SIGKILL' });
    }
    await ground.up();
    await ground.load.acknowledges(20);
  };
}

function compiled(shim: string, { folder }: Ground): string {
  const path = join(folder, `${shim}.so`);
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', path, `test/support/${shim}.c`, '-ldl']);
  return path;
}

/** The sidecar is killed while the server has its insert. */
function killAtInsert(how: Meddling): Fault['strike'] {
  return async (ground, rounds) => {
    for (let round = 0; round < rounds; round++) {
      const sidecar = await ground.up();
      await ground.served.strike('insert', async (asked, work) => {
        const reply = await how(asked, work);
        await sidecar.kill();
        return reply;
      });
    }
    await ground.up();
    await ground.load.acknowledges(20);
  };
}

/** A step of the shipping is struck; the sidecar goes on, and recovers by itself. */
function struck(step: Asked['step'], how: (ground: Ground) => Meddling, times = 1): Fault['strike'] {
  return async (ground, rounds) => {
    await ground.up();
    for (let round = 0; round < rounds; round++) {
      await ground.served.strike(step, how(ground), times);
      await ground.load.acknowledges(20);
    }
  };
}

const EXCEPTION = 'Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)';
const fails = { status: 500, text: EXCEPTION } as const;

const cut: Meddling = async () => 'cut';
const cutAfter: Meddling = async (_, work) => {
  await work();
  return 'cut';
};
const error: Meddling = async () => fails;
const errorAfter: Meddling = async (_, work) => {
  await work();
  return fails;
};
const swallow: Meddling = async () => ({ status: 200, text: '' });

/** The rows of an insert that fall into its first partition, and the others. */
function halves({ rows }: Asked): [string, string] {
  const lines = rows.trimEnd().split('\n');
  const classOf = (line: string) => line.split('\t')[2];
  const first = lines.filter((line) => classOf(line) === classOf(lines[0]!));
  const others = lines.filter((line) => classOf(line) !== classOf(lines[0]!));
  return [first, others].map((part) => part.map((line) => `${line}\n`).join('')) as [string, string];
}

const half: Meddling = async (asked, work) => {
  await work(halves(asked)[0]);
  return 'cut';
};

/** The line is cut, and what is left of the insert done once it has been sent again: it was still running. */
function late({ served }: Ground, now: (asked: Asked) => string, rest: (asked: Asked) => string): Meddling {
  return async (asked, work) => {
    if (now(asked) !== '') await work(now(asked));
    void served
      .strike('insert', async (_, again) => {
        const text = await again();
        if (rest(asked) !== '') await work(rest(asked));
        return { status: 200, text };
      })
      .catch(() => undefined);
    return 'cut';
  };
}

/** The last batch confirmed is gone: the server's disk had not kept it. One before it only the verifier would miss. */
async function loseConfirmed(ground: Ground): Promise<void> {
  await ground.up();
  await ground.load.acknowledges(20);
  await ground.load.finish();
  const { chain, first, last } = await ground.confirmed();
  await leaveOut(ground.store, `chain_id = '${chain}' AND seq BETWEEN ${first} AND ${last}`);
  ground.load.start();
  await ground.load.acknowledges(20);
}

async function awayAndBack(ground: Ground, rounds: number): Promise<void> {
  await ground.up();
  for (let round = 0; round < rounds; round++) {
    await ground.load.acknowledges(20);
    await ground.served.leave();
    await ground.load.acknowledges(50);
    await ground.served.listen();
    await ground.load.acknowledges(20);
  }
}

async function awayInAnInsert(ground: Ground, rounds: number): Promise<void> {
  await ground.up();
  for (let round = 0; round < rounds; round++) {
    await ground.served.strike('insert', async (_, work) => {
      await work();
      void ground.served.leave();
      return 'cut';
    });
    await ground.load.acknowledges(50);
    await ground.served.listen();
    await ground.load.acknowledges(20);
  }
}

async function slow(ground: Ground): Promise<void> {
  await ground.up();
  const wait: Meddling = async (_, work) => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    return { status: 200, text: await work() };
  };
  await Promise.all([ground.served.strike('insert', wait, 3), ground.load.acknowledges(200)]);
}

/** Refused with when to come back, by HTTP and by gRPC, until `mend`; then taken again. */
async function refusedUntil(ground: Ground, mend: () => unknown): Promise<void> {
  const { load } = ground;
  const isTold = ({ status, retryAfter }: { status: number; retryAfter: string | null }) =>
    retryAfter !== null && (status === 503 || status === 14);
  await load.until(() => load.refused.some(({ status }) => status === 503));
  await load.until(() => load.refused.some(({ status }) => status === 14));
  expect(load.refused.filter((each) => !isTold(each))).toEqual([]);
  await mend();
  await load.acknowledges(100);
}

const BALLAST = 'ballast';

/** A disk of `size` MiB with two left. */
function nearlyFull(path: string, size: number): () => void {
  smallDisk(path, `size=${size}m`);
  const ballast = join(path, BALLAST);
  writeFileSync(ballast, Buffer.alloc((size - 2) * 1024 * 1024));
  return () => rmSync(ballast);
}

async function journalDiskFull(ground: Ground): Promise<void> {
  const journals = join(ground.dir, 'journal');
  // A deployment with an empty journal: nobody sends yet.
  await ground.start().listening;
  await ground.stopAll();
  rmSync(journals, { recursive: true });
  const free = nearlyFull(journals, 16);
  await ground.up();
  await refusedUntil(ground, free);
}

/** The least that may be set, most of it taken by what is no record and goes with the first that is shipped. */
async function journalLimit(ground: Ground): Promise<void> {
  const sidecar = ground.start();
  await sidecar.listening;
  await sidecar.stop();
  const journal = Journal.takeOver(join(ground.dir, 'journal'), 'serve');
  for (const mebibytes of [16, 16, 16, 15]) {
    const ballast = 'x'.repeat(mebibytes * 1024 ** 2);
    journal.transact((transaction) => transaction.set('state|ballast', ballast));
  }
  await journal.close();
  const settings = `version: 1\nserve:\n  max_journal_bytes: ${64 * 1024 ** 2}\n`;
  writeFileSync(join(ground.dir, 'spanledger.yaml'), settings);
  const limited = ground.start();
  await limited.listening;
  await ground.served.leave();
  await ground.aim(limited);
  await refusedUntil(ground, () => ground.served.listen());
}

/** Also its own start and end, and kills between. */
async function steppingClock(ground: Ground): Promise<void> {
  const preload = resolve('test/support/stepping-clock.mjs');
  const env = { NODE_OPTIONS: `--import ${preload}`, CLOCK_HOURS: '6' };
  for (const end of ['kill', 'stop', 'kill'] as const) {
    const sidecar = await ground.up({ env });
    await ground.load.acknowledges(100);
    await soon(200);
    await sidecar[end]();
  }
  await ground.up();
  await ground.load.acknowledges(20);
}

async function secondOfOneDirectory(ground: Ground): Promise<void> {
  await ground.up();
  await ground.load.acknowledges(20);
  const second = ground.start();
  expect(await second.gone).toMatchObject({ code: 3 });
  expect(second.stderr).toMatch(/is open in another process/);
  await ground.load.acknowledges(20);
}

/** Of one directory or two, each with a journal of its own; a sender takes one or the other, also for what it sends again. */
async function twoOfOneStore(ground: Ground): Promise<void> {
  const both = [await ground.up(), await ground.up()];
  await ground.aim(...both);
  await ground.load.acknowledges(300);
  await both[0]!.kill();
  // It takes the journal over that nobody holds.
  await ground.up();
  await ground.load.acknowledges(20);
}

/** The copy is a crash's image: it may hold what is not shipped. */
async function copied(ground: Ground, before: (sidecar: Sidecar) => Promise<unknown>): Promise<void> {
  const first = await ground.up();
  await ground.load.acknowledges(100);
  await before(first);
  const dir = join(ground.folder, 'copy');
  cpSync(ground.dir, dir, { recursive: true });
  const both = [await ground.up(), await ground.up({ dir })];
  await ground.aim(...both);
  await ground.load.acknowledges(200);
}

/** Its journal is put back as it was when `copy` was taken, of a process that lived or had gone. */
async function restoredJournal(ground: Ground, copy: (sidecar: Sidecar, take: () => void) => Promise<void>) {
  const journals = join(ground.dir, 'journal');
  const kept = join(ground.folder, 'kept');
  const first = await ground.up();
  await ground.load.acknowledges(100);
  await copy(first, () => cpSync(journals, kept, { recursive: true }));
  await ground.load.acknowledges(100);
  await ground.load.finish();
  await ground.stopAll();
  rmSync(journals, { recursive: true });
  renameSync(kept, journals);
  await ground.up();
  ground.load.start();
  await ground.load.acknowledges(50);
}

/** A frozen process: its files as the power's failing would leave them, and it goes on writing after. */
async function frozen({ process }: Sidecar, work: () => void): Promise<void> {
  process.kill('SIGSTOP');
  work();
  process.kill('SIGCONT');
}

/** Its database is put back, and what it had confirmed since is gone. */
async function restoredStore(ground: Ground): Promise<void> {
  const database = join(ground.dir, 'clickhouse');
  const kept = join(ground.folder, 'kept');
  await ground.up();
  await ground.load.acknowledges(100);
  await ground.load.finish();
  await ground.stopAll();
  cpSync(database, kept, { recursive: true, verbatimSymlinks: true });
  await ground.up();
  ground.load.start();
  await ground.load.acknowledges(100);
  await ground.load.finish();
  await ground.stopAll();
  rmSync(database, { recursive: true });
  renameSync(kept, database);
  await ground.up();
  ground.load.start();
  await ground.load.acknowledges(20);
}

/** The journal can no longer write: the process ends by itself, and not well, so that something starts it again. */
function syncFails(faults: (nth: number) => { [name: string]: string }): Fault['strike'] {
  return async (ground, rounds) => {
    const shim = compiled('fdatasync-shim', ground);
    for (let round = 0; round < rounds; round++) {
      const env = { LD_PRELOAD: shim, SHIM_COUNT: join(ground.folder, 'syncs'), ...faults(1 + below(20)) };
      const sidecar = ground.start({ env });
      await ground.aim(sidecar);
      expect(await sidecar.gone).toMatchObject({ code: 3 });
    }
    await ground.up();
    await ground.load.acknowledges(20);
  };
}

const VALID: Fault['finds'] = { status: 'valid', findings: [] };
/** Nothing is lost, and the verifier says that a journal has gone on twice. */
const FORKED: Fault['finds'] = { status: 'tampered', findings: ['fork'] };

export const FAULTS: readonly Fault[] = [
  { fault: 'SIGKILL', twin: 'AtAnyTime', store: 'embedded', share: 8, strike: killAnyTime },
  { fault: 'SIGKILL', twin: 'AtAnyTime', store: 'server', share: 8, strike: killAnyTime },
  {
    fault: "SIGKILL at the journal's sync",
    twin: 'NotPersist',
    store: 'server',
    needs: 'gcc',
    share: 2,
    strike: killAt('sync', 'before', 30),
  },
  {
    fault: "SIGKILL at the journal's sync",
    twin: 'ButPersist',
    store: 'server',
    needs: 'gcc',
    share: 2,
    strike: killAt('sync', 'after', 30),
  },
  {
    fault: 'SIGKILL at a part of an insert',
    twin: 'NotPersist',
    store: 'embedded',
    needs: 'gcc',
    share: 2,
    strike: killAt('part', 'before', 6),
  },
  {
    fault: 'SIGKILL at a part of an insert',
    twin: 'ButPersist',
    store: 'embedded',
    needs: 'gcc',
    share: 2,
    strike: killAt('part', 'after', 6),
  },
  { fault: 'SIGKILL in an insert', twin: 'NotPersist', store: 'server', share: 2, strike: killAtInsert(cut) },
  {
    fault: 'SIGKILL in an insert',
    twin: 'HalfPersist',
    store: 'server',
    share: 2,
    strike: killAtInsert(half),
  },
  {
    fault: 'SIGKILL in an insert',
    twin: 'ButPersist',
    store: 'server',
    share: 2,
    strike: killAtInsert(cutAfter),
  },
  { fault: 'the store is away', twin: 'NotPersist', store: 'server', strike: awayAndBack },
  { fault: 'the store is away', twin: 'ButPersist', store: 'server', strike: awayInAnInsert },
  { fault: 'the store is slow', twin: 'ButPersist', store: 'server', strike: slow },
  { fault: 'an insert is cut', twin: 'NotPersist', store: 'server', strike: struck('insert', () => cut) },
  { fault: 'an insert is cut', twin: 'HalfPersist', store: 'server', strike: struck('insert', () => half) },
  {
    fault: 'an insert is cut',
    twin: 'ButPersist',
    store: 'server',
    strike: struck('insert', () => cutAfter),
  },
  {
    fault: 'an insert is cut, and goes on',
    twin: 'LatePersist',
    store: 'server',
    strike: struck('insert', (ground) =>
      late(
        ground,
        () => '',
        ({ rows }) => rows,
      ),
    ),
  },
  {
    fault: 'an insert is cut, and goes on',
    twin: 'HalfLatePersist',
    store: 'server',
    strike: struck('insert', (ground) =>
      late(
        ground,
        (asked) => halves(asked)[0],
        (asked) => halves(asked)[1],
      ),
    ),
  },
  {
    fault: 'an insert is an error',
    twin: 'NotPersist',
    store: 'server',
    strike: struck('insert', () => error, 3),
  },
  {
    fault: 'an insert is an error',
    twin: 'ButPersist',
    store: 'server',
    strike: struck('insert', () => errorAfter, 3),
  },
  {
    fault: 'the store acknowledges and loses',
    twin: 'NotPersist',
    store: 'server',
    strike: struck('insert', () => swallow),
  },
  {
    fault: 'the store acknowledges and loses',
    twin: 'ButPersist',
    store: 'server',
    strike: loseConfirmed,
  },
  { fault: 'a read-back is cut', twin: 'NotPersist', store: 'server', strike: struck('confirm', () => cut) },
  {
    fault: 'a look is an error',
    twin: 'NotPersist',
    store: 'server',
    strike: struck('look', () => error, 2),
  },
  {
    fault: "the journal's disk is full",
    twin: 'ThenNot',
    store: 'embedded',
    needs: 'mount',
    strike: journalDiskFull,
  },
  { fault: 'the journal is at its limit', twin: 'ThenNot', store: 'server', strike: journalLimit },
  {
    fault: 'the clock steps',
    twin: 'BackAndForth',
    store: 'server',
    strike: steppingClock,
    // A leap of more than a day: a warning.
    finds: { status: 'valid', findings: ['clock_regression'] },
  },
  {
    fault: 'two sidecars of one directory',
    twin: 'Embedded',
    store: 'embedded',
    strike: secondOfOneDirectory,
  },
  {
    fault: 'two sidecars of one store',
    twin: 'RetryToTheOther',
    store: 'server',
    by: 'views',
    strike: twoOfOneStore,
  },
  {
    fault: 'a directory copied, and run twice',
    twin: 'NotPersist',
    store: 'server',
    by: 'views',
    strike: (ground) =>
      copied(ground, async (sidecar) => {
        await ground.served.leave();
        await ground.load.acknowledges(50);
        await sidecar.kill();
        await ground.served.listen();
      }),
    finds: FORKED,
  },
  {
    fault: 'a directory copied, and run twice',
    twin: 'ButPersist',
    store: 'server',
    by: 'views',
    strike: (ground) => copied(ground, (sidecar) => sidecar.stop()),
    finds: FORKED,
  },
  {
    fault: 'an old journal is put back',
    twin: 'OfADeadProcess',
    store: 'server',
    strike: (ground) =>
      restoredJournal(ground, async (sidecar, take) => {
        await sidecar.kill();
        take();
        await ground.up();
      }),
    finds: FORKED,
  },
  {
    fault: 'an old journal is put back',
    twin: 'OfALivingProcess',
    store: 'server',
    strike: (ground) => restoredJournal(ground, frozen),
    finds: FORKED,
  },
  { fault: 'an old database is put back', twin: 'ButInTheJournal', store: 'embedded', strike: restoredStore },
  {
    fault: 'fdatasync fails',
    twin: 'Once',
    store: 'server',
    needs: 'gcc',
    share: 1,
    strike: syncFails((nth) => ({ SHIM_ONLY: String(nth) })),
  },
  {
    fault: 'fdatasync fails',
    // Of a new directory it is the keeper's.
    twin: 'AtFirst',
    store: 'server',
    needs: 'gcc',
    strike: syncFails(() => ({ SHIM_ONLY: '1' })),
  },
  {
    fault: 'fdatasync fails',
    twin: 'ForEver',
    store: 'embedded',
    needs: 'gcc',
    share: 1,
    strike: syncFails((nth) => ({ SHIM_FROM: String(nth) })),
  },
];

/** Strikes, lets everything come to rest without a human, and looks what is in the ledger. */
export async function tried(
  { strike, by, finds = VALID }: Fault,
  ground: Ground,
  rounds: number,
): Promise<Found> {
  ground.load.start();
  await strike(ground, rounds);
  await ground.load.finish();
  await ground.arrived();
  // One that found a fork itself says so as it ends.
  await ground.stopAll(finds === FORKED ? [0, 1] : [0]);
  const found = await ground.found(by);
  const { acknowledged } = found;
  expect(acknowledged).toBeGreaterThan(0);
  expect(found).toEqual({ acknowledged, once: acknowledged, lost: 0, doubled: 0, ...finds });
  return found;
}
