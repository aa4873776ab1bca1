import { readFileSync, statSync } from 'node:fs';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { MasterKey, MasterKeys } from '../policy/keyring.ts';
import { replaceFile } from './durable.ts';

/** Each that is live is another digest of all that is compared: more of them are a mistake. */
export const MAX_MASTER_KEYS = 16;

export const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const KEY_LINE = /^([A-Za-z0-9_-]{1,32}) ([A-Za-z0-9_-]{43})$/;

/**
 * Reads master keys, one a line: `<key id> <32 bytes in base64url>`. Empty lines are none.
 *
 * @param source the file's or variable's name, for errors: they name the line, never what is in it.
 * @returns oldest first: the last one writes.
 * @throws SpanledgerError `config_invalid`
 */
export function parseMasterKeys(text: string, source: string): MasterKeys {
  const keys: MasterKey[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const said = line.trim();
    if (said === '') continue;
    const match = KEY_LINE.exec(said);
    if (match === null) throw invalid(`${source}:${i + 1}: not a key`);
    const [, id, secret] = match as unknown as [string, string, string];
    if (keys.some((key) => key.id === id)) throw invalid(`${source}:${i + 1}: another key has this id`);
    keys.push({ id, secret: Buffer.from(secret, 'base64url') });
    if (keys.length > MAX_MASTER_KEYS) throw invalid(`${source}:${i + 1}: more than ${MAX_MASTER_KEYS} keys`);
  }
  if (keys.length === 0) throw invalid(`${source}: there is no key in it`);
  return keys;
}

/**
 * The keys of a file that only its owner may read.
 *
 * @throws SpanledgerError `config_invalid`
 */
export function readMasterKeys(path: string): MasterKeys {
  return parseMasterKeys(readSecret(path, 'without it no person can be recognised again'), path);
}

/**
 * Puts keys in the place of those in the file. Whole and durable when it returns.
 *
 * @throws SpanledgerError `config_invalid`: the file is as it was.
 */
export function writeMasterKeys(path: string, keys: MasterKeys): void {
  const line = ({ id, secret }: MasterKey) => `${id} ${Buffer.from(secret).toString('base64url')}\n`;
  try {
    replaceFile(path, keys.map(line).join(''));
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `${path} cannot be written: ${messageOf(cause)}`, {
      cause,
      hint: 'is its disk full, or mounted read-only? The keys are as they were',
    });
  }
}

function invalid(message: string): SpanledgerError {
  return new SpanledgerError('config_invalid', message, {
    hint: 'each key is one line: a key id of its own, a space, 32 bytes in base64url; the last one writes',
  });
}

/**
 * A secret that others may read is no secret.
 *
 * @param lost what is so without it
 * @throws SpanledgerError `config_invalid`
 */
export function readSecret(path: string, lost: string): string {
  let mode: number;
  let text: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Error('it is no file');
    mode = stat.mode;
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `${path}: ${messageOf(cause)}`, {
      cause,
      hint: `restore the key: ${lost}`,
    });
  }
  if ((mode & 0o077) !== 0 && process.platform !== 'win32') {
    throw new SpanledgerError('config_invalid', `${path} can be read by others`, {
      hint: `chmod 600 ${path}`,
    });
  }
  return text;
}
