import { appendFileSync, copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectJournal } from '../../src/journal/inspect.ts';
import { fillSegment } from '../ship/trimmed.ts';
import { codeOf, fileFolder, openJournal, recordOf, unshippedOf, writerIn } from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';
import { treeOf } from '../support/tree.ts';

const folder = fileFolder();
let made = 0;
const newDir = () => join(folder, `journal-${made++}`);

/** As it is on disk at this moment, as after SIGKILL. */
function killed(dir: string): string {
  const copy = newDir();
  cpSync(dir, copy, { recursive: true });
  return copy;
}

describe('looking at a journal', () => {
  it('tells what it would tell opened, whatever was shipped, and changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ calls: fc.integer({ min: 0, max: 4 }), ship: fc.integer({ min: 0, max: 6 }) }), {
          maxLength: 6,
        }),
        fc.boolean(),
        async (steps, isKilled) => {
          const dir = newDir();
          const journal = openJournal(dir);
          const writer = writerIn(journal);
          for (const { calls, ship } of steps) {
            writer.commit(toolCalls(calls));
            await writer.flush();
            const end = [...journal.unshipped()].slice(0, ship).at(-1)?.end;
            if (end !== undefined) journal.markShipped(end);
          }
          await journal.flush();
          const waiting = unshippedOf(journal);
          const copy = isKilled ? killed(dir) : dir;
          await journal.close();
          const before = treeOf(copy);
          const found = inspectJournal(copy);
          expect(treeOf(copy)).toEqual(before);
          expect(found.unshipped).toBe(waiting.length);
          // A frame is as old as its first record.
          const oldest = waiting[0] === undefined ? undefined : recordOf(waiting[0]).recorded_at;
          if (oldest === undefined) expect(found.oldestUnshipped).toBeUndefined();
          else expect(found.oldestUnshipped! <= oldest).toBe(true);
          if (waiting.length > 0) expect(found.newest).toBe(recordOf(waiting.at(-1)!).recorded_at);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('knows how far it is shipped where the first segment is trimmed', async () => {
    const dir = newDir();
    const journal = openJournal(dir);
    fillSegment(journal);
    const writer = writerIn(journal);
    for (let i = 0; i < 3; i++) writer.commit(toolCalls(1));
    await writer.flush();
    const ends = [...journal.unshipped()];
    journal.markShipped(ends.at(-2)!.end);
    await journal.tidy();
    expect(readdirSync(join(dir, 'log'))).not.toContain(`${'1'.padStart(16, '0')}.log`);
    await journal.close();
    expect(inspectJournal(dir).unshipped).toBe(1);
  });

  it('passes over a torn end, which nobody was told of', async () => {
    const dir = await filled();
    const { unshipped } = inspectJournal(dir);
    appendFileSync(join(dir, 'log', readdirSync(join(dir, 'log')).at(-1)!), Buffer.alloc(40, 1));
    expect(inspectJournal(dir).unshipped).toBe(unshipped);
  });

  const damages: [what: string, damage: (dir: string) => void][] = [
    ['without its log', (dir) => rmSync(join(dir, 'log', readdirSync(join(dir, 'log'))[0]!))],
    [
      'with a hole between two segments',
      (dir) => {
        const [first] = readdirSync(join(dir, 'log'));
        copyFileSync(join(dir, 'log', first!), join(dir, 'log', '0000000000000900.log'));
      },
    ],
    ['with half a memory', (dir) => truncateSync(join(dir, 'memory', 'data.mdb'), 5_000)],
  ];
  it.each(damages)('%s, it is damaged', async (_, damage) => {
    const dir = await filled();
    damage(dir);
    expect(await codeOf(() => inspectJournal(dir))).toBe('journal_corrupt');
  });

  it('that is only a folder is no journal', () => {
    const dir = newDir();
    mkdirSync(dir);
    expect(() => inspectJournal(dir)).toThrow('ENOENT');
  });
});

async function filled(): Promise<string> {
  const dir = newDir();
  const journal = openJournal(dir);
  const writer = writerIn(journal);
  writer.commit(toolCalls(2));
  await writer.flush();
  await journal.close();
  return dir;
}
