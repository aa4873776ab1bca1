import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createDeployment } from '../../src/config/deployment.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { Journal } from '../../src/journal/journal.ts';
import { AuditSpanProcessor } from '../../src/sdk/processor.ts';
import { Store } from '../../src/store/client.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { fillSegment } from '../ship/trimmed.ts';
import { complaints, documentOf, type Ran, spanledger, temporaryFolder } from '../support/cli.ts';
import { fileFolder } from '../support/ledger-kit.ts';

const TRACES = 'test/golden/captures/vercel_ai-6.0.326/traces-001.json';
const READERS = [
  ['verify'],
  ['timeline', 'x'],
  ['query', 'failures'],
  ['sql', 'SELECT count() FROM spanledger.audit_records'],
];

const run = (dir: string, ...args: string[]) => spanledger([...args, '--dir', dir]);
const json = (dir: string, ...args: string[]) => spanledger([...args, '--dir', dir, '--json']);
const verified = async (dir: string) => documentOf<Verification>(await json(dir, 'verify'));

/** Of one ingest; and the same, of which the journal's log holds nothing but the chain's last record. */
const made = fileFolder();
const [whole, trimmed] = [join(made, 'whole'), join(made, 'trimmed')];

beforeAll(async () => {
  createDeployment(trimmed, {});
  const journal = Journal.takeOver(layoutOf(trimmed).journals, 'cli');
  fillSegment(journal);
  await journal.close();
  for (const dir of [whole, trimmed]) expect((await run(dir, 'ingest', TRACES)).code).toBe(0);
});

function copyOf(ledger: string): string {
  const dir = join(temporaryFolder(), 'ledger');
  cpSync(ledger, dir, { recursive: true });
  return dir;
}

const journalsOf = (dir: string) => readdirSync(layoutOf(dir).journals);

/** Records in the journal's last chain. */
async function sizeOf(dir: string): Promise<number> {
  const journal = Journal.open(join(layoutOf(dir).journals, journalsOf(dir)[0]!))!;
  const { size } = journal.chain!;
  await journal.close();
  return size;
}

/** Damages the only journal, as a disk does. */
function breakJournal(dir: string): string {
  const [name] = journalsOf(dir);
  const folder = join(layoutOf(dir).journals, name!);
  for (const file of readdirSync(join(folder, 'log'))) rmSync(join(folder, 'log', file));
  return name!;
}

/** Takes the database away, as somebody who may write the disk. */
const loseStore = (dir: string) => rmSync(layoutOf(dir).clickhouse, { recursive: true });

async function inDatabase(dir: string, sql: string): Promise<void> {
  const store = await Store.embedded(layoutOf(dir));
  await store.command(sql);
  await store.close();
}

describe('a broken journal', () => {
  it.each(READERS)('does not keep %s from what the store has', async (...args) => {
    const dir = copyOf(whole);
    const healthy = await run(dir, ...args);
    const name = breakJournal(dir);
    const ran = await run(dir, ...args);
    expect(ran.code).toBe(healthy.code);
    const times = (text: string) => text.replace(/in \d+ ms/, '');
    expect(times(ran.stdout)).toBe(times(healthy.stdout));
    expect(ran.stderr).toContain(`Warning: the journal ${name} is left out`);
    expect(ran.stderr).toContain('missing from this answer');
  });

  it('does not keep ingest from recording into one of its own, every time the same', async () => {
    const dir = copyOf(whole);
    const name = breakJournal(dir);
    const before = (await verified(dir)).records_checked;
    for (let i = 0; i < 2; i++) {
      const ran = await run(dir, 'ingest', 'test/golden/captures/vercel_ai-7.0.173/traces-001.json');
      expect(ran.code).toBe(0);
      expect(ran.stderr.match(/Warning: the journal/g)).toHaveLength(1);
      expect(ran.stderr).toContain(name);
    }
    expect(journalsOf(dir)).toHaveLength(2);
    const { status, records_checked } = await verified(dir);
    expect(status).toBe('valid');
    expect(records_checked).toBeGreaterThan(before);
  });

  it('that is a file, or cannot be read, is one too', async () => {
    const dir = copyOf(whole);
    writeFileSync(join(layoutOf(dir).journals, 'app-00000000'), 'no folder');
    mkdirSync(join(layoutOf(dir).journals, 'app-00000001', 'memory'), { recursive: true });
    writeFileSync(join(layoutOf(dir).journals, 'app-00000001', 'memory', 'data.mdb'), 'x'.repeat(10_000));
    const ran = await run(dir, 'verify');
    expect(ran.code).toBe(0);
    for (const name of ['app-00000000', 'app-00000001'])
      expect(ran.stderr).toContain(`the journal ${name} is left out`);
  });
});

describe('a directory that only an app has written in', () => {
  it.each(READERS)('is opened by %s, and what waits there is in its database', async (...args) => {
    const dir = join(temporaryFolder(), 'ledger');
    const processor = new AuditSpanProcessor({ dir });
    await processor.shutdown();
    const ran = await run(dir, ...args);
    expect(ran.code).toBe(args[0] === 'verify' ? 5 : 0);
    expect(complaints(ran)).toBe('');
    expect(existsSync(layoutOf(dir).clickhouse)).toBe(true);
  });
});

describe('a database that is gone', () => {
  it.each(READERS)('is not made again by %s', async (...args) => {
    const dir = copyOf(whole);
    loseStore(dir);
    const ran = await json(dir, ...args);
    expect(ran.code).toBe(2);
    expect(documentOf(ran)).toMatchObject({
      error: { code: 'store_schema', hint: expect.stringContaining('spanledger migrate') },
    });
    expect(existsSync(layoutOf(dir).clickhouse)).toBe(false);
  });

  it.each(READERS)('table by table, neither: %s', async (...args) => {
    const dir = copyOf(whole);
    await inDatabase(dir, 'DROP TABLE spanledger.audit_records SYNC');
    for (let i = 0; i < 2; i++) {
      const ran = await json(dir, ...args);
      expect(ran.code).toBe(2);
      expect(documentOf(ran)).toMatchObject({
        error: { code: 'store_schema', hint: expect.stringContaining('spanledger migrate') },
      });
    }
  });

  it('is filled again by what the journals still hold, with a warning', async () => {
    const dir = copyOf(whole);
    const before = await verified(dir);
    loseStore(dir);
    expect((await run(dir, 'migrate')).code).toBe(0);
    const ran = await run(dir, 'verify');
    expect(ran.stderr).toContain(
      `Warning: the store no longer had ${before.records_checked} records it had confirmed`,
    );
    expect(await verified(dir)).toMatchObject({ status: 'valid', records_checked: before.records_checked });
  });

  it('with a table that was dropped: migrate makes it again and says so', async () => {
    const dir = copyOf(whole);
    await inDatabase(dir, 'DROP TABLE spanledger.audit_records SYNC');
    await inDatabase(dir, 'DROP VIEW spanledger.by_tool SYNC');
    const ran = await json(dir, 'migrate');
    expect(documentOf(ran)).toMatchObject({
      applied: [],
      remade: ['spanledger.audit_records', 'spanledger.by_tool'],
    });
    expect(ran.stderr).toContain('had been dropped');
    expect((await run(dir, 'verify')).stderr).toContain('sent again');
    expect((await run(dir, 'query', 'by_tool')).code).toBe(0);
  });

  /** Never `valid`, and never `known already` with 0. */
  const losses: [what: string, lose: (dir: string) => unknown][] = [
    ['wholly', loseStore],
    ['but for its schema', (dir) => inDatabase(dir, 'TRUNCATE TABLE spanledger.audit_records')],
  ];
  const commands: [string, (dir: string) => Promise<Ran>][] = [
    ['ingest', (dir) => json(dir, 'ingest', TRACES)],
    ['verify', (dir) => json(dir, 'verify')],
    ['timeline', (dir) => json(dir, 'timeline', 'x')],
    ['query', (dir) => json(dir, 'query', 'failures')],
    ['sql', (dir) => json(dir, 'sql', 'SELECT 1 AS one')],
  ];
  const cases = commands.map(([command, found], i) => {
    const [what, lose] = losses[i % losses.length]!;
    return { what, lose, command, found };
  });

  it.each(cases)(
    '$what, and from the journals too, is told by $command: 1',
    async ({ lose, command, found }) => {
      const dir = copyOf(trimmed);
      const size = await sizeOf(dir);
      await lose(dir);
      if (command !== 'ingest' && !existsSync(layoutOf(dir).clickhouse)) await run(dir, 'migrate');
      const ran = await found(dir);
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(/^Warning: rollback at [0-9a-f]{32}:\d+:/m);
      if (command === 'ingest')
        expect(documentOf(ran)).toMatchObject({ records: {}, stopped: [{ kind: 'rollback' }] });
      // Told once, and found by every verification from then on.
      const again = await json(dir, 'verify');
      expect(again).toMatchObject({ stderr: '', code: 1 });
      const { status, findings } = documentOf<Verification>(again);
      expect(status).toBe('tampered');
      expect(findings).toMatchObject([{ code: 'genesis_missing', seq: 0, to: size - 2 }]);
    },
  );
});

describe('a directory nobody may write in', () => {
  it('says what to do', async () => {
    const file = join(temporaryFolder(), 'file');
    appendFileSync(file, '');
    const ran = await run(join(file, 'ledger'), 'ingest', TRACES);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('cannot write in');
    expect(ran.stderr).toMatch(/^Try: name a directory/m);
  });
});
