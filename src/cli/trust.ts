import { readFileSync } from 'node:fs';
import type { Layout } from '../config/layout.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { type TrustFile, trustFile } from '../verify/trust.ts';

/**
 * The trust file that is given, else the directory's own; undefined where there is none.
 *
 * @throws SpanledgerError `file_unreadable`, `trust_invalid`
 */
export function trustIn({ trustFile: own }: Layout, given?: string): TrustFile | undefined {
  const file = given ?? own;
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
  return trustFile(text, given === undefined ? 'local' : 'given');
}
