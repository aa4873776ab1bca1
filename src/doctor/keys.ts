import { type Environment, openDeployment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { type Check, failed, ok } from './check.ts';

/** Only its shape: the ledger's id is another check's. */
const ANY_LEDGER = '00000000-0000-0000-0000-000000000000';

/** The master keys that pseudonyms come from: there, readable, and their names. Nothing of a key itself is told. */
export function keyChecks(layout: Layout, env: Environment): Check[] {
  try {
    const { master } = openDeployment(layout.dir, { ...env, SPANLEDGER_LEDGER_ID: ANY_LEDGER });
    const source = env.SPANLEDGER_MASTER_KEY === undefined ? layout.masterKeyFile : 'SPANLEDGER_MASTER_KEY';
    const [newest, ...older] = master.map(({ id }) => id).reverse();
    const others = older.length === 0 ? '' : `; ${older.join(', ')} still recognised`;
    return [ok('keys.master', `pseudonyms are made under key ${newest}, from ${source}${others}`)];
  } catch (error) {
    return [failed('keys.master', error)];
  }
}
