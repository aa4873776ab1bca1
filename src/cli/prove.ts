import { replaceFile } from '../config/durable.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { prove } from '../verify/prove.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';
import { trustIn } from './trust.ts';
import { placeOf } from './usage.ts';

export interface ProveOptions extends LedgerOptions {
  out?: string;
  withoutPayload?: boolean;
  trust?: string;
}

/** Writes the proof of one record to a file, readable by its owner: it may show what the record says. */
export async function proveCommand(id: string, options: ProveOptions, out: Output): Promise<number> {
  const { chainId, seq } = placeOf(id);
  const file = options.out ?? `${chainId}-${seq}.proof`;
  if (file === '')
    throw new SpanledgerError('usage_invalid', '--out is empty', { hint: 'name a file, or leave it out' });
  const payload = options.withoutPayload !== true;
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const { ledgerId, layout } = ledger.deployment;
    const trusted = trustIn(layout, options.trust);
    const trust = trusted?.trust;
    const proved = await prove(ledger.store, chainId, seq, { ledgerId, payload, trust });
    // READING: once reading a record is recorded, who reads this one, and why, is durable before the file is there.
    try {
      replaceFile(file, proved.proof);
    } catch (cause) {
      throw new SpanledgerError('config_invalid', `${file} cannot be written: ${messageOf(cause)}`, {
        cause,
        hint: 'name a file in a folder this user may write in, with --out',
      });
    }
    out.document({ id, file, payload: proved.payload });
    out.line(inked`${id} is proven by ${file}`);
    if (payload && !proved.payload)
      out.log('Its payload has gone: the proof is of its place, its digest and when it was to go');
    if (trusted === undefined)
      out.log('Warning: the directory has no trust file: the ledger’s key was taken from the ledger itself');
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}
