import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDeployment } from '../../src/config/deployment.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { FileLock } from '../../src/journal/lock.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import { accessReport } from '../../src/report/access.ts';
import { Store } from '../../src/store/client.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { fileFolder } from '../support/ledger-kit.ts';

const CAPTURE = 'test/golden/captures/vercel_ai-6.0.326/traces-001.json';
/** Of another instrumentation, of the same person. */
const OTHER = 'test/golden/captures/genkit-1.42.0/traces-001.json';
const PATIENT = 'P-1042';
/** A dozen processes, each with an engine of its own, one after another. In milliseconds. */
const LONG = 180_000;

interface Resolved {
  asked: string;
  kind: string | null;
  key: string;
  pseudonym: string;
  value?: string | null;
  is_live?: boolean;
  records: number;
  as_subject: number;
  as_resource: number;
}

interface Control {
  action: string;
  actor_id: string;
  control: { [field: string]: unknown };
}

function ledger(dir = join(temporaryFolder(), 'ledger')) {
  const run = (...args: string[]) => spanledger([...args, '--dir', dir]);
  const json = async <T>(...args: string[]): Promise<T> => {
    const ran = await run(...args, '--json');
    expect(ran.code, ran.stderr).toBe(0);
    return documentOf<T>(ran);
  };
  return {
    dir,
    run,
    json,
    keys: () =>
      readFileSync(layoutOf(dir).masterKeyFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    resolve: async (...args: string[]) =>
      (await json<{ resolved: Resolved[] }>('pseudonym', 'resolve', ...args, '--reason', 'a test')).resolved,
    async controls(action: string): Promise<Control[]> {
      const rows = await json<{ actor_id: string; control: string }[]>(
        'sql',
        `SELECT actor_id, JSONExtractRaw(payload, 'control') AS control FROM spanledger.audit_records WHERE action = '${action}' ORDER BY occurred_at, seq`,
      );
      return rows.map((row) => ({
        action,
        actor_id: row.actor_id,
        control: JSON.parse(row.control) as object as Control['control'],
      }));
    },
    /** Accesses of the person, as the report counts them. */
    async accesses(subject: string): Promise<number> {
      const store = await Store.embedded(layoutOf(dir));
      try {
        const { keyring } = compilePolicy(openDeployment(dir, {}).master);
        const query = { subject, from: '2000-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' };
        return (await accessReport(store, keyring, query, true)).total_accesses;
      } finally {
        await store.close();
      }
    },
    async isValid(): Promise<void> {
      expect(await json<Verification>('verify')).toMatchObject({ status: 'valid', findings: [] });
    },
  };
}

describe('spanledger pseudonym rotate', () => {
  it('writes under a new key, and the person is found under both, and nothing is recorded twice', {
    timeout: LONG,
  }, async () => {
    const { dir, json, keys, resolve, controls, accesses, isValid } = ledger();
    await json('ingest', CAPTURE);
    const before = await accesses(PATIENT);
    expect(before).toBeGreaterThan(0);
    expect(await json('pseudonym', 'rotate', '--actor', 'ana', '--reason', 'yearly')).toEqual({
      old: 'k1',
      writes: 'k2',
      recognises: ['k1'],
    });
    expect(keys()).toEqual(['k1', 'k2']);
    const { masterKeyFile } = layoutOf(dir);
    expect(statSync(masterKeyFile).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(dir, 'keys')).sort()).toEqual(['ledger', 'lock', 'master']);

    const again = await json<{ spans: number; duplicates: number; records: object }>('ingest', CAPTURE);
    expect(again.duplicates).toBe(again.spans);
    expect(again.records).toEqual({});
    await json('ingest', OTHER);
    const after = await accesses(PATIENT);
    expect(after).toBeGreaterThan(before);

    const [newer, older, ...more] = await resolve(PATIENT, '--kind', 'subject');
    expect(more).toEqual([]);
    expect(newer).toMatchObject({ key: 'k2', kind: 'subject', asked: PATIENT });
    expect(older).toMatchObject({ key: 'k1', kind: 'subject', asked: PATIENT });
    for (const { as_subject, records } of [newer!, older!]) {
      expect(as_subject).toBeGreaterThan(0);
      expect(records).toBeGreaterThanOrEqual(as_subject);
    }
    expect(await accesses(older!.pseudonym)).toBe(before);
    expect(await accesses(newer!.pseudonym)).toBe(after - before);

    const digest = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
    expect(await controls('policy_changed')).toEqual([
      {
        action: 'policy_changed',
        actor_id: 'ana',
        control: { old: digest, new: digest, pseudonym_key: { old: 'k1', new: 'k2' }, reason: 'yearly' },
      },
    ]);
    await isValid();
  });

  it('retires a key, and then nobody is found under it; its id is never used again', {
    timeout: LONG,
  }, async () => {
    const { dir, json, run, keys, resolve, controls, accesses, isValid } = ledger();
    await json('ingest', CAPTURE);
    const counted = await accesses(PATIENT);
    const [known] = await resolve(PATIENT, '--kind', 'subject');
    await json('pseudonym', 'rotate');
    await json('pseudonym', 'rotate', '--id', 'k9');
    expect(keys()).toEqual(['k1', 'k2', 'k9']);
    expect(
      await json('pseudonym', 'rotate', '--retire', 'k1', '--reason', 'retention over', '--actor', 'ana'),
    ).toEqual({
      retired: 'k1',
      writes: 'k9',
      recognises: ['k2'],
    });
    expect(keys()).toEqual(['k2', 'k9']);
    const [, , retired] = await controls('policy_changed');
    expect(retired).toMatchObject({
      actor_id: 'ana',
      control: { pseudonym_key: { old: 'k9', new: 'k9', retired: 'k1' }, reason: 'retention over' },
    });
    const found = await run('pseudonym', 'resolve', PATIENT, '--kind', 'subject', '--reason', 'x', '--json');
    expect(found.code).toBe(1);
    expect(documentOf<{ resolved: Resolved[] }>(found).resolved).toMatchObject([
      { key: 'k9', records: 0 },
      { key: 'k2', records: 0 },
    ]);
    const among = await spanledger(
      ['pseudonym', 'resolve', known!.pseudonym, '--among', '-', '--reason', 'x', '--json', '--dir', dir],
      { input: PATIENT },
    );
    expect(among.code).toBe(1);
    expect(documentOf<{ resolved: Resolved[] }>(among).resolved).toMatchObject([
      { is_live: false, value: null },
    ]);
    // What is not a pseudonym in the record is found as ever.
    expect(await accesses(known!.pseudonym)).toBeGreaterThan(0);

    const calls = await json('query', 'by_tool');
    const again = await json<{ records: object }>('ingest', CAPTURE);
    expect(again.records).not.toEqual({});
    // Whoever counts counts them once.
    expect(await json('query', 'by_tool')).toEqual(calls);
    expect(await accesses(PATIENT)).toBe(counted);
    const conflicts = await json<{ n: number }[]>(
      'sql',
      "SELECT count() AS n FROM spanledger.audit_records WHERE JSONHas(payload, 'details', 'conflicts_with')",
    );
    expect(conflicts).toEqual([{ n: 0 }]);
    for (const id of ['k1', 'k2', 'k9'])
      expect(await run('pseudonym', 'rotate', '--id', id)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('there is, or was'),
      });
    await json('pseudonym', 'rotate');
    expect(keys()).toEqual(['k2', 'k9', 'k10']);
    await json('pseudonym', 'rotate', '--id', 'k999999999');
    for (let i = 0; i < 2; i++) await json('pseudonym', 'rotate');
    expect(keys().slice(-3)).toEqual(['k999999999', 'k1000000000', 'k1000000001']);
    await isValid();
  });
});

describe('spanledger pseudonym rotate refuses', () => {
  const { run, json, keys, dir } = ledger(join(fileFolder(), 'ledger'));
  beforeAll(async () => {
    await json('ingest', CAPTURE);
    await json('pseudonym', 'rotate');
  });

  it.each<[string, string[], RegExp]>([
    ['to retire the key that writes', ['--retire', 'k2', '--reason', 'x'], /k2 is the key that writes/],
    ['to retire without a reason', ['--retire', 'k1'], /needs --reason/],
    ['to retire a key that is none', ['--retire', 'k7', '--reason', 'x'], /there is no key k7/],
    ['to retire and name', ['--retire', 'k1', '--reason', 'x', '--id', 'k3'], /makes no key/],
    ['an id with a space', ['--id', 'k 3'], /no id of a key/],
    ['an id that is taken', ['--id', 'k2'], /there is, or was, a key k2/],
    ['an empty reason', ['--reason', ' '], /--reason is empty/],
    ['an empty actor', ['--actor', ''], /--actor is empty/],
  ])('%s', async (_, args, says) => {
    const ran = await run('pseudonym', 'rotate', ...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(says);
    expect(ran.stderr).toContain('Try:');
    expect(keys()).toEqual(['k1', 'k2']);
  });

  it('a key from the environment, and says how', async () => {
    const env = { SPANLEDGER_MASTER_KEY: `k1 ${Buffer.alloc(32, 5).toString('base64url')}` };
    const ran = await spanledger(['pseudonym', 'rotate', '--dir', dir], { env });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/come from SPANLEDGER_MASTER_KEY/);
    expect(ran.stderr).toMatch(/Try: add a line/);
    expect(ran.stderr).not.toContain(env.SPANLEDGER_MASTER_KEY.slice(3));
  });

  it('while another changes them', async () => {
    const lock = FileLock.take(layoutOf(dir).keysLock)!;
    try {
      const ran = await run('pseudonym', 'rotate');
      expect(ran.code).toBe(3);
      expect(ran.stderr).toContain(`another process (${process.pid})`);
    } finally {
      lock.release();
    }
    expect(keys()).toEqual(['k1', 'k2']);
  });

  it('where there is no directory', async () => {
    const missing = join(temporaryFolder(), 'missing');
    for (const args of [['rotate'], ['resolve', 'x', '--reason', 'x']])
      expect((await spanledger(['pseudonym', ...args, '--dir', missing])).code).toBe(2);
  });

  it('more than sixteen', async () => {
    const { masterKeyFile } = layoutOf(dir);
    const before = readFileSync(masterKeyFile, 'utf8');
    const line = (i: number) => `x${i} ${Buffer.alloc(32, i).toString('base64url')}\n`;
    writeFileSync(masterKeyFile, Array.from({ length: 16 }, (_, i) => line(i)).join(''));
    const ran = await run('pseudonym', 'rotate');
    writeFileSync(masterKeyFile, before);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/no more can be live/);
    await json('verify');
  });
});

describe('spanledger pseudonym resolve', () => {
  let answered = 0;
  const { run, json, resolve, controls, dir, isValid } = ledger(join(fileFolder(), 'ledger'));
  const piped = (input: string, ...args: string[]) =>
    spanledger(['pseudonym', 'resolve', ...args, '--json', '--dir', dir], { input });
  beforeAll(async () => {
    await json('ingest', CAPTURE);
  });

  it('says in how many records a value stands, by kind, and records that somebody asked, without the value', async () => {
    const reason = 'request 17 of the person';
    const ran = await piped(`${PATIENT}\n\n Nobody Atall \n`, '-', '--reason', reason, '--actor', 'dpo');
    // Not all of them are in the ledger.
    expect(ran.code).toBe(1);
    const { resolved } = documentOf<{ resolved: Resolved[] }>(ran);
    const kinds = ['subject', 'id', 'patient_name', 'ssn', 'date_of_birth', 'address', 'phone'];
    expect(resolved.map(({ asked, kind }) => [asked, kind])).toEqual(
      [PATIENT, 'Nobody Atall'].flatMap((asked) => kinds.map((kind) => [asked, kind])),
    );
    const held = resolved.filter(({ records }) => records > 0);
    expect(held.map(({ asked, kind }) => [asked, kind])).toEqual([[PATIENT, 'subject']]);
    const [{ n }] = (await json<{ n: string }[]>(
      'sql',
      `SELECT count() AS n FROM spanledger.audit_records WHERE subject = '${held[0]!.pseudonym}'`,
    )) as [{ n: string }];
    expect(held[0]).toMatchObject({ as_subject: Number(n), records: Number(n), as_resource: 0 });

    const asked = await controls('audit_log_accessed');
    expect(asked).toEqual(
      [PATIENT, 'Nobody Atall'].map((value) => ({
        action: 'audit_log_accessed',
        actor_id: 'dpo',
        control: {
          asked: 'pseudonym resolve',
          reason,
          tenant: 'default',
          pseudonyms: resolved.filter((each) => each.asked === value).map(({ pseudonym }) => pseudonym),
        },
      })),
    );
    const [{ text }] = (await json<{ text: string }[]>(
      'sql',
      "SELECT toString(groupArray(payload)) AS text FROM spanledger.audit_records WHERE action = 'audit_log_accessed'",
    )) as [{ text: string }];
    for (const value of [PATIENT, 'Nobody', 'Atall']) expect(text).not.toContain(value);

    // Who asked before adds nothing to what is found.
    expect(await resolve(PATIENT, '--kind', 'subject')).toMatchObject([{ records: Number(n) }]);
    await isValid();
  });

  it('says which candidate a pseudonym is, however it is spelled', async () => {
    const [subject] = await resolve(PATIENT, '--kind', 'subject');
    const before = (await controls('audit_log_accessed')).length;
    const candidates = ['P-1', `  ${PATIENT}`, 'p-1042'].join('\n');
    const ran = await piped(candidates, subject!.pseudonym, '--among', '-', '--reason', 'x');
    expect(ran.code).toBe(0);
    expect(documentOf(ran)).toEqual({
      tenant: 'default',
      resolved: [{ ...subject, asked: subject!.pseudonym, kind: 'subject', value: PATIENT, is_live: true }],
    });
    const told = (await controls('audit_log_accessed')).slice(before);
    expect(told.map(({ control }) => control)).toEqual([
      {
        asked: 'pseudonym resolve',
        reason: 'x',
        tenant: 'default',
        pseudonyms: [subject!.pseudonym],
        candidates: 3,
      },
    ]);
    const file = join(temporaryFolder(), 'candidates');
    writeFileSync(file, 'P-1\nP-2\n');
    const none = await piped('', subject!.pseudonym, '--among', file, '--reason', 'x');
    expect(none.code).toBe(1);
    expect(documentOf<{ resolved: Resolved[] }>(none).resolved).toMatchObject([{ value: null, kind: null }]);
    expect(none.stderr).toContain('none of the candidates');
    // Of another tenant, or as another kind, it is somebody else's.
    for (const other of [
      ['--tenant', 'north'],
      ['--kind', 'ssn'],
    ])
      expect(
        (await piped(candidates, subject!.pseudonym, '--among', '-', '--reason', 'x', ...other)).code,
      ).toBe(1);
    answered = (await controls('audit_log_accessed')).length;
  });

  const PSEUDONYM = 'hmac:k1:jB1hdj-a9pIaq93zy60XTA';
  it.each<[string, string[], RegExp]>([
    ['a pseudonym without candidates', [PSEUDONYM], /cannot be turned back/],
    ['a kind the policy does not make', ['x', '--kind', 'shoe_size'], /no such pseudonyms/],
    ['nothing', ['-'], /no value to resolve/],
    ['an empty value', [''], /no value to resolve/],
    ['standard input for both', ['-', '--among', '-'], /cannot be both/],
    ['candidates that are not there', [PSEUDONYM, '--among', '/nowhere'], /\/nowhere/],
    [
      'a reason that tells the value',
      ['A-Test 7', '--kind', 'subject', '--reason', 'for a test, 7 times'],
      /holds a value/,
    ],
    ['an empty reason', ['x', '--reason', ''], /--reason is empty/],
  ])('refuses %s', async (_, args, says) => {
    const reason = args.includes('--reason') ? [] : ['--reason', 'a test'];
    const ran = await run('pseudonym', 'resolve', ...args, ...reason);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(says);
    expect(ran.stdout).toBe('');
  });

  it('recorded nothing of what it refused', async () => {
    expect(await controls('audit_log_accessed')).toHaveLength(answered);
  });

  it('needs a reason', async () => {
    const ran = await run('pseudonym', 'resolve', 'x');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/required option '--reason <text>'/);
  });

  it('answers nothing where it cannot record that it was asked', async () => {
    const { journals } = layoutOf(dir);
    const before = (await controls('audit_log_accessed')).length;
    // All of it is shipped. Where a file is, no journal can be made.
    rmSync(journals, { recursive: true });
    writeFileSync(journals, '');
    const ran = await run('pseudonym', 'resolve', PATIENT, '--reason', 'x', '--json');
    expect(ran.code).not.toBe(0);
    expect(ran.stdout).not.toContain('hmac:');
    rmSync(journals);
    expect(await controls('audit_log_accessed')).toHaveLength(before);
  });
});
