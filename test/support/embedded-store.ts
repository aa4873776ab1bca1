import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createDeployment } from '../../src/config/deployment.ts';
import type { Layout } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';

/** An embedded store of a new deployment, with its schema, for the tests of a block: gone after them. */
export function embeddedStore(): { layout: Layout; store: Store } {
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
  return {
    layout,
    get store() {
      return store;
    },
  };
}
