import { isUtf8 } from 'node:buffer';
import { eachMatch, findAll, type Hit } from './hits.ts';

/** Of letters, digits and the signs of base64, a token is a run of so many: base64 of a social security number is. */
const MIN_LENGTH = 15;

/** Keys and tokens as their issuers write them, after gitleaks' rules (MIT): prefix, then what makes it long. */
const ISSUED = [
  'A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])', // AWS
  'gh[opsur]_[A-Za-z0-9]{20,}', // GitHub
  'github_pat_\\w{20,}',
  'glpat-[\\w-]{20,}', // GitLab
  'sk-(?:proj|ant|svcacct|admin|or)-[\\w-]{12,}', // OpenAI, Anthropic, OpenRouter
  'sk-[A-Za-z0-9]{32,}',
  '[rs]k_(?:live|test)_[A-Za-z0-9]{10,}', // Stripe
  'whsec_[\\w+/=-]{20,}',
  'xox[abeoprs]-[\\w-]{11,}', // Slack
  'xapp-[\\w-]{11,}',
  'hooks\\.slack\\.com/[\\w/-]{8,}',
  'AIza[\\w-]{30,}', // Google
  'ya29\\.[\\w-]{20,}',
  'GOCSPX-[\\w-]{20,}',
  'npm_[A-Za-z0-9]{30,}',
  'pypi-[\\w-]{30,}',
  'hf_[A-Za-z]{30,}', // Hugging Face
  'SG\\.[\\w-]{16,}\\.[\\w-]{16,}', // SendGrid
];
const ISSUED_TOKEN = new RegExp(`(?<![A-Za-z])(?:${ISSUED.join('|')})`, 'g');
/** It starts where a run of base64url does, or soon after: each run is read a bounded number of times. */
const JWT = /(?<![\w-])(?:[\w-]{0,64}-)?eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g;

/** Finds tokens known by their form, and base64 of text that `hasSecret`. */
export function findTokens(text: string, hits: Hit[], hasSecret?: (decoded: string) => boolean): void {
  const runs = longRuns(text);
  if (runs.length === 0) return;
  findAll(ISSUED_TOKEN, text, hits);
  if (text.includes('eyJ')) findAll(JWT, text, hits);
  if (hasSecret === undefined) return;
  for (const { start, end } of runs) {
    const run = text.slice(start, end);
    // Base64 of text has capitals: identifiers and hexadecimal digests have none, and need no decoding.
    if (!/[A-Z]/.test(run)) continue;
    if (holds(run, hasSecret)) hits.push({ start, end });
    // The signs of base64 are those of paths, too.
    else if (/[/_-]/.test(run))
      eachMatch(/[^/_-]{15,}/g, run, ({ 0: part, index }) => {
        if (holds(part, hasSecret)) hits.push({ start: start + index, end: start + index + part.length });
        return undefined;
      });
  }
}

/** No text begins with a control character, or within a character of several bytes. */
const BEGINS_AS_TEXT = /^[CDI-Za-fw-z0-9]/;

function holds(base64: string, hasSecret: (decoded: string) => boolean): boolean {
  if (!BEGINS_AS_TEXT.test(base64)) return false;
  const bytes = Buffer.from(base64, 'base64');
  // The last character may have been cut.
  let end = bytes.length;
  while (end > 0 && bytes[end - 1]! >= 0x80) end -= 1;
  return isUtf8(bytes.subarray(0, end)) && hasSecret(bytes.toString('utf8', 0, end));
}

const IN_RUN = new Uint8Array(128);
for (const sign of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')
  IN_RUN[sign.charCodeAt(0)] = 1;

/** With the padding of base64. Every long run holds one of the positions looked at, most of a text none. */
function longRuns(text: string): Hit[] {
  const inRun = (at: number) => IN_RUN[text.charCodeAt(at)] === 1;
  const runs: Hit[] = [];
  for (let i = MIN_LENGTH - 1; i < text.length; i += MIN_LENGTH) {
    if (!inRun(i)) continue;
    let start = i;
    while (start > 0 && inRun(start - 1)) start -= 1;
    let end = i + 1;
    while (end < text.length && inRun(end)) end += 1;
    i = end;
    if (end - start < MIN_LENGTH) continue;
    while (text.charAt(end) === '=' && end < i + 2) end += 1;
    runs.push({ start, end });
  }
  return runs;
}
