import { readAnchored } from '../anchor/check.ts';
import { DirectoryAnchor } from '../anchor/directory.ts';
import { openAnchors } from '../anchor/open.ts';
import { systemClock } from '../clock.ts';
import { SpanledgerError } from '../errors.ts';
import type { AnchorView } from '../verify/outside.ts';
import type { Ledger } from './ledger.ts';

/** What the anchors of a ledger hold of it, and which of them could not be asked. */
export interface AnchoredSaid {
  anchors: AnchorView[];
  unchecked: string[];
}

/**
 * Reads back the anchors of the settings that keep what they were given, and folders beside them: copies that somebody
 * else has. A timestamp authority and a witness keep no checkpoints to be listed.
 */
export async function anchoredOf(ledger: Ledger, folders: readonly string[]): Promise<AnchoredSaid> {
  const { settings, origin } = ledger;
  const listed = settings.anchors.filter(({ kind }) => kind === 'directory' || kind === 's3');
  const anchors = [
    ...openAnchors(listed, { env: process.env, clock: systemClock, consistency: noWitness }),
    ...folders.map((path) => new DirectoryAnchor({ name: path, path })),
  ];
  const said: AnchoredSaid = { anchors: [], unchecked: [] };
  for (const anchor of anchors) {
    const reading = await readAnchored(anchor, { origin });
    if (reading.status === 'unread') said.unchecked.push(`the anchor ${reading.anchor}: ${reading.why}`);
    else said.anchors.push({ name: reading.anchor, lists: true, held: reading.anchored });
  }
  return said;
}

function noWitness(): never {
  throw new SpanledgerError('usage_invalid', 'a witness is shown nothing here');
}
