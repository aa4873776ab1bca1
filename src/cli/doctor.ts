import { accessSync, constants, existsSync } from 'node:fs';
import type { Layout } from '../config/layout.ts';
import { type Check, type Status, worstOf } from '../doctor/check.ts';
import { examine, type Opened } from '../doctor/doctor.ts';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import { Store } from '../store/client.ts';
import { databaseGone, directoryOf, embeddedIn, type LedgerOptions } from './ledger.ts';
import { ink, inked, type Output, type Text } from './output.ts';

/**
 * Looks at a deployment and says what to do; changes nothing. 3 where the store cannot be asked, whatever else is found;
 * else 1 where a check fails.
 */
export async function doctorCommand(options: LedgerOptions, out: Output): Promise<number> {
  const layout = directoryOf(options);
  if (!existsSync(layout.dir))
    throw new SpanledgerError('directory_missing', `there is no directory ${layout.dir}`, {
      hint: 'give the directory of a ledger with --dir, or make one with `spanledger init`',
    });
  const opened = await openToLook(layout, options.url ?? process.env.CLICKHOUSE_URL);
  try {
    const { config } = options;
    const diagnosis = await examine({ layout, env: process.env, config, opened, now: Date.now() });
    const { checks, unreachable } = diagnosis;
    const status = worstOf(checks);
    out.document({ status, checks });
    for (const line of linesOf(checks)) out.line(line);
    return isSpanledgerError(unreachable) && unreachable.exitCode === 3 ? 3 : status === 'fail' ? 1 : 0;
  } finally {
    if ('store' in opened) await opened.store.close();
  }
}

/** The store as it is: neither the database nor its lock file is made where there is none. */
async function openToLook(layout: Layout, url: string | undefined): Promise<Opened> {
  if (url !== undefined) return { store: Store.server(url) };
  try {
    return await openEmbedded(layout);
  } catch (error) {
    if (isSpanledgerError(error)) return { error };
    if (!(error instanceof Error && 'errno' in error)) throw error;
    const hint = `does ${layout.dir} belong to another user, or is it mounted read-only? To open the database its lock must be written`;
    return { error: new SpanledgerError('store_unreachable', error.message, { cause: error, hint }) };
  }
}

async function openEmbedded(layout: Layout): Promise<Opened> {
  // What may not be looked into has nothing in it, as far as `existsSync` can say.
  accessSync(layout.dir, constants.R_OK | constants.X_OK);
  if (!existsSync(layout.clickhouse))
    return existsSync(layout.storeLock)
      ? { error: databaseGone(layout.clickhouse) }
      : { reason: `there is no database in ${layout.dir} yet: the first command that reads makes it` };
  if (!existsSync(layout.storeLock))
    return {
      reason: `there is no ${layout.storeLock}, which nobody opens the database without: spanledger verify makes it`,
    };
  return { store: (await embeddedIn(layout, 'look')).store };
}

const PAINT: { [status in Status]: (text: Text) => Text } = {
  ok: ink.green,
  warn: ink.yellow,
  fail: ink.red,
  skipped: ink.dim,
};

/** Groups with what was found in each; at the end again what is to be done, the worst first. */
function linesOf(checks: readonly Check[]): Text[] {
  const lines: Text[] = [];
  const width = checks.reduce((most, each) => Math.max(most, nameOf(each).length), 0);
  let group: string | undefined;
  for (const each of checks) {
    if (groupOf(each) !== group) {
      group = groupOf(each);
      lines.push(ink.bold(group));
    }
    lines.push(inked`  ${word(each.status)}  ${nameOf(each).padEnd(width)}  ${each.found}`);
    if (each.status === 'skipped' && each.remedy !== undefined)
      lines.push(inked`${' '.repeat(width + 13)}${ink.yellow('Try:')} ${each.remedy}`);
  }
  lines.push('', summary(checks));
  for (const status of ['fail', 'warn'] as const)
    for (const each of checks.filter((check) => check.status === status)) {
      lines.push(inked`  ${word(status)}  ${each.check}: ${each.found}`);
      if (each.remedy !== undefined) lines.push(inked`           ${ink.yellow('Try:')} ${each.remedy}`);
    }
  return lines;
}

function summary(checks: readonly Check[]): Text {
  const worst = worstOf(checks);
  const counted = (status: Status) => checks.filter((each) => each.status === status).length;
  const numbers = (['ok', 'warn', 'fail', 'skipped'] as const).map(
    (status) => `${counted(status)} ${status}`,
  );
  return inked`${ink.bold(PAINT[worst](worst))}: ${checks.length} checks: ${numbers.join(', ')}`;
}

function word(status: Status): Text {
  return PAINT[status](status.padEnd('skipped'.length));
}

function groupOf({ check }: Check): string {
  return check.split('.')[0]!;
}

function nameOf({ check }: Check): string {
  return check.slice(groupOf({ check } as Check).length + 1) || check;
}
