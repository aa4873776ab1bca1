import { randomBytes } from 'node:crypto';
import type { Layout } from '../config/layout.ts';
import { KEY_ID, MAX_MASTER_KEYS, readMasterKeys, writeMasterKeys } from '../config/master-keys.ts';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import { FileLock } from '../journal/lock.ts';
import type { MasterKeys } from '../policy/keyring.ts';
import { compilePolicy } from '../policy/policy.ts';
import { keysNamed } from '../report/pseudonyms.ts';
import { type ActorOptions, requireActor, saidBy } from './actor.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';

export interface RotateOptions extends LedgerOptions, ActorOptions {
  /** Names the new key. */
  id?: string;
  /** Takes this key out, instead of making one. */
  retire?: string;
}

/** What the keys are to be, and what the ledger says of it. */
interface Change {
  keys: MasterKeys;
  retired?: string;
}

/**
 * Makes a new master key, under which pseudonyms are written from now on; those before it only recognise. Or takes
 * one of those out. The ledger says which, who and why.
 */
export async function rotateCommand(options: RotateOptions, out: Output): Promise<number> {
  refuseUsage(options);
  const ledger = await Ledger.open(options, 'read');
  try {
    const { layout } = ledger.deployment;
    const lock = FileLock.take(layout.keysLock);
    if (lock === undefined) throw busy(layout);
    try {
      // Not the deployment's: somebody may have changed them since it was opened.
      const before = readMasterKeys(layout.masterKeyFile);
      const change =
        options.retire === undefined
          ? rotated(before, options.id, await keysNamed(ledger.store))
          : retired(before, options.retire);
      await recorded(ledger, before, change, options, out);
      tell(before, change, layout, out);
    } finally {
      lock.release();
    }
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

function refuseUsage(options: RotateOptions): void {
  const { id, retire, reason } = options;
  requireActor(options);
  if (process.env.SPANLEDGER_MASTER_KEY !== undefined) {
    throw new SpanledgerError('config_invalid', 'the keys come from SPANLEDGER_MASTER_KEY, not from a file', {
      hint: 'add a line to the variable, where it is kept: a key id of its own, a space, and what `openssl rand 32 | basenc --base64url | tr -d =` prints; then start whatever uses it again. The last line writes. To retire a key, take its line out',
    });
  }
  if (id !== undefined && !KEY_ID.test(id)) {
    throw new SpanledgerError('usage_invalid', '--id is no id of a key', {
      hint: 'give 1 to 32 of letters, digits, _ and -',
    });
  }
  if (retire === undefined) return;
  if (id !== undefined)
    throw new SpanledgerError('usage_invalid', '--retire makes no key that --id could name', {
      hint: 'rotate first, and retire the old key when nobody needs it any more',
    });
  if (reason === undefined)
    throw new SpanledgerError('usage_invalid', '--retire needs --reason', {
      hint: 'say why: nobody can be recognised under the key afterwards',
    });
}

function rotated(before: MasterKeys, id: string | undefined, named: readonly string[]): Change {
  if (before.length >= MAX_MASTER_KEYS) {
    throw new SpanledgerError('config_invalid', `there are ${before.length} keys, and no more can be live`, {
      hint: 'retire the oldest with --retire ID',
    });
  }
  // Of one that was retired too: two secrets under one id could not be told apart in records.
  const used = new Set([...before.map((key) => key.id), ...named]);
  if (id !== undefined && used.has(id)) {
    throw new SpanledgerError('usage_invalid', `there is, or was, a key ${id}`, {
      hint: 'give another --id',
    });
  }
  return { keys: [...before, { id: id ?? nextId(used), secret: randomBytes(32) }] };
}

/** k2 after k1. */
function nextId(used: ReadonlySet<string>): string {
  const numbers = [...used].map((id) => Number(/^k(\d{1,9})$/.exec(id)?.[1] ?? 0));
  let next = Math.max(...numbers) + 1;
  while (used.has(`k${next}`)) next += 1;
  return `k${next}`;
}

function retired(before: MasterKeys, id: string): Change {
  const keys = before.filter((key) => key.id !== id);
  if (keys.length === before.length) {
    throw new SpanledgerError('usage_invalid', `there is no key ${id}`, {
      hint: `the keys are ${before.map((key) => key.id).join(', ')}`,
    });
  }
  if (before.at(-1)!.id === id) {
    throw new SpanledgerError('usage_invalid', `${id} is the key that writes`, {
      hint: 'rotate first: `spanledger pseudonym rotate`',
    });
  }
  return { keys, retired: id };
}

/**
 * Tells of the change in a journal of this command's own, and makes it. A key is retired when that is durable, and not
 * before. A new key is in its file first: a writer that finds it there and was told nothing says so itself, but of
 * a key that the ledger tells of and nobody has there is no way back.
 */
async function recorded(
  ledger: Ledger,
  before: MasterKeys,
  { keys, retired }: Change,
  options: RotateOptions,
  out: Output,
): Promise<void> {
  const { masterKeyFile } = ledger.deployment.layout;
  const { document } = ledger.policy;
  const old = compilePolicy(before, document);
  const { id, reason } = saidBy(options, old);
  const journal = ledger.takeJournal('cli', out);
  try {
    const writer = ledger.writer(journal, 'cli');
    try {
      writer.turn(old);
      writer.open();
      await writer.flush();
      if (retired === undefined) writeMasterKeys(masterKeyFile, keys);
      writer.turn(compilePolicy(keys, document), {
        actor: { type: 'admin', id },
        ...(reason === undefined ? {} : { reason }),
        ...(retired === undefined ? {} : { retired }),
      });
      writer.open();
    } finally {
      await writer.close();
    }
    if (retired !== undefined) writeMasterKeys(masterKeyFile, keys);
    try {
      await ledger.ship(writer, out);
    } catch (error) {
      if (!isSpanledgerError(error)) throw error;
      out.log(`Warning: the record of it waits in the journal: ${error.message}`);
    }
  } finally {
    await journal.close();
  }
}

function tell(before: MasterKeys, { keys, retired }: Change, layout: Layout, out: Output): void {
  const newest = keys.at(-1)!.id;
  const recognises = keys.slice(0, -1).map((key) => key.id);
  out.document({
    ...(retired === undefined ? { old: before.at(-1)!.id } : { retired }),
    writes: newest,
    recognises,
  });
  if (retired === undefined) {
    out.line(
      inked`Pseudonyms are written under ${newest} from now on; ${recognises.join(', ')} still recognises`,
    );
    out.line(inked`Back up ${layout.masterKeyFile} again, where nobody else can read it`);
    out.log(
      'A `spanledger serve` that runs takes it over within seconds. Apps with a journal of their own go on under the key before until they are started again.',
    );
  } else {
    out.line(inked`${retired} is retired: nobody can be recognised under it`);
    out.line(inked`Take it out of the backups of ${layout.masterKeyFile} too`);
  }
}

function busy({ keysLock }: Layout): SpanledgerError {
  const holder = FileLock.holder(keysLock) ?? 'unknown';
  return new SpanledgerError('directory_busy', `another process (${holder}) is changing the keys`, {
    hint: 'try again when it is done',
  });
}
