import { contentKeysOf } from '../config/content-keys.ts';
import { type Environment, openDeployment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import type { Settings } from '../config/settings.ts';
import { isSpanledgerError } from '../errors.ts';
import type { Store } from '../store/client.ts';
import { asked, LOOK_SECONDS } from './ask.ts';
import { type Check, count, failed, ok, skipped, warn } from './check.ts';

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

/**
 * Whether what the vault holds can be opened here: which keys wrapped it, against those that are given. The command that
 * may print them is not run.
 */
export async function contentKeysChecks(
  store: Store,
  layout: Layout,
  env: Environment,
  settings: Settings | undefined,
): Promise<Check[]> {
  const check = 'keys.content';
  return asked(check, async () => {
    const rows = await store.query<{ master: string; keys: string }>(
      `SELECT master, toString(uniqExact(key_id)) AS keys FROM spanledger.audit_content_keys GROUP BY master ORDER BY master
       SETTINGS max_execution_time = ${LOOK_SECONDS}`,
    );
    if (rows.length === 0) return [];
    if (settings?.vault.key_command !== undefined && env.SPANLEDGER_CONTENT_KEY === undefined)
      return skipped(check, `vault.key_command prints them, and is not run; they must be ${names(rows)}`);
    const given = givenIds(layout, env);
    const lost = rows.filter(({ master }) => !given.has(master));
    if (lost.length === 0) return ok(check, `contents are under ${names(rows)}, which is given`);
    const persons = lost.reduce((sum, { keys }) => sum + Number(keys), 0);
    return warn(
      check,
      `${count(persons, 'data key')} under ${names(lost)} cannot be opened here: that key is not given`,
      `put the line of ${lost[0]!.master} back into ${layout.contentKeyFile}, above the newest, from a backup`,
    );
  });
}

/** None is no mistake: who looks need not be who may read. */
function givenIds(layout: Layout, env: Environment): ReadonlySet<string> {
  try {
    return new Set(contentKeysOf(layout, { env }).map(({ id }) => id));
  } catch (error) {
    if (!isSpanledgerError(error, 'content_refused')) throw error;
    return new Set();
  }
}

function names(rows: readonly { master: string }[]): string {
  return rows.map(({ master }) => master).join(', ');
}
