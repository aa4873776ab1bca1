import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { messageOf, SpanledgerError } from '../errors.ts';
import { type ContentKeys, parseContentKeys } from '../vault/content-keys.ts';
import type { Environment } from './deployment.ts';
import { createOnce } from './durable.ts';
import type { Layout } from './layout.ts';
import { readSecret } from './master-keys.ts';

/** A command that fetches the key from elsewhere has so long, in milliseconds. */
const COMMAND_MS = 30_000;
const MAX_OUTPUT = 64 * 1024;

/** Where the master keys of the vault are, but for the directory. */
export interface KeySource {
  env: Environment;
  /** Prints the key lines: of a KMS. */
  command?: readonly string[] | undefined;
}

/**
 * The master keys of the content vault: of SPANLEDGER_CONTENT_KEY, else of the settings' `vault.key_command`, else of
 * `<dir>/keys/content`. Nothing of them stands in an error.
 *
 * @throws SpanledgerError `config_invalid`; `content_refused` where there is none: the key is the right to read.
 */
export function contentKeysOf(layout: Layout, { env, command }: KeySource): ContentKeys {
  const given = env.SPANLEDGER_CONTENT_KEY;
  if (given !== undefined) return parsed(given, 'SPANLEDGER_CONTENT_KEY');
  if (command !== undefined) return parsed(outputOf(command), `vault.key_command (${command[0]})`);
  const { contentKeyFile } = layout;
  if (!existsSync(contentKeyFile))
    throw new SpanledgerError('content_refused', `there is no content key in ${layout.dir}`, {
      hint: 'whoever may read contents gives the key by SPANLEDGER_CONTENT_KEY, by vault.key_command, or in keys/content',
    });
  return parsed(readSecret(contentKeyFile, 'without it no content can be read again'), contentKeyFile);
}

/**
 * As `contentKeysOf`; where the directory is to hold the key and has none, it is made: for whoever writes. Not in an
 * app's that ships to a relay: it may be gone with its container, and what was sealed under its key with it.
 */
export function createContentKeys(layout: Layout, source: KeySource): ContentKeys {
  if (source.env.SPANLEDGER_CONTENT_KEY === undefined && source.command === undefined) {
    if (!existsSync(layout.contentKeyFile)) refuseAnother(layout);
    try {
      // An id of its own: a key that is made because another was lost must not be taken for that one.
      const id = `c${randomBytes(4).toString('hex')}`;
      createOnce(layout.contentKeyFile, `${id} ${randomBytes(32).toString('base64url')}\n`);
      createOnce(layout.contentKeyMadeFile, '');
    } catch (cause) {
      throw new SpanledgerError(
        'config_invalid',
        `cannot write ${layout.contentKeyFile}: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    }
  }
  return contentKeysOf(layout, source);
}

/** Where a new key would take the place of one that is elsewhere, or lost. */
function refuseAnother({ contentKeyFile, contentKeyMadeFile, relayFile }: Layout): void {
  if (existsSync(relayFile))
    throw new SpanledgerError(
      'config_invalid',
      `the policy vaults contents, and ${contentKeyFile} is missing`,
      {
        hint: 'an app that ships to a relay is given the key: by SPANLEDGER_CONTENT_KEY, or in that file (mode 0600)',
      },
    );
  if (existsSync(contentKeyMadeFile))
    throw new SpanledgerError(
      'config_invalid',
      `${contentKeyFile} is missing, but contents are sealed under it`,
      {
        hint: `restore it from a backup; without ${contentKeyMadeFile} another key is made, and what is sealed is lost`,
      },
    );
}

function parsed(text: string, source: string): ContentKeys {
  const keys = parseContentKeys(text);
  if (keys !== undefined) return keys;
  throw new SpanledgerError('config_invalid', `${source}: no content keys`, {
    hint: 'each is one line: a key id, a space, 32 bytes in base64url; the last line wraps',
  });
}

/** What it prints is a secret, and what it says of an error may quote one: neither is told. */
function outputOf(command: readonly string[]): string {
  const [program, ...args] = command;
  try {
    return execFileSync(program!, args, {
      encoding: 'utf8',
      timeout: COMMAND_MS,
      maxBuffer: MAX_OUTPUT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (error) {
    const { code, status, signal } = error as { code?: unknown; status?: unknown; signal?: unknown };
    const why = code ?? (typeof status === 'number' ? `exit ${status}` : signal);
    throw new SpanledgerError('config_invalid', `vault.key_command (${program}) failed: ${String(why)}`, {
      hint: 'run it by hand, as the same user: it must print the key lines within 30 seconds and exit with 0',
    });
  }
}
