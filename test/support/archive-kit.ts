import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  MANIFEST_NAME,
  type Manifest,
  type ManifestFile,
  readManifest,
  signManifest,
} from '../../src/chain/manifest.ts';
import type { Signer } from '../../src/chain/signer.ts';
import { exportLedger } from '../../src/retain/archive/export.ts';
import { verifyArchive } from '../../src/retain/archive/verify.ts';
import type { Store } from '../../src/store/client.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { LEDGER_SIGNER, told } from './keeper-kit.ts';
import { LEDGER_ID, ORIGIN } from './ledger-kit.ts';

export const TRUST = trustFile(`${LEDGER_SIGNER.vkey}\n`, 'given');

/** A whole ledger in a new folder, under the newest checkpoint of its keeper. @param now Unix seconds. */
export async function exported(
  store: Store,
  parent: string,
  now: number,
  most?: { rows: number; chains: number },
): Promise<string> {
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
    ...(most && { most }),
  });
  return out;
}

export async function verified(folder: string, trust = TRUST): Promise<Verification> {
  return (await verifyArchive(folder, { trust })).verification;
}

/** The manifest of a folder, changed and signed anew. */
export async function forgeManifest(
  folder: string,
  change: (manifest: Manifest) => Manifest | Promise<Manifest>,
  signer: Signer = LEDGER_SIGNER,
): Promise<void> {
  const { note } = await signManifest(await change(manifestIn(folder)), signer);
  writeFileSync(join(folder, MANIFEST_NAME), note);
}

export function manifestIn(folder: string): Manifest {
  const read = readManifest(readFileSync(join(folder, MANIFEST_NAME)));
  if ('problem' in read) throw new Error(read.problem);
  return read.manifest;
}

/** As it is written now. */
export function listing(folder: string, name: string): Pick<ManifestFile, 'name' | 'bytes' | 'sha256'> {
  const bytes = readFileSync(join(folder, name));
  return { name, bytes: bytes.length, sha256: hash('sha256', bytes) };
}
