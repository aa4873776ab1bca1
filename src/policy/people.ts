import { isIban } from './check-digits.ts';
import { eachMatch, endOf, findAll, type Hit } from './hits.ts';
import { ACCOUNT, eachWord, LONG_NUMBER, markWords, NUMBER, type Traits } from './traits.ts';

/** Letters beyond ASCII are in addresses too, quotation marks and the like are not. */
const LETTERS = '\\u00c0-\\u024f\\u0370-\\u1fff\\u3040-\\ud7ff';
/** Looked for at its `@`, from there in both directions. */
const EMAIL = new RegExp(
  `(?<=([\\w.+'%${LETTERS}-]{1,64}))@((?:[A-Za-z0-9${LETTERS}-]{1,63}\\.){1,8}[A-Za-z${LETTERS}]{2,24})(?![A-Za-z0-9])`,
  'g',
);

/** "jane roe"@example.com */
const QUOTED_EMAIL = /"[\w.+ '-]{1,64}"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])/g;

/** As far back as credentials of a URL may begin. */
const MAX_AUTHORITY = 512;

/** Finds e-mail addresses in text with an `@`. */
export function findEmails(text: string, hits: Hit[]): void {
  if (text.includes('"@')) findAll(QUOTED_EMAIL, text, hits, 'email');
  eachMatch(EMAIL, text, ({ 0: match, 1: local, 2: domain, index }) => {
    // git@github.com:… is how a repository is named; icon@2x.png and x@1.2.beta are files and versions.
    if (local === 'git' || /^\d+(?:x?\.[a-z]+$|\.\d)/.test(domain!) || isHost(text, index)) return undefined;
    hits.push({ start: index - local!.length, end: index + match.length, kind: 'email', rule: 'pattern' });
    return undefined;
  });
}

/** In `https://jane:secret@host`, what is before the `@` is found by its own pattern, and the host may stay. */
function isHost(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - MAX_AUTHORITY), at);
  const slashes = before.lastIndexOf('://');
  return slashes >= 0 && /^[^\s/:]*:[^\s/]*$/.test(before.slice(slashes + 3));
}

/** Whether all of a text is one e-mail address. */
export function isEmail(text: string): boolean {
  const hits: Hit[] = [];
  findEmails(text, hits);
  return hits.length === 1 && hits[0]!.start === 0 && hits[0]!.end === text.length;
}

/** Finds telephone numbers, bank accounts and Medicare's numbers in text with digits. */
export function findNumbers(text: string, hits: Hit[], traits: Traits): void {
  if (traits.found & NUMBER) {
    for (const { needs, expression } of PHONES)
      if (needs.test(text)) findAll(expression, text, hits, 'phone', isPhone);
  }
  findIbans(text, hits, traits);
  if (traits.found & LONG_NUMBER) findAll(LOWER_IBAN, text, hits, 'bank_account', isLowerIban);
  if (/\d-[A-Z]/.test(text)) findAll(MBI, text, hits, 'health_id');
}

const PHONES = [
  // +44 20 7946 0958
  { needs: /\+\d/, expression: /(?<![\w+.])\+[1-9](?:[ .()/-]{0,3}\d){8,14}(?!\d)/g },
  // (415) 555-2671 and 415-555-2671, as North America numbers its areas and exchanges
  {
    needs: /\d[ .-]\d{4}/,
    expression:
      /(?<![\w+./-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}(?![\w-]|\.\d)/g,
  },
  // 0044 20 7946 0958
  { needs: /\b00[1-9]/, expression: /(?<![\w+./-])00[1-9]\d{0,2} \d(?:[ -]?\d){6,12}(?![\w-])/g },
  // (020) 7946 0958, 07700 900123, 06 12 34 56 78
  {
    needs: /\b0\d{1,5}(?:\) ?| )\d{2}/,
    expression:
      /(?<![\w+./-]|\d )(?:\(0\d{1,5}\) ?|0[1-9]\d{0,4} )\d{2,8}(?: \d{2,4}){0,3}(?![\w-]|\.\d| \d)/g,
  },
];

function isPhone(text: string): boolean {
  const digits = text.replace(/\D/g, '').length;
  return /^(?:\+|00)/.test(text) || (digits >= 10 && digits <= 11);
}

/** How long a country's account numbers are, by its code (SWIFT's registry of IBANs). */
const IBAN_LENGTHS = new Map(
  (
    '15NO 16BE 18DK18FI18FO18GL18NL 19MK19SI 20AT20BA20EE20KZ20LT20LU20XK 21CH21HR21LI21LV ' +
    '22BG22BH22CR22DE22GB22GE22IE22ME22RS 23AE23GI23IL23IQ23OM23TL 24AD24CZ24ES24MD24PK24RO24SA24SE24SK24TN24VG ' +
    '25EG25LY25PT25ST 26IS26TR 27BI27DJ27FR27GR27IT27MC27MR27SM 28AL28AZ28BY28CY28DO28GT28HU28LB28NI28PL28SV ' +
    '29BR29PS29QA29UA 30JO30KW30MU30YE 31MT31SC 32LC 33RU'
  )
    .match(/\d{2}[A-Z]{2}/g)!
    .map((each) => [each.slice(2), Number(each.slice(0, 2))]),
);

/** In lower case, with no letters but a bank's before the account: words and ids have some anywhere. */
const LOWER_IBAN = /(?<![A-Za-z0-9])[a-z]{2}\d{2}(?:[a-z]{4})?\d{8,26}(?![A-Za-z0-9])/g;

function isLowerIban(text: string): boolean {
  const signs = text.toUpperCase();
  return IBAN_LENGTHS.get(signs.slice(0, 2)) === signs.length && isIban(signs);
}

for (const country of IBAN_LENGTHS.keys())
  markWords([...'0123456789'].map((digit) => country + digit).join(' '), ACCOUNT);

const IBAN = /(?<!\d)[A-Z]{2}\d{2}(?=[ -]?[A-Z0-9])/y;

function findIbans(text: string, hits: Hit[], traits: Traits): void {
  eachWord(text, traits, ACCOUNT, (start) => {
    if (endOf(IBAN, text, start) === start) return start;
    const length = IBAN_LENGTHS.get(text.slice(start, start + 2));
    if (length === undefined) return start;
    let signs = '';
    let end = start;
    for (; signs.length < length; end++) {
      const sign = text.charAt(end);
      if (/[A-Z0-9]/.test(sign)) signs += sign;
      else if (!/[ -]/.test(sign) || /[ -]/.test(text.charAt(end + 1))) return start;
    }
    if (/[A-Za-z0-9]/.test(text.charAt(end)) || !isIban(signs)) return start;
    hits.push({ start, end, kind: 'bank_account', rule: 'pattern' });
    return end;
  });
}

/** Medicare's number as it stands on the card (CMS: no S, L, O, I, B, Z). */
const MBI =
  /(?<![\w-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-[AC-HJKMNP-RT-Y]{2}\d{2}(?![\w-])/g;
