import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';

describe('deploy/clickhouse/grants.sql', () => {
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

  const statements = readFileSync('deploy/clickhouse/grants.sql', 'utf8')
    .replace(/^--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

  it.each(statements)("%s is the engine's own SQL", async (statement) => {
    const [row] = await store.query<{ sql: string }>('SELECT formatQuery({statement:String}) AS sql', {
      statement,
    });
    expect(row!.sql).toMatch(/^(GRANT|CREATE ROLE)/);
  });

  it('lets nobody but the migrator alter anything', () => {
    for (const statement of statements.filter((each) => /ALTER|DELETE|DROP|TRUNCATE/.test(each))) {
      expect(statement).toContain('TO spanledger_migrator');
    }
  });
});
