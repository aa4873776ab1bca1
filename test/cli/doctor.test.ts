import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openDeployment } from '../../src/config/deployment.ts';
import { layoutOf } from '../../src/config/layout.ts';
import type { Check } from '../../src/doctor/check.ts';
import { Journal } from '../../src/journal/journal.ts';
import { FileLock } from '../../src/journal/lock.ts';
import { Writer } from '../../src/pipeline.ts';
import { Store } from '../../src/store/client.ts';
import { quarantine } from '../../src/understand.ts';
import { documentOf, type Ran, spanledger, temporaryFolder } from '../support/cli.ts';
import { fileFolder, openStore, POLICY } from '../support/ledger-kit.ts';
import { serve } from '../support/serve.ts';
import { ServedClickHouse } from '../support/served-clickhouse.ts';
import { toolCalls, toolSpan } from '../support/test-spans.ts';
import { toolTraces } from '../support/tool-traces.ts';
import { treeOf } from '../support/tree.ts';

interface Document {
  status: string;
  checks: Check[];
}

/** Every remedy that was printed, and that names commands of ours. */
const remedies: string[] = [];

const doctor = (dir: string, ...args: string[]) => spanledger(['doctor', '--dir', dir, ...args]);

async function examined(dir: string, ...args: string[]): Promise<Document & { code: number | null }> {
  const ran = await doctor(dir, '--json', ...args);
  expect(ran.stderr).toBe('');
  const document = documentOf<Document>(ran);
  remedies.push(...document.checks.flatMap(({ remedy }) => remedy ?? []));
  return { ...document, code: ran.code };
}

/** What is not well; where the temporary folder itself lies is the machine's affair. */
const amiss = ({ checks }: Document) =>
  checks.filter(
    ({ check, status }) => (status === 'warn' || status === 'fail') && check !== 'directory.filesystem',
  );
const named = ({ checks }: Document, name: string) => checks.filter(({ check }) => check === name);

const made = join(fileFolder(), 'ledger');
beforeAll(async () => {
  const file = join(made, '..', 'traces.json');
  writeFileSync(file, toolTraces(['issue_refund', 'send_email']));
  expect((await spanledger(['init', '--dir', made])).code).toBe(0);
  expect((await spanledger(['ingest', file, '--dir', made])).code).toBe(0);
});

function copyOf(ledger = made, into = temporaryFolder()): string {
  const dir = join(into, 'ledger');
  // `cpSync` of Node 24 gives folders other modes.
  execFileSync('cp', ['-a', ledger, dir]);
  return dir;
}

async function inDatabase(dir: string, ...statements: string[]): Promise<void> {
  const store = await Store.embedded(layoutOf(dir));
  for (const sql of statements) await store.command(sql);
  await store.close();
}

/** One thing is amiss, and doctor says exactly that. */
async function expectOnly(
  dir: string,
  expected: { check: string; status: string; found: RegExp; remedy: RegExp },
) {
  const document = await examined(dir);
  expect(amiss(document)).toEqual([
    {
      check: expected.check,
      status: expected.status,
      found: expect.stringMatching(expected.found),
      remedy: expect.stringMatching(expected.remedy),
    },
  ]);
  expect(document.code).toBe(expected.status === 'fail' ? 1 : 0);
  if (named(document, 'directory.filesystem')[0]!.status === 'ok')
    expect(document.status).toBe(expected.status);
}

describe('a healthy deployment', () => {
  it('is ok, and is as it was, to the byte', async () => {
    const dir = copyOf();
    const before = treeOf(dir);
    const document = await examined(dir);
    expect(amiss(document)).toEqual([]);
    expect(document.code).toBe(0);
    const checks = new Set(document.checks.map(({ check }) => check.split('.')[0]));
    expect([...checks]).toEqual(
      'directory settings keys keeper clock disk journal store retention anchors verification tools process'.split(
        ' ',
      ),
    );
    expect(named(document, 'anchors')).toMatchObject([{ status: 'skipped', found: /unanchored/ }]);
    for (const args of [[], ['--url', 'http://127.0.0.1:1']]) await doctor(dir, ...args);
    expect(treeOf(dir)).toEqual(before);
    expect((await spanledger(['verify', '--dir', dir])).code).toBe(0);
  });

  it('is told in groups, with a line about all', async () => {
    const ran = await doctor(copyOf());
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^store\n {2}ok +engine +ClickHouse \d+\.\d+/m);
    expect(ran.stdout).toMatch(/^(ok|warn): \d+ checks: \d+ ok, [01] warn, 0 fail, \d+ skipped$/m);
  });

  it('that has no database yet gets none', async () => {
    const dir = join(temporaryFolder(), 'new');
    expect((await spanledger(['init', '--dir', dir])).code).toBe(0);
    const before = treeOf(dir);
    const document = await examined(dir);
    expect(amiss(document)).toEqual([]);
    expect(named(document, 'store.engine')).toMatchObject([{ status: 'skipped' }]);
    rmSync(join(dir, 'spanledger.schema.json'));
    const restored = copyOf();
    rmSync(join(restored, 'store.lock'));
    expect(named(await examined(restored), 'store.engine')).toMatchObject([
      { status: 'skipped', found: /store\.lock/ },
    ]);
    expect(existsSync(join(restored, 'store.lock'))).toBe(false);
    expect(Object.keys(before)).not.toContain('journal');
  });
});

describe('wrong usage', () => {
  it('is 2', async () => {
    const missing = join(temporaryFolder(), 'missing');
    const ran = await doctor(missing, '--json');
    expect(ran.code).toBe(2);
    expect(documentOf(ran)).toMatchObject({ error: { code: 'directory_missing', hint: /spanledger init/ } });
    expect(existsSync(missing)).toBe(false);
    expect((await doctor(made, '--nonsense')).code).toBe(2);
    expect((await doctor(made, '--url', 'nonsense')).code).toBe(2);
  });
});

const isRoot = process.getuid?.() === 0;

describe('in the directory', () => {
  const faults: [what: string, harm: (dir: string) => void, Parameters<typeof expectOnly>[1]][] = [
    [
      'a master key that others may read',
      (dir) => chmodSync(join(dir, 'keys', 'master'), 0o644),
      { check: 'keys.master', status: 'fail', found: /read by others/, remedy: /^chmod 600 .*master$/ },
    ],
    [
      'a master key that is none',
      (dir) => writeFileSync(join(dir, 'keys', 'master'), 'k1 short\n'),
      { check: 'keys.master', status: 'fail', found: /not a key/, remedy: /base64url/ },
    ],
    [
      'keys that others may list',
      (dir) => chmodSync(join(dir, 'keys'), 0o755),
      { check: 'directory.modes', status: 'warn', found: /keys 0755/, remedy: /^chmod 700 .*keys$/ },
    ],
    [
      'the directory open to the world',
      (dir) => chmodSync(dir, 0o755),
      { check: 'directory.modes', status: 'warn', found: /ledger 0755/, remedy: /^chmod o-rwx .*ledger$/ },
    ],
    [
      'a content key that others may read',
      (dir) => writeFileSync(join(dir, 'keys', 'content'), '', { mode: 0o644 }),
      {
        check: 'directory.modes',
        status: 'fail',
        found: /content 0644/,
        remedy: /^chmod 600 .*content$/,
      },
    ],
    [
      'a token that others may read',
      (dir) => writeFileSync(join(dir, 'serve.json'), '{}', { mode: 0o644 }),
      {
        check: 'directory.modes',
        status: 'fail',
        found: /serve.json 0644/,
        remedy: /^chmod 600 .*serve.json$/,
      },
    ],
    [
      'no ledger id',
      (dir) => rmSync(join(dir, 'ledger.json')),
      { check: 'directory.ledger', status: 'fail', found: /ledger.json/, remedy: /SPANLEDGER_LEDGER_ID/ },
    ],
    [
      'a schema of another version',
      (dir) => writeFileSync(join(dir, 'spanledger.schema.json'), '{}'),
      { check: 'settings.schema', status: 'warn', found: /another version/, remedy: /^spanledger init$/ },
    ],
    [
      'settings with two mistakes',
      (dir) => writeFileSync(join(dir, 'spanledger.yaml'), 'version: 1\nserv: {}\ntokens: 3\n'),
      {
        check: 'settings.file',
        status: 'fail',
        found: /line 3, tokens: .*; line 2, .*serv/,
        remedy: /mend/,
      },
    ],
    [
      'settings that are no YAML',
      (dir) => writeFileSync(join(dir, 'spanledger.yaml'), 'version: [1\n'),
      { check: 'settings.file', status: 'fail', found: /spanledger.yaml/, remedy: /mend/ },
    ],
    [
      'a limit of the journal beyond the disk',
      (dir) =>
        writeFileSync(join(dir, 'spanledger.yaml'), `version: 1\nserve: {max_journal_bytes: ${2 ** 52}}\n`),
      { check: 'disk.journal', status: 'warn', found: /full first/, remedy: /serve\.max_journal_bytes/ },
    ],
    [
      'a broken journal',
      (dir) => {
        const log = join(dir, 'journal', readdirSync(join(dir, 'journal'))[0]!, 'log');
        for (const file of readdirSync(log)) rmSync(join(log, file));
      },
      {
        check: expect.stringMatching(/^journal\.cli-/) as string,
        status: 'fail',
        found: /its log is gone/,
        remedy: /backup/,
      },
    ],
  ];
  it.each(faults)('%s', async (_, harm, expected) => {
    const dir = copyOf();
    harm(dir);
    await expectOnly(dir, expected);
  });

  it('init mends a stale schema, as it is told to', async () => {
    const dir = copyOf();
    writeFileSync(join(dir, 'spanledger.schema.json'), '{}');
    expect((await spanledger(['init', '--dir', dir])).code).toBe(0);
    expect(amiss(await examined(dir))).toEqual([]);
  });

  it('reached by a link', async () => {
    const dir = copyOf();
    const link = join(dir, '..', 'link');
    symlinkSync(dir, link);
    await expectOnly(link, {
      check: 'directory.link',
      status: 'warn',
      found: /link to/,
      remedy: /--dir .*ledger$/,
    });
  });

  it.runIf(isRoot)('owned by another', async () => {
    const dir = copyOf();
    chownSync(dir, 12_345, 12_345);
    await expectOnly(dir, {
      check: 'directory.owner',
      status: 'warn',
      found: /user 12345/,
      remedy: /#12345/,
    });
  });

  it.runIf(existsSync('/dev/shm') && process.platform === 'linux')('in memory', async () => {
    const shm = mkdtempSync('/dev/shm/spanledger-test-');
    onTestFinished(() => rmSync(shm, { recursive: true, force: true }));
    const document = await examined(copyOf(made, shm));
    expect(named(document, 'directory.filesystem')).toMatchObject([
      { status: 'warn', found: /tmpfs/, remedy: /local disk/ },
    ]);
    expect(document.status).toBe('warn');
    expect(document.code).toBe(0);
  });
});

describe('a user who may not look', () => {
  it.runIf(isRoot)('is told so: 3, not that there is nothing', async () => {
    const dir = copyOf();
    // Another user must come to the folder itself, and to what it may not open.
    chmodSync(join(dir, '..'), 0o755);
    const nobody = (args: string[]) => {
      const { status, stdout } = spawnSync(
        process.execPath,
        ['dist/src/cli/main.js', 'doctor', '--json', ...args],
        {
          uid: 65_534,
          gid: 65_534,
          encoding: 'utf8',
        },
      );
      return { ...(JSON.parse(stdout) as Document), code: status };
    };
    const closed = nobody(['--dir', dir]);
    expect(closed.code).toBe(3);
    const failing = closed.checks.filter(({ status }) => status === 'fail').map(({ check }) => check);
    expect(failing).toEqual(['directory.ledger', 'keys.master', 'journal', 'store.engine']);
    expect(named(closed, 'directory.owner')).toMatchObject([{ status: 'warn', remedy: /sudo -u '#0'/ }]);
    // It may read, and not take the lock.
    chmodSync(dir, 0o755);
    const readable = nobody(['--dir', dir]);
    expect(readable.code).toBe(3);
    expect(named(readable, 'store.engine')).toMatchObject([
      { status: 'fail', found: /EACCES/, remedy: /another user/ },
    ]);
  });
});

describe('in the environment', () => {
  it('a key given there leaves the file to its modes; of OTEL_ variables only names are told', async () => {
    const dir = copyOf();
    const key = readFileSync(join(dir, 'keys', 'master'), 'utf8').trim();
    chmodSync(join(dir, 'keys', 'master'), 0o644);
    const env = { SPANLEDGER_MASTER_KEY: key, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer s3cr3t' };
    const ran = await spanledger(['doctor', '--dir', dir, '--json'], { env });
    const document = documentOf<Document>(ran);
    expect(amiss(document)).toMatchObject([
      { check: 'directory.modes', status: 'fail', remedy: /^chmod 600 .*master$/ },
    ]);
    expect(named(document, 'keys.master')).toMatchObject([{ found: /SPANLEDGER_MASTER_KEY/ }]);
    expect(named(document, 'process.environment')).toMatchObject([
      { status: 'ok', found: /OTEL_EXPORTER_OTLP_HEADERS: set here/ },
    ]);
    expect(ran.stdout).not.toContain('s3cr3t');
    expect(ran.stdout).not.toContain(key.split(' ')[1]);
  });

  it.runIf(process.platform === 'linux')('too few files', async () => {
    const args = ['dist/src/cli/main.js', 'doctor', '--json', '--dir', copyOf()];
    const text = execFileSync('sh', ['-c', `ulimit -n 512 && exec "$0" "$@"`, process.execPath, ...args]);
    const document = JSON.parse(text.toString()) as Document;
    expect(amiss(document)).toMatchObject([{ check: 'process.files', status: 'warn', remedy: /ulimit -n/ }]);
  });
});

describe('in the store', () => {
  const faults: [what: string, sql: string[], Parameters<typeof expectOnly>[1]][] = [
    [
      'a shortened TTL',
      ['ALTER TABLE spanledger.audit_records MODIFY TTL purge_after - INTERVAL 1 DAY'],
      {
        check: 'store.tables',
        status: 'fail',
        found: /TTL of audit_records is purge_after - /,
        remedy: /MODIFY TTL purge_after$/,
      },
    ],
    [
      'a TTL where there was none',
      ['ALTER TABLE spanledger.audit_tombstones MODIFY TTL expires_at + INTERVAL 90 YEAR'],
      { check: 'store.tables', status: 'fail', found: /TTL of audit_tombstones/, remedy: /REMOVE TTL$/ },
    ],
    [
      'inserts that are not synced',
      ['ALTER TABLE spanledger.audit_records MODIFY SETTING fsync_after_insert = 0'],
      {
        check: 'store.tables',
        status: 'fail',
        found: /fsync_after_insert of audit_records is 0, not 1/,
        remedy: /fsync_after_insert = 1$/,
      },
    ],
    [
      'a column that says something else',
      [`ALTER TABLE spanledger.audit_records MODIFY COLUMN user_id String ALIAS 'nobody'`],
      {
        check: 'store.tables',
        status: 'fail',
        found: /column user_id of audit_records is .*nobody/,
        remedy: /spanledger verify/,
      },
    ],
    [
      'a view that is gone',
      ['DROP VIEW spanledger.by_tool SYNC'],
      { check: 'store.schema', status: 'fail', found: /by_tool/, remedy: /^spanledger migrate/ },
    ],
    [
      'a migration of another version',
      [`INSERT INTO spanledger.schema_migrations (name, digest) VALUES ('9999_later.sql', 'x')`],
      { check: 'store.schema', status: 'warn', found: /9999_later\.sql/, remedy: /version/ },
    ],
    [
      'a migration that was never applied',
      [`ALTER TABLE spanledger.schema_migrations DELETE WHERE name LIKE '0002%' SETTINGS mutations_sync = 1`],
      { check: 'store.schema', status: 'fail', found: /0002_questions\.sql/, remedy: /^spanledger migrate/ },
    ],
    [
      'a mutation that never ends',
      [
        'SYSTEM STOP MERGES spanledger.audit_tombstones',
        `INSERT INTO spanledger.audit_tombstones SELECT 'x', 0, 'expired', now(), toFixedString('', 32), toFixedString('', 32)`,
        `ALTER TABLE spanledger.audit_tombstones UPDATE reason = 'erased' WHERE sleepEachRow(3) = 0 SETTINGS mutations_sync = 0`,
      ],
      {
        check: 'store.mutations',
        status: 'warn',
        found: /1 mutation .*reason = 'erased'/,
        remedy: /system\.mutations/,
      },
    ],
    [
      'a detached part',
      [`ALTER TABLE spanledger.audit_records DETACH PARTITION ('ledger', 210001)`],
      { check: 'store.detached', status: 'warn', found: /1 part detached/, remedy: /ATTACH PART/ },
    ],
  ];
  it.each(faults)('%s', async (_, sql, expected) => {
    const dir = copyOf();
    await inDatabase(dir, ...sql);
    await expectOnly(dir, expected);
  });

  it('no database where there was one', async () => {
    const dir = copyOf();
    rmSync(join(dir, 'clickhouse'), { recursive: true });
    await expectOnly(dir, {
      check: 'store.engine',
      status: 'fail',
      found: /is gone/,
      remedy: /spanledger migrate/,
    });
    expect(existsSync(join(dir, 'clickhouse'))).toBe(false);
  });

  it('that another process has: 3, and the rest is told', async () => {
    const dir = copyOf();
    const lock = FileLock.take(layoutOf(dir).storeLock)!;
    try {
      const document = await examined(dir);
      expect(document.code).toBe(3);
      expect(amiss(document)).toMatchObject([
        { check: 'store.engine', status: 'fail', found: new RegExp(`\\(${process.pid}\\)`) },
      ]);
      expect(named(document, 'keys.master')).toMatchObject([{ status: 'ok' }]);
    } finally {
      lock.release();
    }
  });

  it('that is away: 3, and the rest is told', async () => {
    const dir = copyOf();
    chmodSync(join(dir, 'keys', 'master'), 0o644);
    const document = await examined(dir, '--url', 'http://127.0.0.1:1');
    expect(document.code).toBe(3);
    expect(document.status).toBe('fail');
    expect(amiss(document).map(({ check }) => check)).toEqual(['keys.master', 'store.engine']);
    expect(named(document, 'process.node')).toMatchObject([{ status: 'ok' }]);
  });
});

describe('of the records', () => {
  it('tools no rule knows: named, counted, and with the rule that would know them', async () => {
    const dir = copyOf();
    const file = join(dir, '..', 'more.json');
    const evil = 'frob\u001b[31m\n  ok  all is well';
    writeFileSync(file, toolTraces(['frobnicate', 'frobnicate', evil]));
    expect((await spanledger(['ingest', file, '--dir', dir])).code).toBe(0);
    await expectOnly(dir, {
      check: 'tools.unclassified',
      status: 'warn',
      found: /^no rule knows 2 tools in 3 calls: frobnicate \(2, last 2026-09-21 .* UTC\), frob/,
      remedy: /^spanledger policy explain frobnicate; .*policy: \{tools: \[\{match: \["frobnicate", /,
    });
    const told = await doctor(dir);
    expect(told.code).toBe(0);
    expect(told.stdout).not.toContain('\u001b');
    expect(told.stdout).not.toMatch(/^ {2}ok {2}all is well/m);
    expect(told.stdout).toContain('frob\\u{1b}[31m\\u{a}  ok  all is well (1, ');
  });

  it('calls without the purpose their rule asks for, and users nobody told', async () => {
    const dir = copyOf();
    const settings = readFileSync(join(dir, 'spanledger.yaml'), 'utf8');
    const rule =
      '  tools: [{match: [open_chart], domains: [hipaa], classification: restricted, purpose: required}]';
    writeFileSync(
      join(dir, 'spanledger.yaml'),
      `${settings.replace(/^policy:[\s\S]*/m, '')}\npolicy:\n${rule}\n`,
    );
    const file = join(dir, '..', 'more.json');
    writeFileSync(file, toolTraces(['open_chart'], { 'user.id': '', 'gen_ai.conversation.id': 'conv-2' }));
    expect((await spanledger(['ingest', file, '--dir', dir])).code).toBe(0);
    const document = await examined(dir);
    expect(amiss(document)).toMatchObject([
      {
        check: 'tools.purpose',
        status: 'warn',
        found: /1 tool in 1 call: open_chart/,
        remedy: /audit\.purpose/,
      },
      { check: 'tools.unattributed', status: 'warn', found: /1 of 2 .*50 %/, remedy: /user\.id/ },
    ]);
    // The class is forgotten again, and its records are there.
    writeFileSync(join(dir, 'spanledger.yaml'), 'version: 1\npolicy: {builtin: false}\n');
    expect(named(await examined(dir), 'retention.classes')).toMatchObject([
      { status: 'warn', found: /hipaa \(/, remedy: /retention: \{classes: \{/ },
    ]);
  });

  /** Of a process that died: its journal is unlocked, and its records are in no store. */
  async function left(dir: string, now: number, work?: (writer: Writer) => Promise<void>): Promise<void> {
    const { layout, ledgerId } = openDeployment(dir, {});
    const journal = Journal.takeOver(layout.journals, 'app');
    const clock = () => now * 1_000;
    const writer = new Writer({
      journal,
      policy: POLICY,
      ledgerId,
      clock,
      writer: 'app',
      version: '0',
      origin: 'test.example/ledger',
    });
    writer.commit(toolCalls(1));
    await work?.(writer);
    await writer.flush();
    await journal.close();
  }

  it('gaps, quarantine, forks and chains without an end: counted, and where to look', async () => {
    const dir = copyOf();
    await left(dir, Date.now() - 60_000, async (writer) => {
      writer.noteGap(3, new Error('no room'));
      const unreadable = { reason: 'not_utf8', detail: 'x', raw: Buffer.of(0xff), partial: toolSpan() };
      writer.commit([quarantine(unreadable, POLICY)]);
      const { chainId, size } = writer.journal.chain!;
      await writer.supersede({ chainId, kind: 'fork', seq: size - 1, expected: 'a', found: ['b'] });
    });
    expect((await spanledger(['verify', '--dir', dir])).code).toBe(0);
    expect(amiss(await examined(dir))).toMatchObject([
      {
        check: 'verification.gaps',
        status: 'warn',
        found: /^1 gap record,/,
        remedy: /^spanledger sql ".*'gap'"$/,
      },
      {
        check: 'verification.quarantine',
        status: 'warn',
        found: /^1 span was/,
        remedy: /^spanledger quarantine$/,
      },
      {
        check: 'verification.forks',
        status: 'warn',
        found: /^1 fork or rollback,/,
        remedy: /^spanledger sql/,
      },
      {
        check: 'verification.chains',
        status: 'warn',
        found: /1 of which a successor/,
        remedy: /^spanledger sql/,
      },
    ]);
    // What it tells to run, runs.
    for (const { remedy } of amiss(await examined(dir))) {
      const [, query] = /^spanledger sql "(.*)"$/.exec(remedy!) ?? [];
      if (query === undefined) continue;
      const ran = await spanledger(['sql', query, '--dir', dir, '--json']);
      expect(ran.code, ran.stderr).toBe(0);
      expect(documentOf<object[]>(ran)).toHaveLength(1);
    }
  });

  it('left in a journal: how many, how old, and what carries them', async () => {
    const dir = copyOf();
    await left(dir, Date.now() - 3_600_000);
    const expected = {
      check: expect.stringMatching(/^journal\.app-/) as string,
      status: 'warn',
      found: /2 records .*oldest of 20/,
      remedy: /^spanledger verify/,
    };
    await expectOnly(dir, expected);
    expect((await spanledger(['verify', '--dir', dir])).code).toBe(0);
    // What was never closed is told from now on, and nothing waits.
    expect(amiss(await examined(dir))).toEqual([]);
  });

  it('recorded in the future: the clock is behind, in the journal and in the store', async () => {
    const dir = copyOf();
    await left(dir, Date.now() + 7_200_000);
    const behind = {
      check: 'clock.records',
      status: 'fail',
      found: /7(199|200)\.\d s behind/,
      remedy: /timedatectl/,
    };
    const before = await examined(dir);
    expect(named(before, 'clock.records')).toMatchObject([behind]);
    expect(before.code).toBe(1);
    expect((await spanledger(['verify', '--dir', dir])).code).toBe(0);
    await expectOnly(dir, { ...behind, found: /71\d\d\.\d s behind|7200\.\d s behind/ });
  });

  it('past their time, and still here', async () => {
    const dir = copyOf();
    await left(dir, Date.parse('2010-01-01T00:00:00Z'));
    await spanledger(['verify', '--dir', dir]);
    await expectOnly(dir, {
      check: 'retention.overdue',
      status: 'warn',
      found: /1 record past .* since 201/,
      remedy: /disk space/,
    });
  });
});

describe('beside serve', () => {
  it('works through it, and tells what a killed one left behind', async () => {
    const dir = copyOf();
    const running = await serve(dir);
    const body = toolTraces(['issue_refund']);
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${running.otlp}/v1/traces`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
    const during = await examined(dir);
    expect(amiss(during)).toEqual([]);
    expect(during.code).toBe(0);
    const held = during.checks.filter(({ check }) => check.startsWith('journal.serve-'));
    expect(held).toMatchObject([{ found: new RegExp(`running process \\(${running.pid}\\)`) }]);
    expect(named(during, 'store.engine')).toMatchObject([{ status: 'ok' }]);
    await running.stop('SIGKILL');
    const after = await examined(dir);
    expect(after.code).toBe(0);
    expect(after.checks.filter(({ check }) => check.startsWith('journal.serve-'))).toHaveLength(1);
    // Its successor says that it was not closed.
    const next = await serve(dir);
    await fetch(`${next.otlp}/v1/traces`, { method: 'POST', headers, body: toolTraces(['issue_refund']) });
    expect(await next.stop('SIGTERM')).toBe(0);
    await expectOnly(dir, {
      check: 'verification.chains',
      status: 'warn',
      found: /4 chains, 1 without an end, 1 of which/,
      remedy: /unclean/,
    });
  });
});

describe('of a server', () => {
  /** The real engine behind HTTP; in this process one at a time. */
  async function served(): Promise<ServedClickHouse> {
    const store = await openStore(join(temporaryFolder(), 'server'));
    const server = new ServedClickHouse(store);
    await server.listen();
    onTestFinished(async () => {
      await server.leave();
      await store.close();
    });
    return server;
  }

  it('rights, row policies, disks and clock', async () => {
    const server = await served();
    const dir = copyOf();
    const answers: { [sql: string]: unknown[] } = {
      'SHOW GRANTS': [{ grants: 'GRANT SELECT, INSERT ON spanledger.* TO writer' }],
      'FROM system.row_policies': [],
      'FROM system.disks ORDER BY name': [{ name: 'default', free: '60', total: '100' }],
    };
    server.meddling = async ({ sql }, work) => {
      const told = Object.entries(answers).find(([part]) => sql.includes(part));
      const text = told?.[1].map((row) => `${JSON.stringify(row)}\n`).join('') ?? (await work());
      return { status: 200, text };
    };
    const well = await examined(dir, '--url', server.url);
    expect(amiss(well)).toEqual([]);
    for (const name of ['store.grants', 'store.row_policies', 'store.disk', 'clock.store'])
      expect(named(well, name), name).toMatchObject([{ status: 'ok' }]);

    answers['SHOW GRANTS'] = [{ grants: 'GRANT SELECT ON spanledger.* TO writer' }];
    answers['FROM system.row_policies'] = [{ name: 'mine ON spanledger.audit_records', filter: '0' }];
    answers['Milli(now64(3))'] = [{ now: String(Date.now() - 600_000) }];
    answers['FROM system.disks ORDER BY name'] = [{ name: 'default', free: '5', total: '100' }];
    const ill = await examined(dir, '--url', server.url);
    expect(amiss(ill)).toMatchObject([
      { check: 'clock.store', status: 'fail', found: /(600|599|60\d)\.\d s apart/, remedy: /timedatectl/ },
      {
        check: 'store.grants',
        status: 'fail',
        found: /lacks INSERT on spanledger\.audit_records/,
        remedy: /^GRANT spanledger_writer/,
      },
      {
        check: 'store.disk',
        status: 'warn',
        found: /^disk default of .*5 %/,
        remedy: /^free space on disk default/,
      },
      { check: 'store.row_policies', status: 'fail', found: /mine/, remedy: /^DROP ROW POLICY mine ON/ },
    ]);
    expect(ill.code).toBe(1);

    writeFileSync(join(dir, 'spanledger.yaml'), 'version: 1\npolicy:\n  content: { tools: vault }\n');
    answers['SHOW GRANTS'] = ['audit_records', 'audit_tombstones', 'schema_migrations'].map((table) => ({
      grants: `GRANT SELECT, INSERT ON spanledger.${table} TO writer`,
    }));
    expect(named(await examined(dir, '--url', server.url), 'store.grants')).toMatchObject([
      {
        status: 'fail',
        found: /lacks SELECT.* on spanledger\.audit_content\b/,
        remedy: /content-grants\.sql/,
      },
    ]);

    // What the engine itself says of whom it runs as: he may do anything.
    for (const each of Object.keys(answers)) delete answers[each];
    const real = await examined(dir, '--url', server.url);
    expect(named(real, 'store.grants')).toMatchObject([
      {
        status: 'warn',
        found: /user default may ALTER DELETE, .*TRUNCATE/,
        remedy: /^REVOKE ALL .*GRANT spanledger_writer TO default/,
      },
    ]);
    expect(named(real, 'store.row_policies')).toMatchObject([{ status: 'ok' }]);

    server.meddling = async ({ sql }, work) => {
      if (!sql.includes('system.row_policies')) return { status: 200, text: await work() };
      const text = 'Code: 497. DB::Exception: writer: Not enough privileges. (ACCESS_DENIED)';
      return { status: 500, text };
    };
    expect(named(await examined(dir, '--url', server.url), 'store.row_policies')).toMatchObject([
      { status: 'skipped', remedy: /spanledger_reader/ },
    ]);
  });
});

describe('its remedies', () => {
  it('name commands that exist', async () => {
    const { stdout }: Ran = await spanledger(['--help']);
    const commands = new Set([...stdout.matchAll(/^ {2}(\w+) .*$/gm)].map((match) => match[1]!));
    const told = remedies.flatMap((remedy) =>
      [...remedy.matchAll(/\bspanledger (\w+)/g)].map((match) => match[1]!),
    );
    expect(new Set(told).size).toBeGreaterThan(4);
    for (const command of told) expect(commands, command).toContain(command);
  });
});
