import { existsSync, readFileSync } from 'node:fs';
import { parseTrust, trustedKeys } from '../chain/trust.ts';
import type { Environment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { ledgerKeyPlace, ledgerSigner } from '../config/ledger-key.ts';
import { originOf, type Settings } from '../config/settings.ts';
import { FileLock } from '../journal/lock.ts';
import { controlChains } from '../store/chains.ts';
import type { Store } from '../store/client.ts';
import { asked, LOOK_SECONDS } from './ask.ts';
import { type Check, failed, ok, skipped, warn } from './check.ts';

/** The key that signs the ledger's checkpoints, whom a verifier here believes, and which process keeps the ledger. */
export function keeperChecks(
  layout: Layout,
  env: Environment,
  settings: Settings | undefined,
  ledgerId: string | undefined,
): Check[] {
  if (settings === undefined || ledgerId === undefined) return [];
  return [signerCheck(layout, env, settings, ledgerId), processCheck(layout, settings)];
}

function signerCheck(layout: Layout, env: Environment, settings: Settings, ledgerId: string): Check {
  const check = 'keys.ledger';
  try {
    const source = { origin: originOf(ledgerId, settings, env), env, keys: settings.keys };
    const place = ledgerKeyPlace(source);
    if (place === 'file' && !existsSync(layout.ledgerKeyFile))
      return skipped(check, 'no key signs for the ledger yet', 'spanledger keys init');
    const { vkey } = ledgerSigner(layout, source);
    const { trustFile } = layout;
    const trusted = existsSync(trustFile) ? trustedKeys(parseTrust(readFileSync(trustFile, 'utf8'))) : [];
    if (!trusted.some(({ text }) => text === vkey))
      return warn(
        check,
        `${vkey} signs, and ${trustFile} does not have it: who verifies here believes nothing it signs`,
        `add that line to ${trustFile}`,
      );
    const named = source.origin === `spanledger.local/${ledgerId}` ? ', under the origin made of its id' : '';
    return ok(check, `${vkey} signs${named}, from ${place}; the trust file has it`);
  } catch (error) {
    return failed(check, error);
  }
}

function processCheck({ keeperLock }: Layout, { keeper }: Settings): Check {
  const check = 'keeper.process';
  if (existsSync(keeperLock) && FileLock.isHeld(keeperLock))
    return ok(check, `process ${FileLock.holder(keeperLock) ?? 'unknown'} keeps the ledger`);
  if (!keeper.enabled) return skipped(check, 'keeper.enabled is false: another directory keeps the ledger');
  // Where commands do it from cron, none runs now: keeper.rounds says how long ago one did.
  return skipped(
    check,
    'no process keeps the ledger now',
    'run spanledger serve, or spanledger checkpoint from cron',
  );
}

/** What the store shows of keepers: how old the newest round is, and whether two write. */
export async function roundsChecks(
  store: Store,
  settings: Settings | undefined,
  now: number,
): Promise<Check[]> {
  const seconds = settings?.keeper.round_seconds ?? 300;
  return asked('keeper.rounds', async () => {
    const [row] = await store.query<{ rounds: string; newest: string }>(
      `SELECT toString(count()) AS rounds, toString(toUnixTimestamp64Milli(max(occurred_at))) AS newest FROM spanledger.audit_records
       WHERE retention_class = 'ledger' AND action = 'round' SETTINGS max_execution_time = ${LOOK_SECONDS}`,
    );
    const alive = (await controlChains(store)).filter(({ last }) => now / 1_000 - last < 900);
    if (alive.length > 1)
      return warn(
        'keeper.rounds',
        `${alive.length} keepers write: ${alive.map(({ chain_id }) => chain_id).join(', ')}`,
        'set keeper.enabled: false in all directories but one',
      );
    const rounds = Number(row?.rounds ?? 0);
    if (rounds === 0) return skipped('keeper.rounds', 'no round was made yet', 'spanledger checkpoint');
    const age = Math.round((now - Number(row!.newest)) / 1_000);
    const found = `${rounds} rounds, the newest ${age} seconds old`;
    return age <= 2 * seconds
      ? ok('keeper.rounds', found)
      : warn('keeper.rounds', found, 'see whether spanledger serve runs, and what its log says of rounds');
  });
}
