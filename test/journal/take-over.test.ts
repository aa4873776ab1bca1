import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Journal } from '../../src/journal/journal.ts';
import { FileLock } from '../../src/journal/lock.ts';
import { quarantine, understand } from '../../src/understand.ts';
import { journalChild } from '../support/child.ts';
import { brokenLinks, fileFolder, POLICY, recordOf, unshippedOf, writerIn } from '../support/ledger-kit.ts';
import { toolCalls, toolSpan } from '../support/test-spans.ts';

const folder = fileFolder();
let made = 0;
const newDir = () => join(folder, `journals-${made++}`);

describe('taking a journal over', () => {
  it.each([
    ['app', true],
    ['cli', false],
    ['app-2', false],
    ['ap', false],
    ['', false],
  ])('as %j, of one that was app’s: %j', async (role, taken) => {
    const journals = newDir();
    const first = Journal.takeOver(journals, 'app');
    await first.close();
    const second = Journal.takeOver(journals, role);
    expect(second.dir === first.dir).toBe(taken);
    expect(basename(second.dir)).toMatch(new RegExp(`^${role}-[0-9a-f]{8}$`));
    await second.close();
  });

  it('leaves alone one that another process has, and takes it once that is killed', async () => {
    const journals = newDir();
    const child = journalChild('take', journals, 'app');
    const [theirs] = await child.heard(1);
    const ours = Journal.takeOver(journals, 'app');
    expect(ours.dir).not.toBe(theirs);
    await child.kill();
    const heir = Journal.takeOver(journals, 'app');
    expect(heir.dir).toBe(theirs);
    await heir.close();
    await ours.close();
  });

  it('keeps what it knows: duplicates, quarantine, conversations, the chain before', async () => {
    const journals = newDir();
    const spans = Array.from({ length: 5 }, () => toolSpan({ conversation: 'c1' }));
    const unreadable = quarantine(
      { reason: 'test', detail: 'test', raw: Buffer.from('bytes'), partial: toolSpan() },
      POLICY,
    );
    const batch = [...spans.map((span) => understand(span, POLICY)), unreadable];
    const first = Journal.takeOver(journals, 'app');
    const before = await writerIn(first).append(batch);
    expect(before).toMatchObject({ mapped: 5, duplicates: 0, quarantined: 1 });
    await first.close();

    const second = Journal.takeOver(journals, 'app');
    const writer = writerIn(second);
    expect(await writer.append(batch)).toMatchObject({
      mapped: 5,
      quarantined: 1,
      duplicates: 6,
      records: {},
    });
    expect([...second.quarantined()]).toHaveLength(1);
    await writer.append(toolCalls(1, { conversation: 'c1' }));
    const records = unshippedOf(second);
    expect(brokenLinks(records)).toEqual([]);
    const actions = records.map((record) => recordOf(record).action);
    expect(actions.filter((action) => action === 'conversation_started')).toHaveLength(1);
    const [opened, reopened] = records.filter((record) => recordOf(record).action === 'chain_opened');
    const last = records.filter(({ chainId }) => chainId === opened!.chainId).at(-1)!;
    expect(recordOf(reopened!).control).toMatchObject({
      predecessor: { chain_id: opened!.chainId, size: last.seq + 1, head: last.recordHash },
      unclean: true,
    });
    await second.close();
  });

  it('gives each of several processes that start at once a journal of its own', async () => {
    const journals = newDir();
    for (const role of ['app', 'cli']) await Journal.takeOver(journals, role).close();
    const children = Array.from({ length: 6 }, () => journalChild('take', journals, 'app'));
    const taken = await Promise.all(children.map(async (child) => (await child.heard(1))[0] as string));
    expect(new Set(taken).size).toBe(children.length);
    expect(taken.every((dir) => basename(dir).startsWith('app-') && existsSync(dir))).toBe(true);
    await Promise.all(children.map((child) => child.kill()));
  });

  it('makes another when somebody locks the one it is making', async () => {
    const journals = newDir();
    mkdirSync(journals);
    const thief = journalChild('thief', journals);
    await thief.heard(1);
    const ours: Journal[] = [];
    while (ours.length < 300 && readdirSync(journals).length === ours.length)
      ours.push(Journal.takeOver(journals, `app${ours.length}`));
    expect(readdirSync(journals).length, 'somebody was faster at least once').toBeGreaterThan(ours.length);
    expect(ours.every((journal) => FileLock.take(join(journal.dir, 'lock')) === undefined)).toBe(true);
    await thief.kill();
    for (const journal of ours) await journal.close();
  });
});
