import { join } from 'node:path';

/** Every path below a deployment's directory, computed here and nowhere else. */
export interface Layout {
  dir: string;
  ledgerFile: string;
  masterKeyFile: string;
  /** The key that signs the ledger's checkpoints. */
  ledgerKeyFile: string;
  /** Whom a verifier here believes: the ledger's public keys, and its witnesses'. */
  trustFile: string;
  /** What `verify` saw last. */
  stateFile: string;
  /** Held by whoever changes the keys. */
  keysLock: string;
  /** The master keys of the content vault. */
  contentKeyFile: string;
  /** Tells that the directory has made one, also when it is lost. */
  contentKeyMadeFile: string;
  /** The key that is to take its place, until it has. */
  nextLedgerKeyFile: string;
  /** Held by the process that keeps the ledger. */
  keeperLock: string;
  journals: string;
  clickhouse: string;
  storeLock: string;
  /** Where a running `serve` lets other commands in. */
  serveFile: string;
  /** What the relay said last: the ledger's id, and its policy. */
  relayFile: string;
  settingsFile: string;
  /** The JSON Schema of the settings, which editors look for beside them. */
  settingsSchemaFile: string;
}

export const DEFAULT_DIR = './.spanledger';

export function layoutOf(dir: string): Layout {
  return {
    dir,
    ledgerFile: join(dir, 'ledger.json'),
    masterKeyFile: join(dir, 'keys', 'master'),
    ledgerKeyFile: join(dir, 'keys', 'ledger'),
    trustFile: join(dir, 'trust'),
    stateFile: join(dir, 'verify-state.json'),
    keysLock: join(dir, 'keys', 'lock'),
    contentKeyFile: join(dir, 'keys', 'content'),
    contentKeyMadeFile: join(dir, 'keys', 'content.made'),
    nextLedgerKeyFile: join(dir, 'keys', 'ledger.next'),
    keeperLock: join(dir, 'keeper.lock'),
    journals: join(dir, 'journal'),
    clickhouse: join(dir, 'clickhouse'),
    storeLock: join(dir, 'store.lock'),
    serveFile: join(dir, 'serve.json'),
    relayFile: join(dir, 'relay.json'),
    settingsFile: join(dir, 'spanledger.yaml'),
    settingsSchemaFile: join(dir, 'spanledger.schema.json'),
  };
}
