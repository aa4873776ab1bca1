import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { bytesOfBase64 } from '../chain/base64.ts';
import {
  formatPrivateKey,
  LocalSigner,
  parsePrivateKey,
  type Signer,
  verifyEd25519,
} from '../chain/signer.ts';
import { ED25519, parseVkey, type Vkey } from '../chain/vkey.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import type { Environment } from './deployment.ts';
import { createOnce, replaceFile, syncDirectory } from './durable.ts';
import type { Layout } from './layout.ts';
import { readSecret } from './master-keys.ts';
import type { KeysSettings } from './settings.ts';

/** A key service has so long to sign, in milliseconds. */
const COMMAND_MS = 30_000;
/** Far more than 64 bytes in base64. */
const MAX_OUTPUT = 4_096;

/** Where the ledger's key is, but for the directory. */
export interface LedgerKeySource {
  /** Its checkpoints' origin, which its key is called. */
  origin: string;
  env: Environment;
  keys: KeysSettings;
}

/** Which of the three places it is in. */
export function ledgerKeyPlace({ env, keys }: LedgerKeySource): 'environment' | 'command' | 'file' {
  if (env.SPANLEDGER_LEDGER_KEY !== undefined) return 'environment';
  return keys.ledger_command === undefined ? 'file' : 'command';
}

/**
 * Signs with the ledger's key: of SPANLEDGER_LEDGER_KEY, else of the settings' `keys.ledger_command`, else of
 * `<dir>/keys/ledger`. What it answers is verified before anybody gets it; nothing of a key stands in an error.
 *
 * @throws SpanledgerError `config_invalid`, `key_invalid`; of `sign` also `key_unavailable`
 */
export function ledgerSigner(layout: Layout, source: LedgerKeySource): Signer {
  const { origin, env, keys } = source;
  switch (ledgerKeyPlace(source)) {
    case 'environment':
      return new Verified(localSigner(env.SPANLEDGER_LEDGER_KEY!, origin, 'SPANLEDGER_LEDGER_KEY'));
    case 'command':
      return new Verified(new CommandSigner(keys.ledger_command!, keys.ledger_vkey!, origin));
    case 'file':
      return new Verified(signerIn(layout.ledgerKeyFile, origin));
  }
}

/** The key of a file that only its owner may read. */
export function signerIn(file: string, origin: string): LocalSigner {
  return localSigner(
    readSecret(file, 'without it nobody signs the checkpoints of this ledger'),
    origin,
    file,
  );
}

/**
 * Makes the key and the trust file that names it, where the directory is to hold them and has neither.
 *
 * @returns the files that were made.
 * @throws SpanledgerError `config_invalid` where one of them cannot be written, or read.
 */
export function createLedgerKey(layout: Layout, source: LedgerKeySource): string[] {
  const { ledgerKeyFile, trustFile } = layout;
  const made: string[] = [];
  try {
    if (ledgerKeyPlace(source) === 'file' && !existsSync(ledgerKeyFile)) {
      createOnce(ledgerKeyFile, `${formatPrivateKey(source.origin, randomBytes(32))}\n`);
      made.push(ledgerKeyFile);
    }
    if (!existsSync(trustFile)) {
      // Not what was just written: another process may have made it first.
      createOnce(trustFile, `${ledgerSigner(layout, source).vkey}\n`);
      made.push(trustFile);
    }
  } catch (cause) {
    if (isSpanledgerError(cause)) throw cause;
    throw new SpanledgerError('config_invalid', `cannot write in ${layout.dir}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return made;
}

/** Adds a ledger's vkey below those that the trust file has. Durable when it returns. */
export function trustAlso({ trustFile }: Layout, vkey: string): void {
  const text = existsSync(trustFile) ? readFileSync(trustFile, 'utf8') : '';
  if (text.includes(vkey)) return;
  const isPolicy = /^log /m.test(text);
  const lines = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  replaceFile(trustFile, `${lines}${isPolicy ? 'log ' : ''}${vkey}\n`);
}

/** What becomes of the key before, once another signs. */
export type OldKey = 'kept' | 'destroyed';

/** That the key before is to be destroyed stands in the name of the file that follows it: no crash forgets it. */
const DESTROYING = '.destroying';

/** The key that is to follow: of a rotation that was begun and not decided, else a new one. Durable when it returns. */
export function nextLedgerKey(layout: Layout, origin: string, old: OldKey): LocalSigner {
  const file = layout.nextLedgerKeyFile + (old === 'destroyed' ? DESTROYING : '');
  createOnce(file, `${formatPrivateKey(origin, randomBytes(32))}\n`);
  return signerIn(file, origin);
}

/**
 * Brings the files to where a rotation stands: the next key takes the place of the one before where the control chain is
 * under it, and goes where it is not. To be done before the key is read, and after it was rotated; safe to be cut short
 * anywhere, and done again.
 *
 * @param vkey that signs the control chain; undefined where there is none yet.
 */
export function settleLedgerKey(layout: Layout, origin: string, vkey: string | undefined): void {
  const { ledgerKeyFile, nextLedgerKeyFile } = layout;
  for (const [file, old] of [
    [nextLedgerKeyFile, 'kept'],
    [nextLedgerKeyFile + DESTROYING, 'destroyed'],
  ] as const) {
    if (!existsSync(file)) continue;
    const next = signerIn(file, origin);
    if (next.vkey !== vkey) {
      rmSync(file);
    } else {
      trustAlso(layout, next.vkey);
      if (old === 'kept') retire(ledgerKeyFile, next.vkey);
      else if (existsSync(ledgerKeyFile)) overwrite(ledgerKeyFile);
      renameSync(file, ledgerKeyFile);
    }
    syncDirectory(dirname(ledgerKeyFile));
  }
}

/** Under a name of its own beside: what it has signed is verified without it, but a backup is asked for it. */
function retire(file: string, next: string): void {
  if (!existsSync(file)) return;
  const { vkey } = parsePrivateKey(readFileSync(file, 'utf8').trim());
  if (vkey.text === next) return;
  try {
    linkSync(file, `${file}.${vkey.id}.retired`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** As far as a file system lets anybody: one that copies on write, or a backup, keeps what it has. */
function overwrite(file: string): void {
  const fd = openSync(file, 'r+');
  try {
    writeSync(fd, Buffer.alloc(fstatSync(fd).size));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function localSigner(text: string, origin: string, place: string): LocalSigner {
  let key: ReturnType<typeof parsePrivateKey>;
  try {
    key = parsePrivateKey(text.trim());
  } catch (cause) {
    throw new SpanledgerError('key_invalid', `${place}: ${messageOf(cause)}`, {
      hint: 'it is one line, as `spanledger keys init` writes it: restore it from a backup',
    });
  }
  refuseOther(key.vkey, origin, place);
  return new LocalSigner(key.name, key.seed);
}

/** A checkpoint is signed under its origin's name, and a note by a key of another name is nobody's. */
function refuseOther({ name, type }: Vkey, origin: string, place: string): void {
  if (type !== ED25519)
    throw new SpanledgerError('key_invalid', `${place}: it is a witness's key, and signs no checkpoints`, {
      hint: 'give a key of type 1 (Ed25519)',
    });
  if (name !== origin)
    throw new SpanledgerError('key_invalid', `${place}: it is the key of ${name}, not of ${origin}`, {
      hint: `set origin: ${name} in spanledger.yaml, or give the key of ${origin}`,
    });
}

/** A wrong signature, of a key service that has another key or a disk that has rotted, leaves this process never. */
class Verified implements Signer {
  readonly #signer: Signer;
  readonly #publicKey: Uint8Array;

  constructor(signer: Signer) {
    this.#signer = signer;
    this.#publicKey = parseVkey(signer.vkey).publicKey;
  }

  get vkey(): string {
    return this.#signer.vkey;
  }

  get name(): string {
    return this.#signer.name;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    const signature = await this.#signer.sign(message);
    if (verifyEd25519(this.#publicKey, message, signature)) return signature;
    throw new SpanledgerError('key_unavailable', `what signs for ${this.name} signs with another key`, {
      hint: 'is keys.ledger_vkey the vkey of the key that keys.ledger_command uses?',
    });
  }
}

/** Asks a program, which asks a key service: the message on stdin as it is, base64 of the signature on stdout. */
class CommandSigner implements Signer {
  readonly vkey: string;
  readonly name: string;
  readonly #command: readonly string[];

  constructor(command: readonly string[], vkey: string, origin: string) {
    const parsed = parseVkey(vkey.trim());
    refuseOther(parsed, origin, 'keys.ledger_vkey');
    this.vkey = parsed.text;
    this.name = parsed.name;
    this.#command = command;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    const signature = bytesOfBase64((await this.#answerTo(message)).trim());
    if (signature === undefined) throw this.#failed('its answer is no base64');
    return signature;
  }

  /** What it says of an error may quote a secret: it is not told. */
  #answerTo(message: Uint8Array): Promise<string> {
    const [program, ...args] = this.#command;
    return new Promise((resolve, reject) => {
      const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'ignore'], timeout: COMMAND_MS });
      let answer = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
        if (answer.length > MAX_OUTPUT) child.kill();
      });
      child.once('error', (error) =>
        reject(this.#failed((error as NodeJS.ErrnoException).code ?? 'no start')),
      );
      child.once('close', (code, signal) => {
        if (code === 0) resolve(answer);
        else reject(this.#failed(code === null ? String(signal) : `exit ${code}`));
      });
      // It may not want to hear it all.
      child.stdin.on('error', () => {});
      child.stdin.end(message);
    });
  }

  #failed(why: string): SpanledgerError {
    return new SpanledgerError(
      'key_unavailable',
      `keys.ledger_command (${this.#command[0]}) failed: ${why}`,
      {
        hint: 'run it by hand, as the same user: it must answer base64 of a 64-byte signature within 30 seconds, and exit with 0',
      },
    );
  }
}
