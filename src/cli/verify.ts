import { SpanledgerError } from '../errors.ts';
import type { Verification } from '../verify/findings.ts';
import { verify } from '../verify/verify.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { indented, ink, inked, type Output, type Text, table } from './output.ts';
import { Progress } from './progress.ts';
import { requireId } from './usage.ts';

export interface VerifyCommandOptions extends LedgerOptions {
  conversation?: string;
  engine?: string;
}

/** 0 valid, 1 tampered, 5 nothing proven; 1 too when the store was just found not to hold what it had confirmed. */
export async function verifyCommand(options: VerifyCommandOptions, out: Output): Promise<number> {
  const engine = options.engine ?? 'sql';
  if (engine !== 'sql' && engine !== 'node') {
    throw new SpanledgerError('usage_invalid', `--engine is sql or node, not ${engine}`, {
      hint: 'leave it out: sql is the default, node hashes in this process',
    });
  }
  if (options.conversation !== undefined) requireId(options.conversation, '--conversation');
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const progress = new Progress('verified');
    const result = await verify(ledger.store, {
      ledgerId: ledger.deployment.ledgerId,
      engine,
      ...(options.conversation === undefined ? {} : { conversation: options.conversation }),
      progress: (done, total) => progress.update(done, total),
    });
    progress.done();
    await ledger.tellVerified(result.status);
    out.document(result);
    for (const line of verificationLines(result)) out.line(line);
    return ledger.exitCode(result.status === 'valid' ? 0 : result.status === 'tampered' ? 1 : 5);
  } finally {
    await ledger.close();
  }
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
    const rows = findings
      .slice(0, MAX_FINDINGS)
      .map((f) => [
        f.severity,
        f.code,
        `${f.chain_id}:${f.seq}${f.to === undefined || f.to === f.seq ? '' : ` to ${f.to}`}`,
        f.detail,
      ]);
    lines.push(...table(['severity', 'finding', 'record', 'detail'], rows).map(indented));
    if (findings.length > MAX_FINDINGS)
      lines.push(`  and ${findings.length - MAX_FINDINGS} more: see them all with --json`);
  }
  if (status === 'empty') lines.push('  there are no records: nothing is proven');
  return lines;
}
