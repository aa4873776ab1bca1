import { type Environment, openDeployment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { type Settings, settingsOf } from '../config/settings.ts';
import { isSpanledgerError } from '../errors.ts';
import { DEFAULT_MAX_BYTES } from '../journal/journal.ts';
import { policyOf } from '../policy/schema.ts';
import { vaults } from '../policy/vaulting.ts';
import type { Store } from '../store/client.ts';
import { asked } from './ask.ts';
import { type Check, failed, skipped } from './check.ts';
import { ntpCheck, recordsClockCheck, storeClockCheck } from './clock.ts';
import { directoryChecks } from './directory.ts';
import { diskChecks } from './disk.ts';
import { later, lookAtJournals } from './journals.ts';
import { keeperChecks, roundsChecks } from './keeper.ts';
import { contentKeysChecks, keyChecks } from './keys.ts';
import { processChecks } from './process.ts';
import { newestRecorded, recordsChecks } from './records.ts';
import { schemaChecks } from './schema.ts';
import { settingsChecks } from './settings.ts';
import { grantsCheck, storeDiskCheck, versionCheck } from './store.ts';
import { toolsChecks } from './tools.ts';

/** The store, open to look at; or why it is not: an error, or a reason that is none. */
export type Opened = { store: Store } | { error: unknown } | { reason: string };

export interface Patient {
  layout: Layout;
  env: Environment;
  /** A settings file; else the environment's, or the directory's own. */
  config: string | undefined;
  opened: Opened;
  /** Milliseconds since the epoch. */
  now: number;
}

export interface Diagnosis {
  checks: Check[];
  /** Why nothing could be asked of the store. */
  unreachable?: unknown;
}

/**
 * Looks at a deployment, from its directory to what its records say, and changes nothing. What cannot be looked at
 * keeps nobody from the rest.
 */
export async function examine({ layout, env, config, opened, now }: Patient): Promise<Diagnosis> {
  const { settings, checks: ofSettings } = lookAtSettings(layout, env, config, now);
  const journals = lookAtJournals(layout);
  const asking = await lookAtStore(opened, settings, async (store) => [
    ...(await contentKeysChecks(store, layout, env, settings)),
    ...(await roundsChecks(store, settings, now)),
  ]);
  const checks = [
    ...directoryChecks(layout, env),
    ...ofSettings,
    ...keyChecks(layout, env),
    ...keeperChecks(layout, env, settings, ledgerIdIn(layout, env)),
    ...(asking.unseen ?? [recordsClockCheck(later(journals.newest, asking.newest), now)]),
    ...asking.clock,
    ntpCheck(),
    ...diskChecks(layout, settings?.serve.max_journal_bytes ?? DEFAULT_MAX_BYTES, journals.bytes),
    ...journals.checks,
    ...asking.checks,
    ...processChecks(env),
  ];
  return { checks, ...('unreachable' in asking ? { unreachable: asking.unreachable } : {}) };
}

/** Undefined where another check says what is wrong with it. */
function ledgerIdIn(layout: Layout, env: Environment): string | undefined {
  try {
    return openDeployment(layout.dir, env).ledgerId;
  } catch (error) {
    if (isSpanledgerError(error)) return undefined;
    throw error;
  }
}

function lookAtSettings(layout: Layout, env: Environment, config: string | undefined, now: number) {
  const source = config ?? env.SPANLEDGER_CONFIG ?? layout.settingsFile;
  let settings: Settings | undefined;
  try {
    settings = settingsOf(layout, env, config);
  } catch (error) {
    return { settings: undefined, checks: [failed('settings.file', error)] };
  }
  return { settings, checks: settingsChecks(layout, settings, source, env, now) };
}

interface Asking {
  checks: Check[];
  clock: Check[];
  newest?: string | undefined;
  /** Why the newest record is not known. */
  unseen?: Check[];
  unreachable?: unknown;
}

async function lookAtStore(
  opened: Opened,
  settings: Settings | undefined,
  keysChecks: (store: Store) => Promise<Check[]>,
): Promise<Asking> {
  if ('reason' in opened) return { checks: [skipped('store.engine', opened.reason)], clock: [] };
  if ('error' in opened) return unreachable(opened.error);
  const { store } = opened;
  let version: Check;
  try {
    version = await versionCheck(store);
  } catch (error) {
    return unreachable(error);
  }
  const clock = [await storeClockCheck(store)];
  let newest: string | undefined;
  const unseen = await asked('clock.records', async () => {
    newest = await newestRecorded(store);
    return [];
  });
  const checks = [
    version,
    ...(await grantsCheck(store, settings !== undefined && vaults(policyOf(settings.policy)))),
    ...(await storeDiskCheck(store)),
    ...(await schemaChecks(store)),
    ...(await keysChecks(store)),
    ...(await recordsChecks(store, settings)),
    ...(await toolsChecks(store)),
  ];
  return { checks, clock, newest, ...(unseen.length === 0 ? {} : { unseen }) };
}

function unreachable(error: unknown): Asking {
  if (!isSpanledgerError(error)) throw error;
  return { checks: [failed('store.engine', error)], clock: [], unreachable: error };
}
