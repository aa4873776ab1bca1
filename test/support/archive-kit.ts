import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { exportLedger } from '../../src/retain/archive/export.ts';
import { verifyArchive } from '../../src/retain/archive/verify.ts';
import type { Store } from '../../src/store/client.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { LEDGER_SIGNER, told } from './keeper-kit.ts';
import { LEDGER_ID, ORIGIN } from './ledger-kit.ts';

export const TRUST = trustFile(`${LEDGER_SIGNER.vkey}\n`, 'given');

/** A whole ledger in a new folder, under the newest checkpoint of its keeper. @param now Unix seconds. */
export async function exported(store: Store, parent: string, now: number): Promise<string> {
  const out = join(mkdtempSync(join(parent, 'export-')), 'ledger');
  const notes = (await told(store, 'checkpoint')).flatMap(({ control: { note } }) =>
    typeof note === 'string' && note.startsWith(`${ORIGIN}\n`) ? [note] : [],
  );
  await exportLedger({
    store,
    out,
    ledgerId: LEDGER_ID,
    origin: ORIGIN,
    checkpoint: notes.at(-1) ?? '',
    signer: LEDGER_SIGNER,
    now: now * 1e6,
  });
  return out;
}

export async function verified(folder: string): Promise<Verification> {
  return (await verifyArchive(folder, { trust: TRUST })).verification;
}
