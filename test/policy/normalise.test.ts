import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalise } from '../../src/policy/normalise.ts';

const KINDS = ['ssn', 'phone', 'date_of_birth', 'email', 'patient_name', 'address', 'subject', 'id', 'mrn'];
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);

const day = fc
  .date({ min: new Date('1800-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));

/** All ways to write a day that can be read in one way. */
function spellingsOf(iso: string): string[] {
  const [year, month, dayOfMonth] = iso.split('-') as [string, string, string];
  const name = MONTHS[Number(month) - 1]!;
  const short = name.slice(0, 3);
  const d = String(Number(dayOfMonth));
  const th = { 1: 'st', 21: 'st', 31: 'st', 2: 'nd', 22: 'nd', 3: 'rd', 23: 'rd' }[Number(d)] ?? 'th';
  const isDayPlain = Number(d) > 12 || Number(d) === Number(month);
  return [
    iso,
    ` ${iso}\n`,
    `${iso}T00:00:00Z`,
    `${iso}T00:00:00.000Z`,
    iso.replaceAll('-', '/'),
    iso.replaceAll('-', '.'),
    iso.replaceAll('-', ''),
    `${year}-${Number(month)}-${d}`,
    `${d} ${short} ${year}`,
    `${dayOfMonth} ${name} ${year}`,
    `${d}${th} of ${name}, ${year}`,
    `${dayOfMonth}-${short.toUpperCase()}-${year}`,
    `${name} ${d}, ${year}`,
    `${short}. ${d}${th}, ${year}`,
    `${name.toLowerCase()} ${dayOfMonth} ${year}`,
    ...(isDayPlain
      ? [`${d}/${month}/${year}`, `${month}/${dayOfMonth}/${year}`, `${d}.${Number(month)}.${year}`]
      : []),
  ];
}

describe('normalising', () => {
  it('again changes nothing', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...'+0(0)12 -/.ETZ:İßΣς\u0308\u00a0') }),
      day.map((iso) => spellingsOf(iso)[8]!),
    );
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), value, (kind, text) => {
        const once = normalise(kind, text);
        expect(normalise(kind, once)).toBe(once);
      }),
      { numRuns: 5_000 },
    );
  });

  it('makes one of all spellings of a day, and two of two days', () => {
    fc.assert(
      fc.property(day, day, (one, other) => {
        for (const spelling of spellingsOf(one))
          expect(normalise('date_of_birth', spelling), spelling).toBe(one);
        for (const spelling of spellingsOf(other))
          expect(normalise('date_of_birth', spelling) === one).toBe(one === other);
      }),
    );
  });

  it.each([
    '03/04/1984',
    '3.4.1984',
    '04-03-1984',
    '29/02/1983',
    '1983-02-29',
    '1984-13-01',
    '19841301',
    '1984-00-10',
    '31 Apr 1984',
    '29 Febr 1984',
    '29 Ma 1984',
    '29/02/84',
    '1984-02',
    '1584-02-29',
    '1984-02-29T23:00:00Z',
    '1984-02-29T00:00:00+14:00',
    '1984-02-29 / 1985-02-28',
    'about 1984-02-29',
    '29 Feb 1984 or so',
    '0000-00-00',
    'unknown',
    '441848400',
  ])('leaves what may be another day, or none, as it stands: %s', (text) => {
    expect(normalise('date_of_birth', ` ${text} `)).toBe(text);
  });

  it('makes one of a number dialled in the ways of the world', () => {
    const digits = fc.stringMatching(/^[1-9]\d{8,13}$/);
    fc.assert(
      fc.property(digits, digits, (one, other) => {
        const spaced = `${one.slice(0, 2)} ${one.slice(2, 5)}-${one.slice(5)}`;
        for (const spelling of [one, `+${one}`, `00${one}`, `+${spaced}`, ` 00 ${spaced}`, `(+${spaced})`])
          expect(normalise('phone', spelling), spelling).toBe(one);
        expect(normalise('phone', `+${other}`) === one).toBe(one === other);
      }),
    );
    expect(normalise('phone', '+44 (0)20 7946 0958')).toBe('442079460958');
    // Without its country it is a number of any.
    expect(normalise('phone', '(0)20 7946 0958')).toBe('02079460958');
    expect(normalise('phone', '020 7946 0958')).toBe('02079460958');
    expect(normalise('phone', '00')).toBe('00');
  });

  it('makes one of an e-mail address in any case, and of nothing else', () => {
    expect(normalise('email', ' Jane.Roe@Example.ORG ')).toBe('jane.roe@example.org');
    expect(normalise('id', 'Jane.Roe@Example.ORG')).toBe('Jane.Roe@Example.ORG');
  });

  it('leaves ids as they are, but for what surrounds them', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 ./_-]{0,30}[A-Za-z0-9]$/);
    fc.assert(
      fc.property(fc.constantFrom('subject', 'id', 'mrn'), id, (kind, text) => {
        expect(normalise(kind, `\t${text}\u00a0`)).toBe(text);
      }),
    );
  });

  it('takes no time over texts made to take some', () => {
    const began = performance.now();
    for (const kind of KINDS)
      for (const unit of ['0', ' ', '(0)', '.-', 'a', '1 ']) normalise(kind, `+${unit.repeat(200_000)}x`);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
