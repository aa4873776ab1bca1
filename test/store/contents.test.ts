import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment } from '../../src/config/deployment.ts';
import { Store } from '../../src/store/client.ts';
import { deliverContents, type PlacedContent } from '../../src/store/contents.ts';
import { migrate } from '../../src/store/migrate.ts';

describe('contents brought to the store', () => {
  const { layout } = createDeployment(mkdtempSync(join(tmpdir(), 'spanledger-test-')), {});
  let store: Store;
  beforeAll(async () => {
    store = await Store.embedded(layout);
    await migrate(store);
  });
  afterAll(async () => {
    await store.close();
    rmSync(layout.dir, { recursive: true, force: true });
  });

  const content = (text: string, expiresAt: number): PlacedContent => {
    const key = { id: 'ab'.repeat(16), subject: 'nobody', master: 'c1', wrapped: 'AAAA' };
    const sealed = Buffer.concat([Buffer.from(key.id, 'hex'), Buffer.from(text)]);
    const ref = `sha256:${hash('sha256', sealed, 'hex')}`;
    return { field: 'prompt', ref, retentionClass: 'default', expiresAt, key, sealed, chainId: text, seq: 1 };
  };
  const there = async () =>
    (await store.query<{ chain: string }>('SELECT chain_id AS chain FROM spanledger.audit_content')).map(
      ({ chain }) => chain,
    );

  it('are there once, however often they come, and not at all once their time is over', async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (let time = 0; time < 2; time++) {
      await deliverContents(store, [content('kept', now + 3_600)]);
      await deliverContents(store, [content('gone', now - 1)]);
    }
    expect(await there()).toEqual(['kept']);
  });
});
