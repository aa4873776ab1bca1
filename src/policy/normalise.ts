/**
 * One form for the spellings of one value, before its pseudonym is made. Only what is surely one value becomes one:
 * two people taken for one is worse than one taken for two. What it gives, it leaves as it is.
 *
 * All kinds: Unicode NFC, and no white space at either end. And then
 * - `ssn`: the digits alone, if there are any;
 * - `phone`: likewise, without the international prefix, `+` or `00`, nor the `(0)` behind it that is not dialled;
 * - `date_of_birth`: `YYYY-MM-DD`, of a date that can be read in one way only; `03/04/1984` stays as it is;
 * - `email`: in lower case;
 * - `patient_name`, `address`: in lower case, white space as single spaces;
 * - any other, `subject` and `id` among them: no more. Case tells ids apart.
 */
export function normalise(kind: string, value: string): string {
  const text = value.normalize('NFC').trim();
  switch (kind) {
    case 'ssn':
      return text.replace(/\D+/g, '') || text;
    case 'phone':
      return phone(text);
    case 'date_of_birth':
      return date(text) ?? text;
    case 'email':
      return lower(text);
    case 'patient_name':
    case 'address':
      return lower(text).replace(/\s+/g, ' ');
    default:
      return text;
  }
}

/** Composed again: some letters fall apart in lower case. */
function lower(text: string): string {
  return text.toLowerCase().normalize('NFC');
}

/** No country's code begins with 0, so what does, twice, is a prefix. */
function phone(text: string): string {
  const dialled = /^(?:\+|00)/.test(text) ? text.replace(/\(0\)/, '') : text;
  const digits = dialled.replace(/\D+/g, '');
  return digits.replace(/^(?:00)+/, '') || digits || text;
}

/** Longer texts are no dates, or say more than one. */
const MAX_DATE = 40;
/** A day alone, or its midnight as serialisers write it where no zone could make it another day. */
const ISO = /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:T00:00(?::00(?:\.0{1,9})?)?Z?)?$/;
/** As HL7 and DICOM write it. Read day first, its year would be before 1300 or its month above 12. */
const COMPACT = /^(\d{4})(\d{2})(\d{2})$/;
/** Which of the first two is the day tells only one above 12, or that they are equal. */
const NUMERIC = /^(\d{1,2})([-/.])(\d{1,2})\2(\d{4})$/;
/** 29 Feb 1984, 29th of February, 1984, 29-Feb-1984 */
const DAY_FIRST = /^(\d{1,2})(?:st|nd|rd|th)?(?: of)?[ ./-]+([a-z]{3,9})[ .,/-]+(\d{4})$/i;
/** February 29, 1984, Feb. 29th 1984 */
const MONTH_FIRST = /^([a-z]{3,9})[ .-]+(\d{1,2})(?:st|nd|rd|th)?[ .,-]+(\d{4})$/i;
const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

function date(text: string): string | undefined {
  if (text.length > MAX_DATE) return undefined;
  const iso = ISO.exec(text);
  if (iso !== null) return day(iso[1]!, Number(iso[3]), iso[4]!);
  const compact = COMPACT.exec(text);
  if (compact !== null) return day(compact[1]!, Number(compact[2]), compact[3]!);
  const numeric = NUMERIC.exec(text);
  if (numeric !== null) {
    const [, one, , other, year] = numeric as unknown as [string, string, string, string, string];
    const dayFirst = day(year, Number(other), one);
    const monthFirst = day(year, Number(one), other);
    const isOne = dayFirst === undefined || monthFirst === undefined || dayFirst === monthFirst;
    return isOne ? (dayFirst ?? monthFirst) : undefined;
  }
  const dayFirst = DAY_FIRST.exec(text);
  if (dayFirst !== null) return day(dayFirst[3]!, monthOf(dayFirst[2]!), dayFirst[1]!);
  const monthFirst = MONTH_FIRST.exec(text);
  return monthFirst === null ? undefined : day(monthFirst[3]!, monthOf(monthFirst[1]!), monthFirst[2]!);
}

/** By its whole name, its first three letters, or `Sept`; 0 where it is none. */
function monthOf(name: string): number {
  const said = name.toLowerCase();
  const isIt = (month: string) => said === month || said === month.slice(0, 3);
  return said === 'sept' ? 9 : MONTHS.findIndex(isIt) + 1;
}

/** Undefined where the calendar has no such day between 1800 and 2099. */
function day(year: string, month: number, dayOfMonth: string): string | undefined {
  const days = Number(dayOfMonth);
  const isBirth = /^(?:1[89]|20)/.test(year) && month >= 1 && month <= 12 && days >= 1;
  if (!isBirth || days > new Date(Date.UTC(Number(year), month, 0)).getUTCDate()) return undefined;
  return `${year}-${String(month).padStart(2, '0')}-${String(days).padStart(2, '0')}`;
}
