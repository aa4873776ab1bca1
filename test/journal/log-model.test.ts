import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HEADER_BYTES } from '../../src/journal/frame.ts';
import { Log, SEGMENT_BYTES } from '../../src/journal/log.ts';
import { memoryFolder } from '../support/ledger-kit.ts';

/** What a log should hold: every frame not trimmed, in segments that end once they are large. */
interface Model {
  segments: { first: number; bytes: number }[];
  bodies: Map<number, Buffer>;
  committed: number;
  flushed: number;
}

interface Real {
  dir: string;
  log: Log;
}

type Command = fc.AsyncCommand<Model, Real>;

const LARGE = Buffer.alloc(SEGMENT_BYTES, 0x62);
const command = (name: string, run: (model: Model, real: Real) => Promise<void> | void): Command => ({
  check: () => true,
  run: async (model, real) => run(model, real),
  toString: () => name,
});

function append(model: Model, { log }: Real, body: Buffer): void {
  const lsn = log.append(body);
  expect(lsn).toBe(++model.committed);
  if (model.segments.at(-1)!.bytes >= SEGMENT_BYTES) {
    model.segments.push({ first: lsn, bytes: 0 });
    model.flushed = lsn - 1;
  }
  model.segments.at(-1)!.bytes += HEADER_BYTES + body.length;
  model.bodies.set(lsn, body);
}

/** Reads from `from`, at most `take` frames: a reader may stop early, and the next begins elsewhere. */
function read(model: Model, { log }: Real, from: number, take: number): void {
  const first = Math.max(from, model.segments[0]!.first);
  let expected = first;
  const frames = log.read(from);
  for (let i = 0; i < take; i++) {
    const { done, value } = frames.next();
    if (done === true) {
      expect(expected).toBe(model.committed + 1);
      return;
    }
    expect(value.lsn).toBe(expected);
    expect(value.body.equals(model.bodies.get(expected)!)).toBe(true);
    expected += 1;
  }
}

async function reopen(model: Model, real: Real): Promise<void> {
  await real.log.close();
  real.log = Log.open(real.dir, model.segments[0]!.first - 1);
  model.flushed = model.committed;
}

const smallBody = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
const part = fc.double({ min: 0, max: 1.2, noNaN: true });

const commands: fc.Arbitrary<Command>[] = [
  smallBody.map((body) => command(`append ${body.length}`, (model, real) => append(model, real, body))),
  smallBody.map((body) => command(`append ${body.length}`, (model, real) => append(model, real, body))),
  fc.constant(command('append a segment', (model, real) => append(model, real, LARGE))),
  fc.constant(
    command('flush', async (model, { log }) => {
      await log.flush();
      model.flushed = model.committed;
    }),
  ),
  part.map((at) =>
    command(`trim ${at}`, (model, { log }) => {
      const lsn = Math.floor(at * model.committed);
      log.trim(lsn);
      while (model.segments.length > 1 && model.segments[1]!.first <= lsn + 1) model.segments.shift();
    }),
  ),
  fc
    .tuple(part, fc.integer({ min: 1, max: 30 }))
    .map(([at, take]) =>
      command(`read ${at} ${take}`, (model, real) =>
        read(model, real, Math.floor(at * model.committed), take),
      ),
    ),
  fc.constant(command('reopen', reopen)),
];

// In memory where it can be: what is compared here is what the log says, not what a disk keeps.
const folder = memoryFolder();

it('a log does what its model does, whatever is done in whatever order', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 60 }), async (sequence) => {
      const dir = join(folder, `log-${run++}`);
      const model: Model = {
        segments: [{ first: 1, bytes: 0 }],
        bodies: new Map(),
        committed: 0,
        flushed: 0,
      };
      const real = { dir, log: Log.open(dir) };
      const agree: Command = command('agree', () => {
        expect(real.log.committed).toBe(model.committed);
        expect(real.log.durable).toBe(model.flushed);
        expect(real.log.first).toBe(model.segments[0]!.first);
        expect(real.log.bytes).toBe(model.segments.reduce((sum, { bytes }) => sum + bytes, 0));
      });
      try {
        await fc.asyncModelRun(
          () => ({ model, real }),
          [...sequence].flatMap((each) => [each, agree]),
        );
        read(model, real, 0, Number.POSITIVE_INFINITY);
        await reopen(model, real);
        await agree.run(model, real);
        read(model, real, 0, Number.POSITIVE_INFINITY);
      } finally {
        await real.log.close();
      }
    }),
    { numRuns: 40 },
  );
});
