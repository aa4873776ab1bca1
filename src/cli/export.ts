import { systemClock } from '../clock.ts';
import { ledgerSigner } from '../config/ledger-key.ts';
import { exportLedger } from '../retain/archive/export.ts';
import { keptBy } from './checkpoint.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';
import { Progress } from './progress.ts';

export interface ExportCommandOptions extends LedgerOptions {
  out: string;
}

/**
 * Writes the whole ledger to files that are verified without it. A round and a ledger checkpoint are made first, so that
 * what the manifest vouches for is all that is there. 0; 1 where what has come since the last round does not verify.
 */
export async function exportCommand(options: ExportCommandOptions, out: Output): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const { note, origin, verification } = await keptBy(ledger, out);
    const { ledgerId, layout } = ledger.deployment;
    const progress = new Progress('exported');
    const exported = await exportLedger({
      store: ledger.store,
      out: options.out,
      ledgerId,
      origin,
      checkpoint: note,
      signer: ledgerSigner(layout, ledger.ledgerKeySource),
      now: systemClock(),
      progress: (done, total) => progress.update(done, total),
    });
    progress.done();
    out.document({ out: options.out, ...exported });
    const { files, records, tombstones, bytes, manifest } = exported;
    out.line(
      inked`${records} records and ${tombstones} tombstones in ${files} files of ${options.out}, ${bytes} bytes`,
    );
    out.line(inked`Manifest ${manifest}`);
    out.line(inked`Whoever has the folder and the ledger's public key verifies it alone:`);
    out.line(inked`  spanledger verify --archive ${options.out} --trust ${layout.trustFile}`);
    if (verification === 'tampered')
      out.log('Warning: what has come since the last round does not verify; it is exported as it is');
    return ledger.exitCode(verification === 'tampered' ? 1 : 0);
  } finally {
    await ledger.close();
  }
}
