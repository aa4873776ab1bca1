import { existsSync, readFileSync } from 'node:fs';
import { createDeployment } from '../config/deployment.ts';
import { createOnce, replaceFile } from '../config/durable.ts';
import { createLedgerKey } from '../config/ledger-key.ts';
import { packaged } from '../config/package.ts';
import { originOf, settingsOf } from '../config/settings.ts';
import { directoryOf, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';

/**
 * Makes a ledger's directory with its id, its keys, whom to trust, and commented settings. What is there already stays as it is, but for
 * the schema that editors read: that is this version's, and nobody's to change.
 */
export async function initCommand(options: LedgerOptions, out: Output): Promise<number> {
  const layout = directoryOf(options);
  const files = [
    layout.ledgerFile,
    layout.masterKeyFile,
    layout.ledgerKeyFile,
    layout.trustFile,
    layout.settingsFile,
  ];
  const before = files.filter((file) => existsSync(file));
  const { ledgerId } = createDeployment(layout.dir, process.env);
  updateSchema(layout.settingsSchemaFile);
  createOnce(layout.settingsFile, packaged('deploy/spanledger.yaml'));
  const settings = settingsOf(layout, {});
  const origin = originOf(ledgerId, settings, process.env);
  createLedgerKey(layout, { origin, env: process.env, keys: settings.keys });
  const made = files.filter((file) => existsSync(file) && !before.includes(file));
  out.document({ dir: layout.dir, ledger_id: ledgerId, made, kept: before });
  for (const file of made) out.line(inked`Made ${file}`);
  for (const file of before) out.line(inked`Kept ${file}`);
  out.line(
    'Next: read spanledger.yaml, back up keys/master and keys/ledger where nobody else can read them, then spanledger serve',
  );
  return 0;
}

function updateSchema(file: string): void {
  const schema = packaged('deploy/spanledger.schema.json');
  if (!existsSync(file) || readFileSync(file, 'utf8') !== schema) replaceFile(file, schema);
}
