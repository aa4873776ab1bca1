import { openDeployment } from '../config/deployment.ts';
import { Store } from '../store/client.ts';
import { created, migrate, migrations, presentIn } from '../store/migrate.ts';
import { directoryOf, embeddedIn, type LedgerOptions } from './ledger.ts';
import type { Output } from './output.ts';

/** Brings the database to this version's schema. What of it was dropped since is made again, empty. */
export async function migrateCommand(options: LedgerOptions, out: Output): Promise<number> {
  const url = options.url ?? process.env.CLICKHOUSE_URL;
  const store = url === undefined ? (await openEmbedded(options)).store : Store.server(url);
  try {
    const applied = await migrate(store);
    const remade = await remakeDropped(store);
    out.document({ applied, remade, schema: migrations().map(({ name }) => name) });
    if (remade.length > 0)
      out.log(
        `Warning: ${remade.join(', ')} had been dropped, and begins empty. Next: spanledger verify, which sends again what the journals still hold and tells what is lost`,
      );
    out.line(applied.length === 0 ? 'The schema is up to date' : `Applied ${applied.join(', ')}`);
    return 0;
  } finally {
    await store.close();
  }
}

function openEmbedded(options: LedgerOptions) {
  return embeddedIn(openDeployment(directoryOf(options).dir, process.env).layout, 'write');
}

/** Tables and views that migrations made once and that are gone, in the order in which they were made. */
async function remakeDropped(store: Store): Promise<string[]> {
  const there = await presentIn(store);
  const remade: string[] = [];
  for (const [name, statement] of created()) {
    if (there.has(name)) continue;
    await store.command(statement);
    remade.push(`spanledger.${name}`);
  }
  return remade;
}
