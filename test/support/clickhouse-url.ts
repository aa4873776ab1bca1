import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { ServedClickHouse } from './served-clickhouse.ts';

/** Before the store's tests run over HTTP: against the server that CLICKHOUSE_URL names, else the embedded engine's. */
export default async function serve(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.CLICKHOUSE_URL !== undefined) return undefined;
  console.log('CLICKHOUSE_URL names no server: the tests ask the embedded engine over HTTP');
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-test-'));
  const store = await Store.embedded(layoutOf(folder));
  const served = new ServedClickHouse(store);
  await served.listen();
  process.env.CLICKHOUSE_URL = served.url;
  return async () => {
    await served.leave();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  };
}
