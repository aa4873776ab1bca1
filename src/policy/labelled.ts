import { isDea, isLuhn, isNhs, isNpi } from './check-digits.ts';
import { endOf, type Hit } from './hits.ts';
import { eachWord, LABEL, markWords, type Traits } from './traits.ts';

/** A number that only the words before it tell from any other. */
interface Labelled {
  kind: string;
  label: string;
  value: RegExp;
  judge?: (value: string) => boolean;
}

const MONTH = '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\\.?';
/** 1984-02-29, 29.2.84, 02/29/1984, 19840229, 29 February 1984, 29-Feb-84, February 29th, 1984 */
const DATE = new RegExp(
  [
    '\\d{4}[./-]\\d{1,2}[./-]\\d{1,2}(?!\\d)',
    '\\d{1,2}[./ -]{1,2}\\d{1,2}[./ -]{1,2}\\d{2,4}(?!\\d)',
    `\\d{1,2}(?:st|nd|rd|th)?[ .-]{0,2}(?:of )?${MONTH}[ ,-]{0,2}\\d{2,4}`,
    `${MONTH}[ -]?\\d{1,2}(?:st|nd|rd|th)?[ ,-]{1,2}\\d{2,4}`,
    '(?:19|20)\\d{6}(?!\\d)',
  ].join('|'),
  'iy',
);
const PHONE = /[+(]?\d(?:[ ()./-]{0,2}\d){6,14}(?!\d)/y;

const LABELLED: readonly Labelled[] = [
  {
    kind: 'date_of_birth',
    label: 'd\\.? ?o\\.? ?b\\.?|date of birth|birth ?date|birthday|born(?: on)?|geburtsdatum|geboren(?: am)?',
    value: DATE,
  },
  { kind: 'ssn', label: 'ssn|social security', value: /\d{3}[ ._/-]?\d{2}[ ._/-]?\d{4}(?!\d)/y },
  {
    kind: 'tax_id',
    label: 'itin|ein|tin|tax(?:payer)?[ _-]?id(?:entification)?',
    value: /\d{2}-?\d{7}(?!\d)|\d{3}[ -]?\d{2}[ -]?\d{4}(?!\d)/y,
  },
  {
    kind: 'national_id',
    label: 'sin|social insurance',
    value: /\d{3}[ -]?\d{3}[ -]?\d{3}(?!\d)/y,
    judge: (text) => isLuhn(text.replace(/\D/g, '')),
  },
  {
    kind: 'national_id',
    label: 'nino|national insurance|ni(?= n)',
    value: /[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)/y,
  },
  { kind: 'national_id', label: 'aadhaa?r', value: /\d{4}[ -]?\d{4}[ -]?\d{4}(?!\d)/y },
  {
    kind: 'national_id',
    label: 'national[ _-]?id(?:entity)?|identity card|id card|tax file|bsn|cpf|pesel|curp|personnummer',
    value: /(?=(?:[A-Z./ -]{0,3}\d){5})[A-Z\d](?:[ ./-]?[A-Z\d]){6,19}(?!\w)/y,
  },
  { kind: 'card', label: 'cvv2?|cvc2?|security code', value: /\d{3,4}(?!\d)/y },
  { kind: 'health_id', label: 'npi', value: /\d{10}(?!\d)/y, judge: isNpi },
  { kind: 'health_id', label: 'dea', value: /[A-Z][A-Z9]\d{7}(?!\d)/y, judge: isDea },
  {
    kind: 'health_id',
    label: 'nhs',
    value: /\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)/y,
    judge: (text) => isNhs(text.replace(/\D/g, '')),
  },
  {
    kind: 'health_id',
    label: 'mbi|medicare',
    value: /[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z]{2}\d{2}(?!\w)/y,
  },
  {
    kind: 'health_id',
    label:
      'mrn|medical record|patient[ _-]?id(?:entifier)?|(?:member|subscriber|beneficiary|insurance|health ?plan)[ _-]?id|policy(?=[ _-]n)',
    value: /[A-Z]{0,4}-?\d(?:-?\d){4,14}/y,
  },
  { kind: 'passport', label: 'passport', value: /(?=(?:[A-Z]{0,3}\d){4})[A-Z\d]{6,9}(?!\w)/y },
  {
    kind: 'license',
    label: 'driver.{0,2}s?[ _-]?licen[cs]e|driving licen[cs]e|dl(?= ?#| no| num)',
    value: /(?=(?:[A-Z-]{0,6}\d){5})[A-Z\d](?:-?[A-Z\d]){5,18}(?!\w)/y,
  },
  {
    kind: 'bank_account',
    label: '(?:account|acct|routing)[ _.-]{1,2}(?:number|no|num)|routing|sort code',
    value: /\d(?:[ -]?\d){5,18}(?!\d)/y,
  },
  {
    kind: 'phone',
    label:
      '(?:tele)?phone|tel|ph|mobile|cell|fax|whatsapp|(?:call|text|ring|reach) (?:me|us|him|her|them|back)',
    value: PHONE,
  },
  // "my password is hunter2": a word with a digit in it, or in quotes: "the password is wrong" gives nothing away.
  {
    kind: 'secret',
    label: '(?:pass(?:word|code|phrase)|pin|otp|token|api[ _-]?key|secret)(?= (?:is|was) )',
    value: /(?<=["'])[^"'\n]{3,64}(?=["'])|["']?(?=[^\s"',;&%]{4})(?=[^\s"',;&%]{0,60}\d)[^\s"',;&]+["']?/y,
  },
  {
    kind: 'bank_account',
    label: 'iban',
    value: /[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z\d]{4}){2,7}(?:[ -]?[A-Za-z\d]{1,3})?(?![A-Za-z\d])/y,
  },
  {
    kind: 'secret',
    label: 'otp|pin|(?:verification|one.time|login|sms|2fa|mfa) code|passcode',
    value: /\d{4,8}(?!\d)/y,
  },
  {
    kind: 'secret',
    label: 'token|api[ _-]?key|secret key|password|passwd',
    value: /(?=[\w.~+/=-]{0,64}\d)(?=[\w.~+/=-]{0,64}[A-Za-z])[\w.~+/=-]{20,}/y,
  },
];

/** One group a label, so that the match says which. */
const LABELS = new RegExp(
  `(?:${LABELLED.map(({ label }) => `(${label})`).join('|')})(?:(?=number\\b)|(?![A-Za-z]))`,
  'iy',
);
/** How labels begin: only there the expression is tried. */
markWords(
  'dob do. d.o d.\0 d\0o dat bir bor geb ssn soc iti ein tin tax sin nin ni nat aad ide id bsn cpf pes cur per cvv cvc sec npi dea nhs mbi med mrn pat mem sub ben ins hea pol pas dri dl acc rou sor tel ph mob cel fax wha cal tex rin rea pin otp tok api iba ver one log sms 2fa mfa',
  LABEL,
);
const BETWEEN =
  /["'\])]{0,2}[ \t]{0,3}(?:(?:[_-]?(?:no|nr|num|number)|is|was|on|at)\b[.:]?[ \t]{0,3}|#[ \t]{0,3})?(?:(?:is|was)\b)?[ \t]{0,3}[:=#.-]?[ \t]{0,3}["']?/iy;

/** Finds numbers behind words for what they are: `DOB 1984-02-29`, `NPI 1234567893`, `passport no. X1234567`. */
export function findLabelled(text: string, hits: Hit[], traits: Traits): void {
  eachWord(text, traits, LABEL, (at) => {
    LABELS.lastIndex = at;
    const match = LABELS.exec(text);
    if (match === null) return at;
    const { kind, value, judge } = LABELLED[match.findLastIndex((group) => group !== undefined) - 1]!;
    const behind = at + match[0].length;
    const start = endOf(BETWEEN, text, behind);
    const end = endOf(value, text, start);
    if (end > start && (judge === undefined || judge(text.slice(start, end))))
      hits.push({ start, end, kind, rule: 'label' });
    return behind;
  });
}
