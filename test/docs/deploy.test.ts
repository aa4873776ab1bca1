import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { parseSettings, settingsSchema } from '../../src/config/settings.ts';
import { Store } from '../../src/store/client.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

describe.each([
  ['grants.sql', ['writer', 'reader', 'retention', 'migrator']],
  ['content-grants.sql', ['content_reader']],
])('deploy/clickhouse/%s', (file, jobs) => {
  let dir: string;
  let store: Store;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'spanledger-test-'));
    store = await Store.embedded(layoutOf(dir));
  });
  afterAll(async () => {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const statements = readFileSync(`deploy/clickhouse/${file}`, 'utf8')
    .replace(/^--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

  it.each(statements)("%s is the engine's own SQL", async (statement) => {
    const [row] = await store.query<{ sql: string }>('SELECT formatQuery({statement:String}) AS sql', {
      statement,
    });
    expect(row!.sql).toMatch(/^(GRANT|REVOKE|CREATE ROLE)/);
  });

  it('lets nobody but the migrator alter anything but the TTL clock, which is for retention', () => {
    for (const statement of statements.filter((each) => /ALTER|DELETE|DROP|TRUNCATE/.test(each))) {
      if (statement.includes('ALTER UPDATE(purge_after)'))
        expect(statement).toBe(
          'GRANT SELECT, ALTER UPDATE(purge_after) ON spanledger.audit_records TO spanledger_retention',
        );
      else expect(statement).toContain('TO spanledger_migrator');
    }
  });

  it('gives rights to roles that are there', () => {
    const made =
      readFileSync('deploy/clickhouse/grants.sql', 'utf8') +
      readFileSync(`deploy/clickhouse/${file}`, 'utf8');
    for (const statement of statements) {
      const [, role] = /(?:TO|FROM) (\w+)$/.exec(statement) ?? [];
      if (role !== undefined) expect(made).toContain(`CREATE ROLE IF NOT EXISTS ${role}`);
    }
  });

  it('has a role for each job', () => {
    const roles = statements.flatMap((each) => /^CREATE ROLE IF NOT EXISTS (\w+)/.exec(each)?.[1] ?? []);
    expect(roles).toEqual(jobs.map((job) => `spanledger_${job}`));
  });
});

describe('deploy/spanledger.yaml', () => {
  const text = readFileSync('deploy/spanledger.yaml', 'utf8');

  it('says what holds without it', () => {
    expect(parseSettings(text, 'spanledger.yaml')).toEqual({
      ...parseSettings('version: 1', 'spanledger.yaml'),
      serve: expect.objectContaining({ otlp_listen: '127.0.0.1:4318', insecure: false }),
    });
  });

  it('holds examples that are settings too', () => {
    const examples = text
      .replace(/^(tokens|vault|keys|anchors): (\[\]|\{\})$/gm, '$1:')
      .replace(/^(\s*)#(?! \S|$)/gm, '$1');
    const settings = parseSettings(examples, 'spanledger.yaml');
    expect(settings.tokens).toHaveLength(1);
    expect(settings.serve.forward?.endpoint).toBe('http://127.0.0.1:14318');
    expect(settings.policy.tools).toHaveLength(1);
    expect(settings.policy.content?.prompts).toBe('vault');
    expect(settings.vault.key_command).toHaveLength(2);
    expect(settings.anchors.map(({ kind }) => kind)).toEqual(['directory', 's3', 'tsa', 'witness']);
    expect(settings.keys.ledger_command).toHaveLength(3);
    expect(settings.keeper.webhook?.url).toBe('https://alerts.example/spanledger');
  });

  it('has a schema for editors, as it is read', () => {
    const schema: unknown = JSON.parse(readFileSync('deploy/spanledger.schema.json', 'utf8'));
    expect(schema).toEqual(JSON.parse(JSON.stringify(settingsSchema())));
  });
});

describe('spanledger init', () => {
  it('makes a directory that serves, and changes nothing of one that is there', async () => {
    const dir = join(temporaryFolder(), 'new');
    const made = documentOf<{ made: string[]; ledger_id: string }>(
      await spanledger(['init', '--dir', dir, '--json']),
    );
    expect(made.made).toHaveLength(5);
    expect(readFileSync(join(dir, 'spanledger.yaml'), 'utf8')).toBe(
      readFileSync('deploy/spanledger.yaml', 'utf8'),
    );
    for (const key of ['master', 'ledger']) expect(statSync(join(dir, 'keys', key)).mode & 0o077).toBe(0);
    const again = await spanledger(['init', '--dir', dir, '--json']);
    expect(documentOf(again)).toMatchObject({ made: [], ledger_id: made.ledger_id });
    const explained = await spanledger(['policy', 'explain', 'issue_refund', '--dir', dir, '--json']);
    expect(documentOf(explained)).toMatchObject({
      rules: [
        { id: 'builtin.payments', domains: ['financial'] },
        { id: 'builtin.money', tags: ['money'] },
      ],
      record: { retention_class: 'financial', unclassified: false },
    });
  });
});
