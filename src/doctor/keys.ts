import { type Environment, openDeployment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { type Check, failed, ok } from './check.ts';

/** Only its shape: the ledger's id is another check's. */
const ANY_LEDGER = '00000000-0000-0000-0000-000000000000';

/** The master key that pseudonyms come from: there, readable, and whose name. Nothing of the key itself is told. */
export function keyChecks(layout: Layout, env: Environment): Check[] {
  try {
    const { master } = openDeployment(layout.dir, { ...env, SPANLEDGER_LEDGER_ID: ANY_LEDGER });
    const source = env.SPANLEDGER_MASTER_KEY === undefined ? layout.masterKeyFile : 'SPANLEDGER_MASTER_KEY';
    return [ok('keys.master', `pseudonyms are made under key ${master.id}, from ${source}`)];
  } catch (error) {
    return [failed('keys.master', error)];
  }
}
