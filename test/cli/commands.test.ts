import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment } from '../../src/config/deployment.ts';
import { FileLock } from '../../src/journal/lock.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const COMMANDS = [
  'demo',
  'doctor',
  'ingest',
  'verify',
  'query',
  'timeline',
  'prove',
  'check-proof',
  'sql',
  'migrate',
  'pseudonym resolve',
  'pseudonym rotate',
];

describe('the command line', () => {
  let dir: string;

  beforeAll(async () => {
    dir = join(mkdtempSync(join(tmpdir(), 'spanledger-test-')), 'ledger');
    expect((await spanledger(['demo', '--dir', dir, '--json'])).code).toBe(0);
  });
  afterAll(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

  it.each(COMMANDS)('%s has help with an example and a --json', async (command) => {
    const ran = await spanledger([...command.split(' '), '--help']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/Example:\n {2}spanledger /);
    expect(ran.stdout).toContain('--json');
    expect(ran.stdout).toContain('--dir');
  });

  it('policy explain quotes nothing of arguments that are no JSON', async () => {
    const file = join(dir, '..', 'cut.json');
    writeFileSync(file, '{"password":"hunter2"x');
    const ran = await spanledger(['policy', 'explain', 'login', file, '--dir', dir, '--json']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('not JSON');
    expect(ran.stdout + ran.stderr).not.toMatch(/nter2/);
  });

  const misuse: [args: string[], says: RegExp][] = [
    [[], /Usage/],
    [['nonsense'], /unknown command/],
    [['verify', '--nonsense'], /unknown option/],
    [['verify', '--engine', 'perl'], /Allowed choices are sql, node/],
    [['timeline'], /missing required argument/],
    [['query', 'by_moon'], /Allowed choices are by_tool/],
    [['query', 'by_user'], /needs --user/],
    [['query', 'by_conversation'], /needs --conversation/],
    [['query', 'failures', '--since', 'yesterday'], /no time/],
    [['ingest'], /missing required argument/],
    [['pseudonym'], /Usage: spanledger pseudonym/],
    [['pseudonym', 'reverse'], /unknown command/],
    [['pseudonym', 'resolve', '--reason', 'x'], /missing required argument/],
    [['demo', '--url', 'http://localhost:1'], /embedded/],
    // An empty id is that of all records that have none.
    [['timeline', ''], /a conversation is empty/],
    [['query', 'by_conversation', '--conversation', ''], /--conversation is empty/],
    [['query', 'by_user', '--user', ''], /--user is empty/],
    [['query', 'by_tool', '--tool', ''], /--tool is empty/],
    [['verify', '--conversation', ''], /--conversation is empty/],
  ];
  it.each(misuse)('exits with 2 for %j', async (args, says) => {
    const ran = await spanledger([...args, ...(args.length > 1 ? ['--dir', dir] : [])]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(says);
    expect(ran.stdout).toBe('');
  });

  it.each([
    ['verify'],
    ['doctor'],
    ['timeline', 'x'],
    ['sql', 'SELECT 1'],
    ['query', 'failures'],
    ['migrate'],
  ])('%s exits with 2 where there is no directory', async (...args) => {
    const missing = join(temporaryFolder(), 'missing');
    const ran = await spanledger([...args, '--dir', missing]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(`there is no directory ${missing}`);
    expect(existsSync(missing)).toBe(false);
  });

  it('exits with 3 while another process has the directory, and names it', async () => {
    const lock = FileLock.take(join(dir, 'store.lock'))!;
    try {
      for (const args of [
        ['verify'],
        ['sql', 'SELECT 1'],
        ['ingest', 'test/golden/captures/vercel_ai-6.0.326/traces-001.json'],
      ]) {
        const ran = await spanledger([...args, '--dir', dir]);
        expect(ran.code).toBe(3);
        expect(ran.stderr).toContain(`(${process.pid})`);
      }
    } finally {
      lock.release();
    }
  });

  it('exits with 3 when the server cannot be reached', async () => {
    const ran = await spanledger(['verify', '--dir', dir, '--url', 'http://127.0.0.1:1', '--json']);
    expect(ran.code).toBe(3);
    expect(documentOf(ran)).toMatchObject({ error: { code: 'store_unreachable' } });
  });

  it('verifies by both engines, and a conversation by itself', async () => {
    for (const engine of ['sql', 'node']) {
      const ran = await spanledger(['verify', '--engine', engine, '--dir', dir, '--json']);
      expect(ran.code).toBe(0);
      expect(documentOf<Verification>(ran).status).toBe('valid');
    }
    const some = documentOf<Verification>(
      await spanledger(['verify', '--conversation', 'conv-7f3a', '--dir', dir, '--json']),
    );
    expect(some.status).toBe('valid');
    expect(some.records_checked).toBeGreaterThan(10);
    const none = await spanledger(['verify', '--conversation', 'nobody', '--dir', dir, '--json']);
    expect(none.code).toBe(5);
    expect(documentOf<Verification>(none)).toMatchObject({ status: 'empty', records_checked: 0 });
  });

  it('answers SQL as rows, exact in 64 bits, and refuses to change anything', async () => {
    const ran = await spanledger([
      'sql',
      'SELECT 18446744073709551615 AS big, count() > 0 AS some FROM spanledger.audit_records',
      '--dir',
      dir,
      '--json',
    ]);
    expect(ran.stdout.trim()).toBe('[{"big":18446744073709551615,"some":1}]');
    for (const query of [
      'DROP TABLE spanledger.audit_records',
      'ALTER TABLE spanledger.audit_records DELETE WHERE 1',
      "INSERT INTO spanledger.audit_tombstones SELECT 'a', 0, 'expired', now(), '', ''",
      'SELEC 1',
      '',
    ]) {
      const refused = await spanledger(['sql', query, '--dir', dir, '--json']);
      expect(refused.code).toBe(2);
    }
    expect((await spanledger(['verify', '--dir', dir])).code).toBe(0);
  });

  it('prints a timeline in its fixed form', async () => {
    const ran = await spanledger(['timeline', 'conv-7f3a', '--dir', dir]);
    expect(ran.stdout).toMatch(
      /^User nurse-17 \(nurse\) → gpt-4o-mini-2024-07-18 → fetch_lab_results \[retry\]$/m,
    );
    expect(ran.stdout).toMatch(/^ {2}\[Turn 1\] ❌ fetch_lab_results\(\{.*\}\) → \{.*\} \[\d+ms\]$/m);
    const none = await spanledger(['timeline', 'nobody', '--dir', dir, '--json']);
    expect(none).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  it('migrates a new directory, and again nothing', async () => {
    const fresh = join(temporaryFolder(), 'fresh');
    createDeployment(fresh, {});
    expect(documentOf(await spanledger(['migrate', '--dir', fresh, '--json']))).toMatchObject({
      applied: ['0001_ledger.sql', '0002_questions.sql', '0003_content.sql'],
    });
    expect(documentOf(await spanledger(['migrate', '--dir', fresh, '--json']))).toMatchObject({
      applied: [],
      remade: [],
    });
    const empty = await spanledger(['verify', '--dir', fresh, '--json']);
    expect(empty.code).toBe(5);
    expect(documentOf<Verification>(empty).status).toBe('empty');
  });

  it('refuses a directory that is no ledger, naming the file', async () => {
    const folder = join(temporaryFolder(), 'other');
    mkdirSync(folder);
    const ran = await spanledger(['verify', '--dir', folder]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('ledger.json');
  });
});
