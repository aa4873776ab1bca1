import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, it, onTestFinished } from 'vitest';
import { layoutOf } from '../../../src/config/layout.ts';
import { Store } from '../../../src/store/client.ts';
import { fileFolder } from '../../support/ledger-kit.ts';
import { ServedClickHouse } from '../../support/served-clickhouse.ts';
import { mountMissing } from '../../support/tmpfs.ts';
import { FAULTS, type Fault, type Need, tried } from './faults.ts';
import { Ground, type Server } from './ground.ts';

/** Of all faults together; more by `npm run faults -- --rounds 1000`. */
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 20);
const SHARES = FAULTS.reduce((sum, { share = 0 }) => sum + share, 0);
/** Where the lines of the table go. */
const TABLE = process.env.FAULT_TABLE;

/** The faults of one kind of store, each a test, and each a line of the table. */
export function matrix(store: Fault['store']): void {
  const missing: { [need in Need]: string | undefined } = { gcc: gccMissing(), mount: mountMissing() };
  describe(`a sidecar with ${store === 'embedded' ? 'an engine of its own' : 'a server as its store'}`, () => {
    const folder = fileFolder();
    let engine: Store | undefined;
    afterAll(async () => engine?.close());
    for (const each of FAULTS.filter((fault) => fault.store === store)) {
      const { fault, twin, needs, share = 0 } = each;
      const skip = needs && missing[needs];
      const rounds = share === 0 ? 1 : Math.max(1, Math.round((ROUNDS * share) / SHARES));
      it.skipIf(skip)(
        `${fault}: ${twin}${skip ? `: skipped, ${skip}` : ''}`,
        async () => {
          if (store === 'server') engine ??= await Store.embedded(layoutOf(join(folder, 'server')));
          const server = engine && (await emptied(engine));
          const found = await tried(each, new Ground(server), rounds);
          if (TABLE !== undefined)
            appendFileSync(TABLE, `${JSON.stringify({ fault, twin, store, rounds, ...found })}\n`);
        },
        60_000 + rounds * 10_000,
      );
    }
  });
}

/** A server with nothing in it. */
async function emptied(store: Store): Promise<Server> {
  await store.command('DROP DATABASE IF EXISTS spanledger SYNC');
  const served = new ServedClickHouse(store);
  await served.listen();
  onTestFinished(() => served.leave());
  return { served, store };
}

function gccMissing(): string | undefined {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux' ? undefined : 'LD_PRELOAD is for Linux';
  } catch {
    return 'gcc is not here';
  }
}
