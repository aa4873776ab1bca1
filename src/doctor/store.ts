import { isSpanledgerError } from '../errors.ts';
import type { Store } from '../store/client.ts';
import { asked } from './ask.ts';
import { bytesText, type Check, fail, ok, percent, skipped, warn } from './check.ts';
import { Grants, NEEDED, NEEDED_TO_VAULT, type Right, TOO_MUCH } from './grants.ts';

/** The oldest release the store's tests run against, and the newest engine they have run on. */
const OLDEST_TRIED = [25, 8] as const;
const NEWEST_TRIED = '26.7';

/** Part of a server's disk that should stay free: merges need room of their own. */
const LEAST_FREE = 0.1;

/** @throws SpanledgerError where it does not answer */
export async function versionCheck(store: Store): Promise<Check> {
  const [row] = await store.query<{ version: string }>('SELECT version() AS version');
  const { version } = row!;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const found = `ClickHouse ${version}, ${store.where === 'embedded' ? 'the embedded engine' : `at ${store.where}`}`;
  const isOlder = major < OLDEST_TRIED[0] || (major === OLDEST_TRIED[0] && minor < OLDEST_TRIED[1]);
  return isOlder
    ? warn(
        'store.engine',
        `${found}: it was tried with ${OLDEST_TRIED.join('.')} to ${NEWEST_TRIED}`,
        `update ClickHouse to ${OLDEST_TRIED.join('.')} or later`,
      )
    : ok('store.engine', found);
}

/** What this user may do: enough to write, and nothing that removes. */
export async function grantsCheck(store: Store, isVaulting: boolean): Promise<Check[]> {
  const check = 'store.grants';
  if (store.where === 'embedded')
    return [
      skipped(check, 'the embedded engine has no users: whoever may write the directory may do everything'),
    ];
  return asked(check, async () => {
    const grants = new Grants(await shownGrants(store));
    const [row] = await store.query<{ user: string }>('SELECT currentUser() AS user');
    const user = row!.user;
    const needed = isVaulting ? [...NEEDED, ...NEEDED_TO_VAULT] : NEEDED;
    const missing = needed.filter((each) => !grants.has(each));
    const tooMuch = TOO_MUCH.filter((each) => grants.hasSome(each));
    const writer = `GRANT spanledger_writer TO ${quoted(user)}`;
    if (missing.length > 0)
      return fail(
        check,
        `user ${user} lacks ${said(missing)}: what serve and ingest need`,
        `${writer}; deploy/clickhouse/grants.sql makes that role${isVaulting ? ', and content-grants.sql lets it vault' : ''}`,
      );
    if (tooMuch.length > 0)
      return warn(
        check,
        `user ${user} may ${said(tooMuch)}: records could be changed or removed with what serve holds`,
        `REVOKE ALL ON *.* FROM ${quoted(user)}; ${writer}; deploy/clickhouse/grants.sql makes that role`,
      );
    return ok(check, `user ${user} may ${said(needed)}, and change or remove nothing of the ledger`);
  });
}

/** With what the user's roles give, where the server can say so. */
async function shownGrants(store: Store): Promise<string[]> {
  const show = async (sql: string) => {
    const text = await store.text(sql, 'JSONEachRow');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => String(Object.values(JSON.parse(line) as object)[0]));
  };
  try {
    return await show('SHOW GRANTS FINAL');
  } catch (error) {
    if (!isSpanledgerError(error, 'store_failed')) throw error;
    return show('SHOW GRANTS');
  }
}

function said(rights: readonly Right[]): string {
  const tables = new Map<string, string[]>();
  for (const { right, table } of rights) tables.set(table, [...(tables.get(table) ?? []), right]);
  return [...tables].map(([table, names]) => `${names.join(', ')} on ${table}`).join(', ');
}

function quoted(user: string): string {
  return /^\w+$/.test(user) ? user : `\`${user.replace(/[\\`]/g, '\\$&')}\``;
}

/** Of the disks of a server; the embedded engine's are among ours. */
export async function storeDiskCheck(store: Store): Promise<Check[]> {
  const check = 'store.disk';
  if (store.where === 'embedded') return [];
  return asked(check, async () => {
    const disks = await store.query<{ name: string; free: string; total: string }>(
      'SELECT name, toString(free_space) AS free, toString(total_space) AS total FROM system.disks ORDER BY name',
    );
    return disks.map(({ name, free, total }) => {
      const found = `disk ${name} of ${store.where}: ${bytesText(Number(free))} free of ${bytesText(Number(total))} (${percent(Number(free), Number(total))})`;
      return Number(free) < LEAST_FREE * Number(total)
        ? warn(check, found, `free space on disk ${name} of the server, or add one`)
        : ok(check, found);
    });
  });
}
