/**
 * What a test has another process do, so that it can be killed, traced, or denied a lock. Each line on stdout is
 * one JSON value, written before the next step; it ends when its standard input does.
 *
 *   lock FILE          takes a lock and keeps it: "locked" or "busy"
 *   take DIR ROLE      takes a journal over and keeps it: its folder
 *   deploy DIR         makes a deployment once its input ends: its id and key
 *   thief DIR          locks every journal it sees appear, as soon as it can: "ready"
 *   commit DIR         commits tool spans for ever: each span's id once its commit has returned
 *   append DIR [N]     the same, once its flush has returned; N spans, or for ever; the code of two failures
 *   group DIR N        appends N spans at once, then says them
 *   race DIR GO        closes a segment while a flush that waits for the file GO is running: what came of both
 *   rotate DIR         grows the log over several segments, ships nothing, and lets go of all of it
 *   tidy DIR N         N times: commits a span and tidies; then what tidying, flushing, committing, closing come to
 *   unasked DIR N      commits N spans and asks for nothing: "committed"; ends with its input, and closes nothing
 *   leave DIR          commits a span and goes: which timers keep it running
 *   full DIR           appends until the disk is full: "journal_full", then one more for each line of input
 */
import { readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import { createDeployment } from '../../src/config/deployment.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { Journal } from '../../src/journal/journal.ts';
import { FileLock } from '../../src/journal/lock.ts';
import { SEGMENT_BYTES } from '../../src/journal/log.ts';
import { Writer } from '../../src/pipeline.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import { type AttributeValue, blankSpan } from '../../src/span.ts';
import { type Understood, understand } from '../../src/understand.ts';

const [mode = '', dir = '', argument = ''] = process.argv.slice(2);
const policy = compilePolicy({ id: 'k1', secret: Buffer.alloc(32, 7) });
const LEDGER_ID = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';

// To a pipe, at once: what was said before a SIGKILL has been said.
const say = (value: unknown) => void writeSync(1, `${JSON.stringify(value)}\n`);
const codeOf = (error: unknown) => (isSpanledgerError(error) ? error.code : String(error));

let spans = 0;
function span(): { spanId: string; understood: Understood } {
  const spanId = `${process.pid.toString(16).padStart(8, '0')}${(++spans).toString(16).padStart(8, '0')}`;
  const attributes: { [name: string]: AttributeValue } = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'list_files',
    'gen_ai.tool.call.arguments': `{"path":"/tmp/${'x'.repeat(spans % 700)}"}`,
    'gen_ai.conversation.id': `conversation ${spans % 5}`,
  };
  const base = blankSpan({ name: 'child', version: '1' }, new Map([['service.name', 'child']]));
  const times = {
    startTimeUnixNano: 1_790_000_000_000_000_000n,
    endTimeUnixNano: 1_790_000_000_001_000_000n,
  };
  const traceId = 'a'.repeat(32);
  const full = {
    ...base,
    ...times,
    traceId,
    spanId,
    name: 't',
    attributes: new Map(Object.entries(attributes)),
  };
  return { spanId, understood: understand(full, policy) };
}

const writerIn = (journal: Journal) =>
  new Writer({
    journal,
    policy,
    ledgerId: LEDGER_ID,
    clock: systemClock,
    writer: 'child',
    version: '0',
    origin: 'test.example/ledger',
  });

async function commitForEver(journal: Journal): Promise<void> {
  const writer = writerIn(journal);
  for (;;) {
    const { spanId, understood } = span();
    writer.commit([understood]);
    say(spanId);
    // Now and then memory is written to LMDB, so that a kill falls into that as well.
    if (spans % 40 === 0) await journal.tidy();
  }
}

async function append(journal: Journal, count: number): Promise<void> {
  const writer = writerIn(journal);
  while (spans < count) {
    const { spanId, understood } = span();
    try {
      await writer.append([understood]);
      say(spanId);
    } catch (error) {
      say(codeOf(error));
      await writer.append([span().understood]).catch((again: unknown) => say(codeOf(again)));
      return;
    }
    if (spans % 40 === 0) await journal.tidy();
  }
}

async function appendAtOnce(journal: Journal, count: number): Promise<void> {
  const writer = writerIn(journal);
  const all = Array.from({ length: count }, span);
  try {
    await Promise.all(all.map(({ understood }) => writer.append([understood])));
  } catch (error) {
    return say(codeOf(error));
  }
  for (const { spanId } of all) say(spanId);
}

async function raceWithRotation(journal: Journal, go: string): Promise<void> {
  const large = 'x'.repeat(SEGMENT_BYTES);
  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => 'flushed',
      (error: unknown) => codeOf(error),
    );
  writerIn(journal).commit([span().understood]);
  const first = outcome(journal.flush());
  let rotated = 'rotated';
  try {
    for (let i = 0; i < 2; i++) journal.transact((transaction) => transaction.set('state|large', large));
  } catch (error) {
    rotated = codeOf(error);
  }
  writeFileSync(go, '');
  say({
    first: await first,
    rotated,
    next: await outcome(journal.flush()),
    durable: [...journal.unshipped()].length,
  });
}

async function rotate(journal: Journal): Promise<void> {
  const large = 'x'.repeat(SEGMENT_BYTES);
  for (let i = 0; i < 3; i++) journal.transact((transaction) => transaction.set('state|large', large));
  journal.transact((transaction) => transaction.moveShipped({ lsn: 4, records: 0 }));
  await journal.tidy();
  say('tidied');
}

async function tidyAlways(journal: Journal, count: number): Promise<void> {
  const writer = writerIn(journal);
  const outcome = async (work: () => unknown) => {
    try {
      await work();
      say('done');
    } catch (error) {
      say(codeOf(error));
    }
  };
  const commit = () => writer.commit([span().understood]);
  for (let i = 0; i < count; i++) {
    await outcome(async () => {
      commit();
      await journal.tidy();
    });
  }
  await outcome(() => journal.tidy());
  await outcome(() => journal.flush());
  await outcome(commit);
  await outcome(() => journal.close());
}

async function fillUp(journal: Journal): Promise<void> {
  const writer = writerIn(journal);
  const appendOne = async () => {
    const { spanId, understood } = span();
    await writer.append([understood]);
    say(spanId);
  };
  for await (const _ of forEver()) {
    try {
      await appendOne();
    } catch (error) {
      say(codeOf(error));
      break;
    }
  }
  for await (const _ of createInterface({ input: process.stdin }))
    await appendOne().catch((e) => say(codeOf(e)));
}

/** Looks without a pause, so that it sees a folder between its making and its locking. */
function steal(): never {
  const tried = new Set<string>();
  say('ready');
  for (;;) {
    for (const name of readdirSync(dir)) {
      if (tried.has(name)) continue;
      tried.add(name);
      FileLock.take(join(dir, name, 'lock'));
    }
  }
}

async function* forEver() {
  for (;;) yield;
}

const ended = async () => {
  for await (const _ of process.stdin) {
    // until it ends
  }
};

// A limit on a file's size ends a process that does not listen: with it, the write fails as on a full disk.
process.on('SIGXFSZ', () => {});

switch (mode) {
  case 'lock':
    say(FileLock.take(dir) === undefined ? 'busy' : 'locked');
    await ended();
    break;
  case 'deploy': {
    say('ready');
    await ended();
    const { ledgerId, master } = createDeployment(dir, {});
    const { id, secret } = master.at(-1)!;
    say({ ledgerId, master: `${id} ${Buffer.from(secret).toString('base64url')}` });
    break;
  }
  case 'thief':
    steal();
    break;
  case 'take': {
    const journal = Journal.takeOver(dir, argument);
    say(journal.dir);
    await ended();
    await journal.close();
    break;
  }
  default: {
    const journal = Journal.takeOver(join(dir, 'journal'), 'child');
    if (mode === 'commit') await commitForEver(journal);
    if (mode === 'append')
      await append(journal, argument === '' ? Number.POSITIVE_INFINITY : Number(argument));
    if (mode === 'group') await appendAtOnce(journal, Number(argument));
    if (mode === 'race') await raceWithRotation(journal, argument);
    if (mode === 'rotate') await rotate(journal);
    if (mode === 'tidy') await tidyAlways(journal, Number(argument));
    if (mode === 'full') await fillUp(journal);
    if (mode === 'leave') {
      writerIn(journal).commit([span().understood]);
      // LMDB has one for what it read.
      await new Promise((resolve) => setTimeout(resolve, 100));
      say(process.getActiveResourcesInfo().filter((each) => each === 'Timeout'));
      break;
    }
    if (mode === 'unasked') {
      const writer = writerIn(journal);
      for (let i = 0; i < Number(argument); i++) writer.commit([span().understood]);
      say('committed');
      await ended();
      process.exit();
    }
    await journal.close().catch((error: unknown) => say(codeOf(error)));
  }
}
