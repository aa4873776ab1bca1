import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHILD_COMMAND, Child } from '../support/child.ts';
import { fileFolder } from '../support/ledger-kit.ts';
import { type Call, callsIn, pathOf, straceMissing, syncedBetween, traced } from '../support/strace.ts';

const missing = straceMissing();
const folder = fileFolder();

const isLog = (call: Call) => /\/log\/\d{16}\.log$/.test(pathOf(call));
const isWrite = ({ name }: Call) => /^p?writev?(64)?$/.test(name);
/** What the process itself, not a helper of it, said to whoever asked. */
const answersIn = (calls: readonly Call[]) =>
  calls.filter(
    ({ thread, name, args }) => thread === calls[0]!.thread && name === 'write' && args.startsWith('1<'),
  );
const lastBefore = (calls: readonly Call[], limit: Call) =>
  calls.filter(({ ended }) => ended < limit.began).at(-1);

async function trace(name: string, command: readonly string[]): Promise<{ calls: Call[]; child: Child }> {
  const file = join(folder, `${name}.strace`);
  const child = new Child(traced(file, command));
  child.process.stdin!.end();
  const { code } = await child.gone;
  expect(child.stderr).toBe('');
  expect(code).toBe(0);
  return { calls: callsIn(file), child };
}

describe.skipIf(missing)(
  `what is acknowledged is on the disk${missing ? `: skipped, ${missing}` : ''}`,
  () => {
    it('before every receipt: the log is written, then synced, then answered', async () => {
      const { calls } = await trace('append', [...CHILD_COMMAND, 'append', join(folder, 'append'), '50']);
      const writes = calls.filter((call) => isWrite(call) && isLog(call));
      const answers = answersIn(calls);
      expect(answers).toHaveLength(50);
      for (const answer of answers) {
        const write = lastBefore(writes, answer)!;
        expect(syncedBetween(calls, pathOf(write), write, answer), answer.args).toBe(true);
      }
    });

    it('before `spanledger ingest` answers, and before the store is told', async () => {
      const dir = join(folder, 'ingest');
      const file = join(folder, 'traces.json');
      writeFileSync(file, JSON.stringify(EXPORT));
      const command = [process.execPath, 'dist/src/cli/main.js', 'ingest', file, '--dir', dir, '--json'];
      const { calls, child } = await trace('ingest', command);
      expect(child.said).toMatchObject([{ spans: 1, mapped: 1 }]);
      const logWrites = calls.filter((call) => isWrite(call) && isLog(call));
      const [answer] = answersIn(calls);
      const last = lastBefore(logWrites, answer!)!;
      expect(syncedBetween(calls, pathOf(last), last, answer!)).toBe(true);

      // The first record's bytes in the journal, against the first data part of the table being made.
      const record = logWrites.find(({ args }) => args.includes('{\\"c\\":'))!;
      const insert = calls.find(
        (call) =>
          call.name === 'openat' &&
          call.args.includes('O_CREAT') &&
          /tmp_insert_[^/]*-?\w*\//.test(call.args) &&
          call.began > record.ended,
      )!;
      expect(record).toBeDefined();
      expect(insert).toBeDefined();
      expect(syncedBetween(calls, pathOf(record), record, insert)).toBe(true);
    });

    it('one sync serves all who wait for it', async () => {
      const { calls, child } = await trace('group', [
        ...CHILD_COMMAND,
        'group',
        join(folder, 'group'),
        '100',
      ]);
      expect(child.said).toHaveLength(100);
      const [first] = answersIn(calls);
      const syncs = calls.filter(
        (call) => call.name === 'fdatasync' && isLog(call) && call.ended < first!.began,
      );
      const writes = calls.filter((call) => isWrite(call) && isLog(call) && call.ended < first!.began);
      expect(writes).toHaveLength(100);
      expect(syncs.length).toBeGreaterThanOrEqual(1);
      expect(syncs.length).toBeLessThanOrEqual(2);
      expect(syncedBetween(calls, pathOf(writes.at(-1)!), writes.at(-1)!, first!)).toBe(true);
    });

    it('about a second after its commit, though nobody waits for it', async () => {
      const file = join(folder, 'unasked.strace');
      const command = [...CHILD_COMMAND, 'unasked', join(folder, 'unasked'), '5'];
      const child = new Child(traced(file, command));
      await child.heard(1);
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      child.process.stdin!.end();
      expect(await child.gone).toMatchObject({ code: 0 });
      const calls = callsIn(file);
      const [answer] = answersIn(calls);
      const write = calls.filter((call) => isWrite(call) && isLog(call)).at(-1)!;
      expect(write.ended, 'it was told before').toBeLessThan(answer!.began);
      const syncs = calls.filter(
        (call) => call.name === 'fdatasync' && isLog(call) && call.began > write.ended,
      );
      expect(syncs).toHaveLength(1);
      expect(syncs[0]!.result).toBe(0);
    });

    it('before part of the log is let go of: what it said is in LMDB, and the segment after it begun', async () => {
      const dir = join(folder, 'rotate');
      const { calls } = await trace('rotate', [...CHILD_COMMAND, 'rotate', dir]);
      const unlinks = calls.filter(({ name, args }) => name === 'unlink' && args.includes('.log"'));
      expect(unlinks).toHaveLength(3);
      const [unlink] = unlinks;
      const memory = calls.filter((call) => isWrite(call) && pathOf(call).endsWith('/memory/data.mdb'));
      // LMDB writes its last word, which transaction is whole, through a descriptor that syncs by itself.
      const selfSyncing = calls.filter(({ name, args }) => name === 'openat' && args.includes('O_DSYNC'));
      expect(selfSyncing).toHaveLength(1);
      const bySync = memory.filter(({ args }) => !args.startsWith(`${selfSyncing[0]!.result}<`));
      const lastWrite = lastBefore(bySync, unlink!)!;
      expect(syncedBetween(calls, pathOf(lastWrite), lastWrite, unlink!)).toBe(true);
      // Every frame is durable before LMDB hears of it.
      const writes = calls.filter((call) => isWrite(call) && isLog(call));
      const applied = memory.find(({ began }) => began > writes.at(-1)!.ended)!;
      expect(writes).toHaveLength(4);
      for (const write of writes) expect(syncedBetween(calls, pathOf(write), write, applied)).toBe(true);
    });

    it('so are the names of the files it is in', async () => {
      const dir = join(folder, 'names');
      const { calls } = await trace('names', [...CHILD_COMMAND, 'append', dir, '1']);
      const [answer] = answersIn(calls);
      const journal = join(dir, 'journal', readdirSync(join(dir, 'journal'))[0]!);
      const made = [dir, join(dir, 'journal'), journal, join(journal, 'log'), join(journal, 'memory')];
      for (const parent of [folder, ...made]) {
        const synced = calls.filter(
          (call) => call.name === 'fsync' && pathOf(call) === parent && call.result === 0,
        );
        const created = calls
          .filter(
            ({ name, args, began }) => name === 'openat' && args.includes('O_CREAT') && began < answer!.began,
          )
          .filter(
            (call) =>
              pathIn(call) === parent && !pathOf(call).endsWith('lock') && !pathOf(call).endsWith('lock.mdb'),
          );
        expect(
          synced.some(({ ended }) => ended < answer!.began),
          parent,
        ).toBe(true);
        for (const each of created.filter(
          (call, i) => created.findIndex((c) => pathOf(c) === pathOf(call)) === i,
        ))
          expect(
            synced.some(({ began }) => began > each.ended),
            each.args,
          ).toBe(true);
      }
    });
  },
);

/** The folder of the file that is opened. */
function pathIn({ args }: Call): string {
  return /"([^"]*)\/[^/"]*"/.exec(args)?.[1] ?? '';
}

const EXPORT = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'test' } }] },
      scopeSpans: [
        {
          scope: { name: 'test' },
          spans: [
            {
              traceId: 'a'.repeat(32),
              spanId: 'b'.repeat(16),
              name: 'execute_tool',
              startTimeUnixNano: '1790000000000000000',
              endTimeUnixNano: '1790000000038000000',
              attributes: [
                { key: 'gen_ai.operation.name', value: { stringValue: 'execute_tool' } },
                { key: 'gen_ai.tool.name', value: { stringValue: 'list_files' } },
              ],
            },
          ],
        },
      ],
    },
  ],
};
