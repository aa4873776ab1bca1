import { settingsOf } from '../config/settings.ts';
import { SpanledgerError } from '../errors.ts';
import { type CheckedArchive, checkArchives } from '../retain/archive/check.ts';
import type { ListedArchive } from '../retain/archiving.ts';
import { ledgerKeys } from '../verify/trust.ts';
import { directoryOf, Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output, table } from './output.ts';
import { retained } from './retention.ts';
import { trustIn } from './trust.ts';

/** Archives of the folder, beside what the ledger says of them. 0; 1 where one is missing. */
export async function archiveListCommand(options: LedgerOptions, out: Output): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const archives = await retained<ListedArchive[]>(ledger, { what: 'archives' });
    out.document({ archives });
    const rows = archives.map((each) => [
      each.to,
      each.rows,
      each.bytes ?? '',
      each.created_at?.slice(0, 10) ?? '',
      each.state,
    ]);
    for (const line of table(['archive', 'records', 'bytes', 'made', 'state'], rows)) out.line(line);
    const missing = archives.filter(({ state }) => state === 'missing').length;
    if (missing > 0) out.log(`Warning: ${missing} archives that the ledger confirms are not in the folder`);
    return ledger.exitCode(missing > 0 ? 1 : 0);
  } finally {
    await ledger.close();
  }
}

export interface ArchiveVerifyOptions extends LedgerOptions {
  trust?: string;
}

/** Checks archives without the ledger they are of. 0; 1 where one is bad; 5 where there is none. */
export async function archiveVerifyCommand(
  folder: string | undefined,
  options: ArchiveVerifyOptions,
  out: Output,
): Promise<number> {
  const layout = directoryOf(options);
  const path = folder ?? settingsOf(layout, process.env, options.config).retention.archive?.directory;
  if (path === undefined)
    throw new SpanledgerError('usage_invalid', 'neither the command nor the settings name a folder', {
      hint: 'give it as an argument, or set retention: {archive: {directory: PATH}} in spanledger.yaml',
    });
  const trust = trustIn(layout, options.trust);
  const keys = trust === undefined ? [] : ledgerKeys(trust);
  if (keys.length === 0)
    throw new SpanledgerError('trust_invalid', 'nobody says whose signatures to believe', {
      hint: "give --trust a file with the ledger's public key, as its owner publishes it",
    });
  const archives: CheckedArchive[] = [];
  for await (const checked of checkArchives(path, keys)) {
    archives.push(checked);
    const { to, rows, linked, problems } = checked;
    out.line(
      inked`${to}: ${problems.length === 0 ? 'valid' : 'BAD'}, ${rows} records, ${linked} of them hash over the one before`,
    );
    for (const { code, chain_id, seq, detail } of problems)
      out.line(inked`  ${code}${chain_id === '' ? '' : ` ${chain_id}:${seq}`}: ${detail}`);
  }
  const bad = archives.filter(({ problems }) => problems.length > 0).length;
  const status = archives.length === 0 ? 'empty' : bad > 0 ? 'tampered' : 'valid';
  out.document({ status, folder: path, trust: trust!.source, archives });
  if (archives.length === 0) out.line(inked`There is no archive in ${path}`);
  return { empty: 5, tampered: 1, valid: 0 }[status];
}
