import { readAnchored } from '../anchor/check.ts';
import { DirectoryAnchor } from '../anchor/directory.ts';
import { SpanledgerError } from '../errors.ts';
import { verifyArchive } from '../retain/archive/verify.ts';
import type { ReceiptTrust } from '../verify/receipts.ts';
import { readState, writeState } from '../verify/state.ts';
import { ledgerKeys } from '../verify/trust.ts';
import { type AnchoredSaid, receiptTrust } from './anchored.ts';
import { directoryOf } from './ledger.ts';
import type { Output } from './output.ts';
import { Progress } from './progress.ts';
import { trustIn } from './trust.ts';
import { type VerifyCommandOptions, verificationLines } from './verify.ts';

export interface VerifyArchiveOptions extends VerifyCommandOptions {
  /** A folder that an export wrote. */
  archive: string;
}

/** What it is verified without: all of it is read, and nothing of a directory or a server. */
const NOT_WITH = ['dir', 'url', 'conversation', 'resource', 'from', 'to', 'incremental'] as const;

/** Verifies an exported ledger: of the machine it is done on, only the files that are named are read. */
export async function verifyArchiveCommand(options: VerifyArchiveOptions, out: Output): Promise<number> {
  const { archive, trust: file, state, anchor = [], tsaCa, full } = options;
  const other = NOT_WITH.find((name) => options[name] !== undefined);
  if (other !== undefined)
    throw new SpanledgerError('usage_invalid', `--archive is read by itself, and whole: without --${other}`, {
      hint: 'give it with --trust, and with --state and --anchor at most',
    });
  if (file === undefined)
    throw new SpanledgerError('usage_invalid', 'nobody says whose signatures to believe', {
      hint: "give --trust a file with the ledger's public key, as its owner publishes it",
    });
  const trust = trustIn(directoryOf(options), file)!;
  if (ledgerKeys(trust).length === 0)
    throw new SpanledgerError('trust_invalid', `${file} names no ledger's key`, {
      hint: "it needs a line with the ledger's public key, <name>+<id>+<base64>",
    });
  const progress = new Progress('verified');
  const { verification, state: next } = await verifyArchive(archive, {
    trust,
    progress: (done, total) => progress.update(done, total),
    anchors: (origin) => anchoredIn(anchor, origin, receiptTrust([], tsaCa)),
    full: full === true,
    ...(state === undefined ? {} : { state: (ledgerId) => readState(state, ledgerId) }),
  });
  progress.done();
  if (next !== undefined && state !== undefined) writeState(state, next);
  out.document(verification);
  for (const line of verificationLines(verification)) out.line(line);
  return verification.status === 'valid' ? 0 : verification.status === 'tampered' ? 1 : 5;
}

async function anchoredIn(
  folders: readonly string[],
  origin: string,
  receipts: ReceiptTrust,
): Promise<AnchoredSaid> {
  const said: AnchoredSaid = { anchors: [], unchecked: [], receipts };
  for (const path of folders) {
    const reading = await readAnchored(new DirectoryAnchor({ name: path, path }), { origin });
    if (reading.status === 'unread') said.unchecked.push(`the anchor ${path}: ${reading.why}`);
    else said.anchors.push({ name: path, lists: true, held: reading.anchored });
  }
  return said;
}
