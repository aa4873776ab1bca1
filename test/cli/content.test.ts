import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { documentOf, spanledger } from '../support/cli.ts';
import { fileFolder } from '../support/ledger-kit.ts';
import { serve } from '../support/serve.ts';

const CAPTURE = 'test/golden/captures/vercel_ai-6.0.326/traces-001.json';
const SETTINGS = 'version: 1\npolicy:\n  content: { prompts: vault, answers: vault, tools: vault }\n';
const dir = join(fileFolder(), 'ledger');
const run = (...args: string[]) => spanledger([...args, '--dir', dir]);
const sql = async <Row>(query: string) => documentOf<Row[]>(await run('sql', query, '--json'));
const code = (ran: { stdout: string }) => (JSON.parse(ran.stdout) as { error: { code: string } }).error.code;
const WHY = ['--reason', 'complaint 4711'];

let prompt: string;
let tool: string;

const reads = () =>
  sql<{ payload: string }>(
    "SELECT payload FROM spanledger.audit_records WHERE action = 'content_read' ORDER BY payload",
  ).then((rows) =>
    rows.map(
      ({ payload }) =>
        JSON.parse(payload) as {
          actor: object;
          control: { record: string; reason: string };
          retention_class: string;
        },
    ),
  );

beforeAll(async () => {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'spanledger.yaml'), SETTINGS);
  expect((await run('ingest', CAPTURE)).code).toBe(0);
  const largest = (field: string) =>
    sql<{ id: string }>(
      `SELECT concat(chain_id, ':', toString(seq)) AS id FROM spanledger.audit_content WHERE field = '${field}' ORDER BY length(sealed) DESC, seq LIMIT 1`,
    );
  prompt = (await largest('prompt'))[0]!.id;
  tool = (await largest('result'))[0]!.id;
});

describe('spanledger content', () => {
  it('shows what was said, redacted, and has recorded who reads it and why', async () => {
    const ran = await run('content', prompt, ...WHY, '--actor', 'auditor-1', '--json');
    expect(ran.code).toBe(0);
    const { id, contents, content_read } = documentOf<{
      id: string;
      contents: { prompt: { text: string }; answer: { text: string } };
      content_read: string;
    }>(ran);
    expect(id).toBe(prompt);
    const [system, message] = JSON.parse(contents.prompt.text) as { role: string; text: string }[];
    expect(system).toMatchObject({ role: 'system' });
    expect(message!.text).toContain('Look up patient P-1042 (SSN ***REDACTED***)');
    expect(contents.answer.text).toContain('Done.');
    const [chain, seq] = content_read.split(':');
    const [read] = await sql<{ payload: string }>(
      `SELECT payload FROM spanledger.audit_records WHERE chain_id = '${chain}' AND seq = ${seq}`,
    );
    expect(JSON.parse(read!.payload)).toMatchObject({
      action: 'content_read',
      actor: { type: 'user', id: 'auditor-1' },
      control: { fields: ['answer', 'prompt'], reason: 'complaint 4711', record: prompt },
    });
    expect((await run('verify')).code).toBe(0);
  });

  it('shows one field to people, and keeps no secret of a reason', async () => {
    const ran = await run('content', tool, '--reason', 'she mailed jane@example.org', '--field', 'result');
    expect(ran.stdout).toMatch(/^result\n/);
    expect(ran.stdout).not.toContain('arguments');
    expect(ran.stderr).toMatch(/^This reading is record [0-9a-f]{32}:1\n$/);
    const read = (await reads()).find(({ control }) => control.record === tool)!;
    expect(read.control.reason).toBe('she mailed ***REDACTED***');
    const [{ retention_class }] = (await sql<{ retention_class: string }>(
      `SELECT retention_class FROM spanledger.audit_records WHERE concat(chain_id, ':', toString(seq)) = '${tool}'`,
    )) as [{ retention_class: string }];
    expect(read.retention_class).toBe(retention_class);
  });

  it('through a serve that has the directory', async () => {
    const before = (await reads()).length;
    const serving = await serve(dir);
    const ran = await run('content', prompt, ...WHY, '--json');
    expect(ran.code).toBe(0);
    expect(await serving.stop('SIGTERM')).toBe(0);
    expect(await reads()).toHaveLength(before + 1);
  });

  it.each([
    ['without a reason', () => [prompt], 2],
    ['with an empty reason', () => [prompt, '--reason', ' '], 2],
    ['of what is no id', () => ['nonsense', ...WHY], 2],
    ['of a field there is not', () => [prompt, ...WHY, '--field', 'thoughts'], 2],
  ])('is refused %s', async (_, args, exit) => {
    const before = (await reads()).length;
    expect((await run('content', ...args())).code).toBe(exit);
    expect(await reads()).toHaveLength(before);
  });

  it('is a bad answer of what there is only metadata of, and of a record that is not there', async () => {
    const opening = `${prompt.split(':')[0]}:0`;
    const metadata = await run('content', opening, ...WHY, '--json');
    expect([metadata.code, code(metadata)]).toEqual([1, 'content_not_kept']);
    expect(metadata.stderr).toContain('metadata only');
    const result = await run('content', prompt, ...WHY, '--field', 'result', '--json');
    expect([result.code, code(result)]).toEqual([1, 'content_not_kept']);
    const nobody = await run('content', `${prompt.split(':')[0]}:99999`, ...WHY, '--json');
    expect([nobody.code, code(nobody)]).toEqual([1, 'record_unknown']);
  });

  it('is refused without the key, and takes it from elsewhere', async () => {
    const file = join(dir, 'keys', 'content');
    expect(statSync(file).mode & 0o077).toBe(0);
    const key = readFileSync(file, 'utf8');
    const before = (await reads()).length;
    const other = `other ${Buffer.alloc(32, 5).toString('base64url')}`;
    const ask = (env: NodeJS.ProcessEnv = {}, ...more: string[]) =>
      spanledger(['content', prompt, ...WHY, '--json', '--dir', dir, ...more], { env });
    renameSync(file, `${file}.away`);
    try {
      const without = await ask();
      expect([without.code, code(without)]).toEqual([4, 'content_refused']);
      const wrong = await ask({ SPANLEDGER_CONTENT_KEY: other });
      expect([wrong.code, code(wrong)]).toEqual([4, 'content_refused']);
      const sameId = await ask({ SPANLEDGER_CONTENT_KEY: `${key.split(' ')[0]} ${other.split(' ')[1]}` });
      expect([sameId.code, code(sameId)]).toEqual([1, 'content_mismatch']);
      expect(await reads()).toHaveLength(before);
      expect((await ask({ SPANLEDGER_CONTENT_KEY: `${key}${other}` })).code).toBe(0);
      const config = join(dir, '..', 'command.yaml');
      writeFileSync(config, `${SETTINGS}vault: { key_command: [cat, ${file}.away] }\n`);
      expect((await ask({}, '--config', config)).code).toBe(0);
    } finally {
      renameSync(`${file}.away`, file);
    }
  });

  it('opens what was sealed before its key was followed by another', async () => {
    const file = join(dir, 'keys', 'content');
    appendFileSync(file, `c2 ${Buffer.alloc(32, 6).toString('base64url')}\n`);
    expect((await run('ingest', 'test/golden/captures/genkit-1.42.0/traces-001.json')).code).toBe(0);
    const masters = await sql<{ master: string }>(
      'SELECT DISTINCT master FROM spanledger.audit_content_keys',
    );
    expect(masters).toHaveLength(2);
    expect((await run('content', prompt, ...WHY)).code).toBe(0);
  });

  it('stands in no file in clear', () => {
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    const bytes = Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))));
    for (const words of ['medical records assistant', 'email her the results', 'labs were unavailable'])
      expect(bytes.includes(words)).toBe(false);
  });
});

it('a policy that vaults, with a key command that fails, records nothing and tells nothing of what it printed', async () => {
  const other = join(fileFolder(), 'ledger');
  mkdirSync(other, { recursive: true });
  writeFileSync(
    join(other, 'spanledger.yaml'),
    `${SETTINGS}vault: { key_command: [sh, -c, "echo not-a-key-but-a-secret; echo more-secret >&2; exit 3"] }\n`,
  );
  const ran = await spanledger(['ingest', CAPTURE, '--dir', other, '--json']);
  expect(ran.code).toBe(2);
  expect(ran.stdout + ran.stderr).not.toMatch(/secret/);
  writeFileSync(
    join(other, 'spanledger.yaml'),
    `${SETTINGS}vault: { key_command: [echo, not-a-key-but-a-secret] }\n`,
  );
  const wrong = await spanledger(['ingest', CAPTURE, '--dir', other, '--json']);
  expect(wrong.code).toBe(2);
  expect(wrong.stdout + wrong.stderr).not.toMatch(/secret/);
  expect(existsSync(join(other, 'keys', 'content'))).toBe(false);
  rmSync(join(other, 'spanledger.yaml'));
  copyFileSync(join(dir, 'spanledger.yaml'), join(other, 'spanledger.yaml'));
  expect((await spanledger(['ingest', CAPTURE, '--dir', other])).code).toBe(0);
});
