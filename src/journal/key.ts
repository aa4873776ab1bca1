import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyOf } from '../chain/signer.ts';
import { createOnce } from '../config/durable.ts';
import { readSecret } from '../config/master-keys.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import { isFull } from './log.ts';

const SEED = /^[A-Za-z0-9_-]{43}\n?$/;

/** The public key of a journal's writer; undefined where it has none yet, or this process may not read it. */
export function publicKeyIn(journal: string): Uint8Array | undefined {
  const path = join(journal, 'key');
  try {
    const text = existsSync(path) ? readSecret(path, '') : '';
    return SEED.test(text) ? publicKeyOf(Buffer.from(text, 'base64url')) : undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return undefined;
    throw error;
  }
}

/**
 * The Ed25519 seed that a journal's writer signs its chains with, 32 bytes: one line of base64url in `key` beside the
 * log, for its owner alone. Made, and durable, when it is first asked for.
 *
 * @throws SpanledgerError `config_invalid` where others can read it, or it is no seed; `journal_full`, `journal_broken`
 * where it cannot be made.
 */
export function journalKey(journal: string): Buffer {
  const path = join(journal, 'key');
  try {
    createOnce(path, `${randomBytes(32).toString('base64url')}\n`);
  } catch (cause) {
    const code = isFull(cause) ? 'journal_full' : 'journal_broken';
    throw new SpanledgerError(code, `${path}: its writer's key cannot be made: ${messageOf(cause)}`, {
      cause,
      hint: `free space at ${journal}, or let this process write there`,
    });
  }
  const text = readSecret(path, 'without it this journal can sign nothing more');
  if (!SEED.test(text))
    throw new SpanledgerError('config_invalid', `${path}: it is no key: 32 bytes in base64url`, {
      hint: 'move it away: the next chain of this journal is signed by a new one',
    });
  return Buffer.from(text, 'base64url');
}
