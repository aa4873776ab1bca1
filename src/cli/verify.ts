import { SpanledgerError } from '../errors.ts';
import type { Finding, Verification } from '../verify/findings.ts';
import { readState, writeState } from '../verify/state.ts';
import { judgeLedger } from '../verify/verify.ts';
import { anchoredOf } from './anchored.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { indented, ink, inked, type Output, type Text, table } from './output.ts';
import { Progress } from './progress.ts';
import { trustIn } from './trust.ts';
import { requireId } from './usage.ts';

export interface VerifyCommandOptions extends LedgerOptions {
  conversation?: string;
  engine?: string;
  resource?: string;
  from?: string;
  to?: string;
  trust?: string;
  /** Folders that hold checkpoints of it, beside the anchors of the settings. */
  anchor?: string[];
  /** The roots of timestamp authorities, PEM, in place of those in the settings. */
  tsaCa?: string;
  state?: string;
  incremental?: boolean;
  full?: boolean;
}

/** 0 valid, 1 tampered, 5 nothing proven; 1 too when the store was just found not to hold what it had confirmed. */
export async function verifyCommand(options: VerifyCommandOptions, out: Output): Promise<number> {
  const engine = options.engine ?? 'sql';
  if (engine !== 'sql' && engine !== 'node') {
    throw new SpanledgerError('usage_invalid', `--engine is sql or node, not ${engine}`, {
      hint: 'leave it out: sql is the default, node hashes in this process',
    });
  }
  const { conversation, resource, from, to, incremental = false } = options;
  if (conversation !== undefined) requireId(conversation, '--conversation');
  if (resource !== undefined) requireId(resource, '--resource');
  const isPart = [conversation, resource, from, to].some((each) => each !== undefined);
  if (incremental && (options.full === true || isPart))
    throw new SpanledgerError(
      'usage_invalid',
      '--incremental goes with neither --full nor a part of the ledger',
      {
        hint: 'it goes on from where the last verification ended, over the whole ledger',
      },
    );
  const ledger = await Ledger.open(options, 'read');
  try {
    const { ledgerId, layout } = ledger.deployment;
    const trust = trustIn(layout, options.trust) ?? null;
    const statePath = options.state ?? layout.stateFile;
    const state = readState(statePath, ledgerId);
    await ledger.drain(out);
    if (incremental && state === undefined) out.log(`There is no ${statePath} to go on from: all is read.`);
    const progress = new Progress('verified');
    const { verification: result, state: next } = await judgeLedger(ledger.store, {
      ledgerId,
      engine,
      incremental,
      trust,
      ...(await anchoredOf(ledger, options.anchor ?? [], options.tsaCa)),
      full: options.full === true,
      ...(state && { state }),
      ...(conversation === undefined ? {} : { conversation }),
      ...(resource === undefined ? {} : { resource }),
      ...(from === undefined ? {} : { from: timeOf(from, '--from') }),
      ...(to === undefined ? {} : { to: timeOf(to, '--to') }),
      progress: (done, total) => progress.update(done, total),
    });
    progress.done();
    if (next !== undefined) writeState(statePath, next);
    await ledger.tellVerified(result.status);
    out.document(result);
    for (const line of verificationLines(result)) out.line(line);
    return ledger.exitCode(result.status === 'valid' ? 0 : result.status === 'tampered' ? 1 : 5);
  } finally {
    await ledger.close();
  }
}

function timeOf(text: string, what: string): string {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new SpanledgerError('usage_invalid', `${what} is no time: ${text}`, {
    hint: 'write it as 2026-03-01 or 2026-03-01T12:00:00Z',
  });
}

const MAX_FINDINGS = 20;

export function verificationLines(result: Verification): Text[] {
  const { status, records_checked, chains, elapsed_ms } = result;
  const colour = status === 'valid' ? ink.green : status === 'tampered' ? ink.red : ink.yellow;
  const lines: Text[] = [
    inked`${ink.bold(colour(status))}: ${records_checked} records in ${chains.length} chains checked in ${elapsed_ms} ms`,
  ];
  const { findings } = result;
  if (findings.length > 0) {
    // Which record is what is asked first; what is about the ledger as a whole follows, however many there are.
    const records = findings.filter(({ chain_id }) => chain_id !== '').slice(0, MAX_FINDINGS);
    const shown = [...records, ...findings.filter(({ chain_id }) => chain_id === '').slice(0, MAX_FINDINGS)];
    const rows = shown.map((f) => [f.severity, f.code, placeOf(f), f.detail]);
    lines.push(...table(['severity', 'finding', 'record', 'detail'], rows).map(indented));
    if (findings.length > shown.length)
      lines.push(`  and ${findings.length - shown.length} more: see them all with --json`);
  }
  const { trust, trusted_keys, checkpoints_verified, rounds_verified, anchors_verified, unanchored } = result;
  if (checkpoints_verified + rounds_verified > 0)
    lines.push(
      `  ${checkpoints_verified} checkpoints, ${rounds_verified} rounds and ${anchors_verified} anchors verified; ${unanchored} records are vouched for by their own chain alone`,
    );
  if (trust !== 'none')
    lines.push(
      `  believing ${trusted_keys.join(', ')}${trust === 'local' ? ', as the directory itself says' : ''}`,
    );
  if (status === 'incomplete' && trust === 'none')
    lines.push('  nobody says whose signatures to believe: name a file of keys with --trust');
  for (const each of result.unchecked) lines.push(inked`  not checked: ${each}`);
  if (status === 'empty') lines.push('  there are no records: nothing is proven');
  return lines;
}

function placeOf({ chain_id, seq, to }: Finding): string {
  if (chain_id === '') return 'the ledger';
  return `${chain_id}:${seq}${to === undefined || to === seq ? '' : ` to ${to}`}`;
}
