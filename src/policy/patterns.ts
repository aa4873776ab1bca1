import { isLuhn, isSsn } from './check-digits.ts';
import { credentialsIn, PASSWORD_OPTION, passwordIn, USER_OPTION } from './commands.ts';
import { findAll, type Hit, type Part } from './hits.ts';
import { KEYED, LONG_NUMBER, markWords, NUMBER, SIGN } from './traits.ts';

/**
 * What gives a secret away in free text, whatever its field is called. Each expression runs in linear time:
 * no nested or overlapping repetition.
 */
interface Pattern {
  expression: RegExp;
  /** Cheap test before the expression: text without it cannot match. */
  needs: RegExp;
  /** What a match is taken for; without it, a secret. */
  kind?: string;
  /** Whether a match is a hit, or which parts of it are; without it, all of it is one. */
  judge?: (match: string) => boolean | Part[];
}

markWords('kty coo sig aut cod jdb sql pri ide pas log bea bas', KEYED);

/** With a sign in them by which values are named, too. */
const SIGNED: readonly Pattern[] = [
  // PEM keys
  {
    needs: /-----BEGIN/,
    expression:
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----(?:(?!-----END).){0,20000}(?:-----END [A-Z0-9 ]{0,40}-----)?/gs,
  },
  // As RFC 4716 writes them
  {
    needs: /---- BEGIN/,
    expression:
      /---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ?----(?:(?!---- END).){0,20000}(?:---- END [A-Z0-9 ]{0,40}----)?/gs,
  },
  // Credentials in URLs
  { needs: /:\/\//, expression: /(?<=:\/\/)[^\s/@:]{0,256}:[^\s/]{1,256}(?=@)/g },
  // Passwords in commands
  { needs: /\s-[pwaP]/, expression: PASSWORD_OPTION, judge: passwordIn },
  { needs: /-(?:u|a|-user|-proxy-user|-auth)/, expression: USER_OPTION, judge: credentialsIn },
];

/** The same, with a word of those above. */
const SIGNED_WORDS: readonly Pattern[] = [
  // JSON Web Keys: what only their owner has
  {
    needs: /kty/,
    expression: /(?<="(?:d|p|q|dp|dq|qi|k)\\{0,8}"\s{0,4}:\s{0,4}\\{0,8}")[\w-]{16,}/g,
  },
  // Which of a header's cookies is the session, nobody knows.
  {
    needs: /cookie/i,
    expression: /(?<=(?<![A-Za-z])cookies?["']?\s{0,4}[:=]\s{0,4}["']?)[^\s"',;]+(?:; ?[^\s"',;]+)*/gi,
  },
  // Of headers, whatever their scheme is: `Authorization: SharedKey account:…`
  {
    needs: /authorization/i,
    expression:
      /(?<=authorization["']?\s{0,4}[:=]\s{0,4}["']?)[A-Za-z][\w-]{1,30} {1,4}(?![<$])(?=[^\s"',;&]{0,200}[\d=:])[^\s"',;&]{8,}/gi,
  },
  // `REDIS_AUTH=…` and `"auth":"…"`: a word with a digit or a sign of base64 in it
  {
    needs: /auth/i,
    expression:
      /(?<=(?<![A-Za-z])auth\\{0,8}["']?\s{0,4}[:=]\s{0,4}\\{0,8}["']?)(?!oauth|basic|digest|bearer|sha|hmac|\$)(?=[^\s"',;&]{0,100}[\d=])(?=[^\s"',;&]{0,100}[A-Za-z])[^\s"',;&<>()[\]{}*]{8,}/gi,
  },
  // OAuth's codes: long, unlike those of languages, countries and diagnoses
  {
    needs: /[?&]code=/,
    expression: /(?<=[?&]code=)(?=[\w.~/%-]{0,100}\d)(?=[\w.~/%-]{0,100}[A-Za-z])[\w.~/%-]{20,}/g,
  },
  // Oracle's `scott/tiger@host`
  {
    needs: /jdbc:oracle|sqlplus/,
    expression: /(?<=(?:jdbc:oracle:\w{1,8}:|sqlplus\s{1,4})[\w.-]{1,64}\/)[^\s@"'/]+(?=@)/g,
  },
  // Signatures of URLs: Azure's `sig`, CloudFront's and others'
  {
    needs: /sig/i,
    expression: /(?<=(?:[?&;]|%3f|%26)(?:sig|signature)(?:=|%3d))[^\s"'<>&,;)}\]]{8,}/gi,
  },
  // PuTTY's private keys
  {
    needs: /Private-/,
    expression:
      /(?<=Private-Lines: ?\d{1,3}\r?\n)(?:[\w+/=]{1,80}(?:\r?\n|$))+|(?<=Private-MAC: ?)[0-9a-f]{40,}/g,
  },
];

/** With quotes in them, or another sign. */
const QUOTED: readonly Pattern[] = [
  // SQL: `IDENTIFIED BY '…'`, `WITH PASSWORD '…'`, `PASSWORD('…')`
  {
    needs: /identified|password/i,
    expression:
      /(?<=\b(?:identified\s{1,4}(?:with\s{1,4}[\w"'`]{1,40}\s{1,4})?(?:by|as)(?:\s{1,4}password)?|password)(?:\s{1,4}|\s{0,4}\(\s{0,4}))(?:"[^"\n]{1,256}"|'(?:[^'\n]|''){1,256}')/gi,
  },
];

const UNSIGNED: readonly Pattern[] = [
  // netrc
  { needs: /login\s/, expression: /(?<=\blogin\s{1,4}\S{1,64}\s{1,4}password\s{1,4})\S+/g },
  // Authorization headers
  {
    needs: /[Bb](?:[Ee][Aa][Rr]|[Aa][Ss][Ii])/,
    expression: /(?<![A-Za-z])(?:bearer|basic)[\s:]+[\w.~+/=-]{8,}/gi,
    judge: isAuthorization,
  },
];

const SSN = /(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)/g;

const OF_DIGITS: readonly Pattern[] = [
  // Magnetic tracks, of which nothing may be kept (PCI DSS 3.3.1): the first tells the name, too.
  { kind: 'card', needs: /\d\^/, expression: /%?B?\d{12,19}\^[^^\n]{2,26}\^[^?\s]{4,80}\??/g },
  { needs: /\d=\d/, expression: /(?<![A-Za-z\d]);?\d{12,19}=\d{4,24}\??/g, judge: isTrack, kind: 'card' },
  {
    kind: 'card',
    needs: /\d{4}\.\d{4}\./,
    expression: /(?<![\w.])\d{4}(?:\.\d{4}){3}(?![\w.])/g,
    judge: isCard,
  },
  // Cards, on a magnetic track behind %B. Digits after a decimal point are a fraction, behind % an escape, and may be most of a UUID.
  {
    needs: /\d{2}/,
    expression:
      /(?:%(?:25){0,4}[2-7][\dA-Fa-f]|(?<![A-Za-z\d%](?<!%B)|\d\.))\d(?:[ -]?\d){12,}(?![A-Za-z\d]|-[\dA-Fa-f]{4}-[\dA-Fa-f]{12}(?!\w))/g,
    judge: cardsIn,
    kind: 'card',
  },
];

/** @param signed the text has a sign that stands between names and values, in the way it does */
export function findPatterns(text: string, hits: Hit[], traits: number, signed: boolean): void {
  if (signed) find(SIGNED, text, hits);
  if (traits & KEYED) {
    if (signed) find(SIGNED_WORDS, text, hits);
    if (traits & SIGN) find(QUOTED, text, hits);
    find(UNSIGNED, text, hits);
  }
  if (traits & NUMBER) findAll(SSN, text, hits, 'ssn', isSsn);
  if (traits & LONG_NUMBER) find(OF_DIGITS, text, hits);
}

function find(patterns: readonly Pattern[], text: string, hits: Hit[]): void {
  for (const { expression, needs, kind = 'secret', judge } of patterns) {
    if (needs.test(text)) findAll(expression, text, hits, kind, judge);
  }
}

/** Basic credentials are base64 of `user:password` (RFC 7617): a `basic metabolic panel` is not. */
function isAuthorization(text: string): boolean {
  const [scheme, credentials] = text.split(/[\s:]+/) as [string, string];
  return scheme.toLowerCase() === 'bearer' || Buffer.from(credentials, 'base64').includes(':');
}

function isTrack(text: string): boolean {
  return isCard(text.slice(0, text.indexOf('=')));
}

/** How card numbers are written in groups; in any other way only when nothing else stands beside them. */
const CARD_GROUPS = /^(\d{13,19}|\d{4}([ -]\d{4}){3}([ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5})$/;
const MAX_CARD_GROUPS = 5;

/** Its digits are none of a number's. */
const AN_ESCAPE = /^%(?:25){0,4}[2-7][\dA-Fa-f]/;

/** Other numbers may stand before and after a card's, its expiry for one. */
function cardsIn(match: string): Part[] {
  const begins = AN_ESCAPE.exec(match)?.[0].length ?? 0;
  const cards = cardsOf(match.slice(begins));
  return cards.map(({ start, end }) => ({ start: begins + start, end: begins + end }));
}

function cardsOf(text: string): Part[] {
  if (isCard(text)) return [{ start: 0, end: text.length }];
  const cards: Part[] = [];
  const groups = [...text.matchAll(/\d+/g)].map(({ 0: digits, index }) => ({
    start: index,
    end: index + digits.length,
  }));
  for (let i = 0; i < groups.length; i++) {
    // The longest that starts here.
    for (let last = i + MAX_CARD_GROUPS - 1; last >= i; last--) {
      if (last >= groups.length) continue;
      const card = { start: groups[i]!.start, end: groups[last]!.end };
      const digits = text.slice(card.start, card.end);
      if (!CARD_GROUPS.test(digits) || !isCard(digits)) continue;
      cards.push(card);
      i = last;
      break;
    }
  }
  return cards;
}

/** The issuers' ranges and the Luhn check digit (ISO/IEC 7812-1). */
function isCard(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  if (!/^[2-6]/.test(digits) || digits.length > 19) return false;
  return isLuhn(digits);
}
