import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { parseSettings, type Settings, type TokenSettings } from '../../src/config/settings.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { newLog } from '../../src/server/log.ts';
import { type Listening, Sidecar } from '../../src/server/sidecar.ts';
import type { Store } from '../../src/store/client.ts';
import type { Host } from '../../src/store/guest.ts';
import { StoreTarget } from '../../src/store/target.ts';
import { LEDGER_ID, MASTER, ORIGIN, openJournal, POLICY, writerIn } from './ledger-kit.ts';

export interface Running extends Listening {
  sidecar: Sidecar;
  journal: Journal;
  /** What `serve.json` says. */
  host: Host;
  /** Drains it. Its journal is left as it is: another may be started on it. */
  stop(): Promise<void>;
}

export interface SidecarSaid {
  tokens?: TokenSettings[];
  serve?: object;
  /** A folder; a new one where absent. */
  journal?: string;
}

const FREE = { host: '127.0.0.1', port: 0 };

/** A whole sidecar in this process, on a store that is open. */
export async function startSidecar(dir: string, store: Store, said: SidecarSaid = {}): Promise<Running> {
  const settings: Settings = parseSettings(
    JSON.stringify({ version: 1, serve: said.serve ?? {}, tokens: said.tokens ?? [] }),
    'settings of a test',
  );
  const journal = openJournal(
    said.journal ?? join(dir, 'journal', `serve-${randomBytes(4).toString('hex')}`),
  );
  const writer = writerIn(journal);
  const layout = layoutOf(dir);
  const sidecar = new Sidecar({
    layout,
    ledgerId: LEDGER_ID,
    origin: ORIGIN,
    policy: POLICY,
    master: [MASTER],
    store,
    target: new StoreTarget(store),
    writer,
    settings,
    otlp: FREE,
    grpc: FREE,
    admin: FREE,
    log: newLog('silent'),
  });
  const listening = await sidecar.start();
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= sidecar.stop().then(() => journal.close());
    return stopped;
  };
  onTestFinished(stop);
  const host = JSON.parse(readFileSync(layout.serveFile, 'utf8')) as Host;
  return { ...listening, sidecar, journal, host, stop };
}
