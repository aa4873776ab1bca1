import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseTrust, type Trust } from '../chain/trust.ts';
import type { Layout } from '../config/layout.ts';
import { messageOf, SpanledgerError } from '../errors.ts';

/** Whom a command believes, and who said so. */
export interface Trusted {
  source: 'given' | 'local';
  trust: Trust;
  /** Of the file's bytes, hex. */
  sha256: string;
}

/**
 * The trust file that is given, else the directory's own; undefined where there is none.
 *
 * @throws SpanledgerError `file_unreadable`, `trust_invalid`
 */
export function trustIn({ trustFile }: Layout, given: string | undefined): Trusted | undefined {
  const file = given ?? trustFile;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (given === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SpanledgerError('file_unreadable', `${file}: ${messageOf(cause)}`, {
      cause,
      hint: "give --trust a file with the ledger's public key, <name>+<id>+<base64>, on a line",
    });
  }
  const source = given === undefined ? 'local' : 'given';
  return { source, trust: parseTrust(text), sha256: hash('sha256', text, 'hex') };
}
