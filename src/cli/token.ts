import { stringify } from 'yaml';
import { parseSettings, RIGHTS, type Right } from '../config/settings.ts';
import { SpanledgerError } from '../errors.ts';
import { newToken } from '../server/tokens.ts';
import type { Output } from './output.ts';

export interface TokenOptions {
  subject: string;
  tenant?: string;
  rights: string;
}

/** Makes a token, and the lines of spanledger.yaml that know it by its digest. It is written nowhere. */
export async function tokenCommand(options: TokenOptions, out: Output): Promise<number> {
  const rights = options.rights.split(',').map((right) => right.trim());
  const unknown = rights.find((right) => !RIGHTS.includes(right as Right));
  if (unknown !== undefined) {
    throw new SpanledgerError('usage_invalid', `--rights: there is no right ${unknown}`, {
      hint: `name some of ${RIGHTS.join(', ')}, with commas between`,
    });
  }
  const { token, sha256 } = newToken();
  const { subject, tenant } = options;
  const entry = { subject, sha256, ...(tenant === undefined ? {} : { tenant }), rights };
  const lines = stringify({ tokens: [entry] }).trimEnd();
  // What it prints is read back, so that nobody hears of a mistake at the next start.
  parseSettings(`version: 1\n${lines}`, 'these options');
  out.document({ token, ...entry });
  out.log('The token, shown this once; its holder sends it as `Authorization: Bearer TOKEN`:');
  out.line(token);
  out.log('Add to spanledger.yaml; a `spanledger serve` that runs takes it over:');
  for (const line of lines.split('\n')) out.line(line);
  return 0;
}
