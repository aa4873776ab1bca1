import { readFileSync } from 'node:fs';
import { readAnchored } from '../anchor/check.ts';
import { DirectoryAnchor } from '../anchor/directory.ts';
import { openAnchors } from '../anchor/open.ts';
import { systemClock } from '../clock.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { AnchorView } from '../verify/outside.ts';
import type { ReceiptTrust } from '../verify/receipts.ts';
import type { Ledger } from './ledger.ts';

/** What the anchors of a ledger hold of it, which of them could not be asked, and what their receipts are checked by. */
export interface AnchoredSaid {
  anchors: AnchorView[];
  unchecked: string[];
  receipts: ReceiptTrust;
}

/**
 * Reads back the anchors of the settings that keep what they were given, and folders beside them: copies that somebody
 * else has. A timestamp authority and a witness keep no checkpoints to be listed: what they gave stands in receipts.
 *
 * @param tsaCa a PEM file: the roots of every authority, in place of those in the settings
 * @throws SpanledgerError `file_unreadable` where that is none
 */
export async function anchoredOf(
  ledger: Ledger,
  folders: readonly string[],
  tsaCa?: string,
): Promise<AnchoredSaid> {
  const { settings, origin } = ledger;
  const listed = settings.anchors.filter(({ kind }) => kind === 'directory' || kind === 's3');
  const anchors = [
    ...openAnchors(listed, { env: process.env, clock: systemClock, consistency: noWitness }),
    ...folders.map((path) => new DirectoryAnchor({ name: path, path })),
  ];
  const receipts = receiptTrust(settings.anchors, tsaCa);
  const said: AnchoredSaid = { anchors: [], unchecked: [], receipts };
  for (const anchor of anchors) {
    const reading = await readAnchored(anchor, { origin });
    if (reading.status === 'unread') said.unchecked.push(`the anchor ${reading.anchor}: ${reading.why}`);
    else said.anchors.push({ name: reading.anchor, lists: true, held: reading.anchored });
  }
  return said;
}

/** @throws SpanledgerError `file_unreadable` where `tsaCa` is no PEM file */
export function receiptTrust(anchors: ReceiptTrust['anchors'], tsaCa: string | undefined): ReceiptTrust {
  if (tsaCa === undefined) return { anchors };
  requireFile(tsaCa);
  return { anchors, tsaCa };
}

/** Else OpenSSL would find every timestamp bad. */
function requireFile(path: string): void {
  try {
    if (readFileSync(path, 'utf8').includes('-----BEGIN CERTIFICATE-----')) return;
  } catch (cause) {
    throw new SpanledgerError('file_unreadable', `${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'give --tsa-ca the certificate of the authority that signs the timestamps, as PEM',
    });
  }
  throw new SpanledgerError('file_unreadable', `${path} holds no certificate`, {
    hint: 'give --tsa-ca the certificate of the authority that signs the timestamps, as PEM',
  });
}

function noWitness(): never {
  throw new SpanledgerError('usage_invalid', 'a witness is shown nothing here');
}
