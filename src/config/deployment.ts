import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { MasterKeys } from '../policy/keyring.ts';
import { createOnce, makeDirectory } from './durable.ts';
import { type Layout, layoutOf } from './layout.ts';
import { parseMasterKeys, readMasterKeys } from './master-keys.ts';

/** Which ledger a directory belongs to, and the secret its pseudonyms come from. */
export interface Deployment {
  layout: Layout;
  /** Lower-case UUID, in every entry: no record can be replayed into another deployment. */
  ledgerId: string;
  /**
   * All live keys, oldest first: the last one writes. Read at first use: who only verifies needs no secret.
   *
   * @throws SpanledgerError `config_invalid`
   */
  readonly master: MasterKeys;
}

export type Environment = { readonly [name: string]: string | undefined };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Opens the directory of a deployment.
 *
 * @throws SpanledgerError `directory_missing`, `config_invalid`
 */
export function openDeployment(dir: string, env: Environment): Deployment {
  if (!existsSync(dir)) {
    throw new SpanledgerError('directory_missing', `there is no directory ${dir}`, {
      hint: 'give the directory of a ledger with --dir, or make one with `spanledger ingest` or `spanledger demo --keep`',
    });
  }
  const layout = layoutOf(dir);
  let master: Deployment['master'] | undefined;
  return {
    layout,
    ledgerId: readLedgerId(layout, env),
    get master() {
      master ??= masterKeysOf(layout, env);
      return master;
    },
  };
}

/**
 * Opens the directory, making it, the ledger's id and the master key where it is new. One that holds records
 * already gets neither: another id would belong to another ledger, another key would recognise nobody again.
 *
 * @throws SpanledgerError `config_invalid`, `ledger_unknown`
 */
export function createDeployment(dir: string, env: Environment): Deployment {
  const layout = layoutOf(dir);
  // Before the files: another process may be making all of it, these folders last.
  const used = [layout.journals, layout.clickhouse].find((path) => existsSync(path));
  if (used !== undefined) {
    if (env.SPANLEDGER_LEDGER_ID === undefined)
      refuseMissing(layout.ledgerFile, used, 'SPANLEDGER_LEDGER_ID');
    if (env.SPANLEDGER_MASTER_KEY === undefined)
      refuseMissing(layout.masterKeyFile, used, 'SPANLEDGER_MASTER_KEY');
  }
  try {
    makeDirectory(resolve(dir));
    if (env.SPANLEDGER_LEDGER_ID === undefined)
      createOnce(layout.ledgerFile, `${JSON.stringify({ ledger_id: randomUUID() })}\n`);
    if (env.SPANLEDGER_MASTER_KEY === undefined)
      createOnce(layout.masterKeyFile, `k1 ${randomBytes(32).toString('base64url')}\n`);
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `cannot write in ${dir}: ${messageOf(cause)}`, { cause });
  }
  const deployment = openDeployment(dir, env);
  // Whoever writes needs it: better to hear of a bad one now.
  void deployment.master;
  return deployment;
}

function refuseMissing(file: string, used: string, variable: string): void {
  if (existsSync(file)) return;
  throw new SpanledgerError('config_invalid', `${file} is missing, but there are records in ${used}`, {
    hint: `restore ${file} from a backup, or give what was in it by ${variable}; only a new directory gets a new one`,
  });
}

function readLedgerId(layout: Layout, env: Environment): string {
  const given = env.SPANLEDGER_LEDGER_ID;
  const source = given === undefined ? layout.ledgerFile : 'SPANLEDGER_LEDGER_ID';
  let id: unknown = given;
  if (given === undefined) {
    try {
      id = (JSON.parse(readFileSync(layout.ledgerFile, 'utf8')) as { ledger_id?: unknown } | null)?.ledger_id;
    } catch (cause) {
      const hint =
        "is this a ledger's directory? A database's ledger id can also come from SPANLEDGER_LEDGER_ID";
      throw new SpanledgerError('ledger_unknown', `${layout.ledgerFile}: ${messageOf(cause)}`, {
        cause,
        hint,
      });
    }
  }
  if (typeof id === 'string' && UUID.test(id)) return id;
  throw new SpanledgerError('config_invalid', `${source}: ledger_id is no lower-case UUID`);
}

/**
 * The keys as they are now, from the environment if it gives them.
 *
 * @throws SpanledgerError `config_invalid`
 */
export function masterKeysOf(layout: Layout, env: Environment): MasterKeys {
  const given = env.SPANLEDGER_MASTER_KEY;
  return given === undefined
    ? readMasterKeys(layout.masterKeyFile)
    : parseMasterKeys(given, 'SPANLEDGER_MASTER_KEY');
}
