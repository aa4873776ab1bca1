import { describe, expect, it } from 'vitest';
import { REDACTED, type RedactionContext } from '../../src/policy/redact.ts';
import { POLICY } from '../support/spans.ts';

const TENANT: RedactionContext = { tenant: 'default' };

function redacted(value: unknown, context = TENANT): unknown {
  return JSON.parse(JSON.stringify(POLICY.redactor.redact(value, context).value));
}

const pseudonym = (kind: string, value: string) => POLICY.keyring.pseudonym('default', kind, value);

describe('by name', () => {
  it('goes through objects and lists', () => {
    const value = { a: [{ password: 'x', b: { api_key: 'y', c: 1 } }], token: { any: ['thing'] }, pin: 1234 };
    expect(redacted(value)).toEqual({
      a: [{ password: REDACTED, b: { api_key: REDACTED, c: 1 } }],
      token: REDACTED,
      pin: REDACTED,
    });
  });

  it('leaves null null, and every other value of a listed name out', () => {
    expect(redacted({ password: null, secret: '', token: false, otp: 0, cvv: [] })).toEqual({
      password: null,
      secret: REDACTED,
      token: REDACTED,
      otp: REDACTED,
      cvv: REDACTED,
    });
  });

  it('goes into JSON in strings, three deep, and what lies deeper is read as text', () => {
    const name = pseudonym('patient_name', 'jane roe');
    let value: unknown = { password: 'hunter2', patient_name: 'Jane Roe' };
    for (let depth = 1; depth <= 6; depth++) {
      value = { body: JSON.stringify(value) };
      const text = JSON.stringify(redacted(value));
      expect(text, `${depth} deep`).not.toMatch(/hunter2|Jane|Roe/);
      // Only in JSON that was read, a person is a pseudonym.
      expect(text.includes(name), `${depth} deep`).toBe(depth <= 3);
    }
  });

  it('keeps JSON in a string JSON in a string', () => {
    const { body } = redacted({ body: ' [ {"password": "x", "n": 1} ] ' }) as { body: string };
    expect(JSON.parse(body)).toEqual([{ password: REDACTED, n: 1 }]);
  });

  it('reads a name that every object has as any other', () => {
    const context = { tenant: 'default', pseudonyms: { name: 'patient_name' } };
    const value = JSON.parse(
      '{"constructor":"Ferrari","__proto__":{"password":"x"},"toString":"y"}',
    ) as unknown;
    const clean = redacted(value, context) as { [key: string]: unknown };
    expect(clean.constructor).toBe('Ferrari');
    expect(clean.toString).toBe('y');
    expect(JSON.stringify(clean)).toContain(`"__proto__":{"password":"${REDACTED}"}`);
  });
});

describe('pseudonyms', () => {
  it('are one for all spellings and containers of one value', () => {
    const ssn = pseudonym('ssn', '123456789');
    expect(redacted({ ssn: '123-45-6789' })).toEqual({ ssn });
    expect(redacted({ patientSSN: ' 123 45 6789 ' })).toEqual({ patientSSN: ssn });
    expect(redacted({ ssn: 123456789 })).toEqual({ ssn });
    expect(redacted({ ssn: 123456789n })).toEqual({ ssn });
    expect(redacted({ ssn: ['123-45-6789'] })).toEqual({ ssn: [ssn] });
    expect(redacted({ list: [{ a: '{"ssn":"123-45-6789"}' }] })).toEqual({
      list: [{ a: `{"ssn":"${ssn}"}` }],
    });
    expect(redacted({ full_name: 'JANE   Roe' })).toEqual({
      full_name: pseudonym('patient_name', 'jane roe'),
    });
    expect(redacted({ patientName: 'Jane Roe' })).toEqual({
      patientName: pseudonym('patient_name', 'jane roe'),
    });
    expect(redacted({ phone: '+1 (415) 555-2671' })).toEqual({ phone: pseudonym('phone', '14155552671') });
  });

  it('differ for other values, kinds and tenants', () => {
    const values = [
      redacted({ ssn: '123-45-6789' }),
      redacted({ ssn: '123-45-6780' }),
      redacted({ ssn: '123-45-6789' }, { tenant: 'north' }),
      { ssn: (redacted({ dob: '123456789' }) as { dob: string }).dob },
    ] as { ssn: string }[];
    expect(new Set(values.map(({ ssn }) => ssn)).size).toBe(4);
  });

  it("of a tool's own names hold for that tool only", () => {
    const context = { tenant: 'default', pseudonyms: { name: 'patient_name' } };
    expect(redacted({ Name: 'Jane Roe', nickname: 'J' }, context)).toEqual({
      Name: pseudonym('patient_name', 'jane roe'),
      nickname: 'J',
    });
    expect(redacted({ name: 'report.pdf' })).toEqual({ name: 'report.pdf' });
  });

  it('are given for everything below the name, and for member names that are no identifiers', () => {
    expect(redacted({ address: { street1: '12 Main St', geo: { lat: 1.5 }, '123-45-6789': true } })).toEqual({
      address: {
        street1: pseudonym('address', '12 main st'),
        geo: { lat: pseudonym('address', '1.5') },
        [pseudonym('address', '123-45-6789')]: pseudonym('address', 'true'),
      },
    });
    expect(redacted({ phone: { '555-123-4567': 'home', home: '555-123-4567' } })).toEqual({
      phone: {
        [pseudonym('phone', '5551234567')]: pseudonym('phone', 'home'),
        home: pseudonym('phone', '5551234567'),
      },
    });
  });

  it('are made of whatever only looks like one', () => {
    for (const value of ['hmac:JaneDoe:aaaaaaaaaaaaaaaaaaaaaa', pseudonym('ssn', '1'), REDACTED])
      expect(redacted({ patient_name: value })).toEqual({ patient_name: pseudonym('patient_name', value) });
  });
});

describe('the name of a person', () => {
  const jane = pseudonym('patient_name', 'jane doe');

  it.each<[unknown, unknown]>([
    [{ patient: { name: 'Jane Doe', id: 'P-1' } }, { patient: { name: jane, id: 'P-1' } }],
    [{ customers: [{ name: 'Jane Doe' }, 'x'] }, { customers: [{ name: jane }, 'x'] }],
    [{ user: { displayName: 'Jane Doe', role: 'nurse' } }, { user: { displayName: jane, role: 'nurse' } }],
    [{ person: '{"name":"Jane Doe"}' }, { person: `{"name":"${jane}"}` }],
    [{ contact_info: { Name: ['Jane Doe'] } }, { contact_info: { Name: [jane] } }],
    [
      { patient: { name: { first: 'Jane Doe' }, plan: { name: 'Gold' } } },
      { patient: { name: { first: jane }, plan: { name: 'Gold' } } },
    ],
  ])('%j is a pseudonym', (value, expected) => {
    expect(redacted(value)).toEqual(expected);
  });

  it('is not that of a product, a tool or a file', () => {
    const value = {
      name: 'a',
      product: { name: 'Book' },
      tool: { name: 'search' },
      user_agent: { name: 'curl' },
    };
    expect(redacted(value)).toEqual(value);
  });
});

describe('a value named by what stands beside it', () => {
  it.each<[unknown, unknown]>([
    [
      { name: 'password', value: 'x' },
      { name: 'password', value: REDACTED },
    ],
    [
      { Key: 'api-key', Value: ['x'], type: 'y' },
      { Key: 'api-key', Value: REDACTED, type: 'y' },
    ],
    [
      { value: 'x', key: 'a', label: 'Password' },
      { value: REDACTED, key: 'a', label: 'Password' },
    ],
    [
      { name: 'colour', value: 'red' },
      { name: 'colour', value: 'red' },
    ],
    [
      { name: 'dob', value: '1984' },
      { name: 'dob', value: pseudonym('date_of_birth', '1984') },
    ],
    [[{ key: 'password', value: { stringValue: 'x' } }], [{ key: 'password', value: REDACTED }]],
    [
      [
        ['x-api-key', 'x'],
        ['accept', '*/*'],
      ],
      [
        ['x-api-key', REDACTED],
        ['accept', '*/*'],
      ],
    ],
    [
      ['ssn', 123456789],
      ['ssn', pseudonym('ssn', '123456789')],
    ],
    [
      ['last_name', 'Street'],
      ['last_name', pseudonym('patient_name', 'street')],
    ],
    [
      ['mysql', '--password', 'x', '-u', 'root'],
      ['mysql', '--password', REDACTED, '-u', 'root'],
    ],
    [
      ['ssn', 'dob'],
      ['ssn', 'dob'],
    ],
    [
      ['id', 'password', 'email'],
      ['id', 'password', 'email'],
    ],
  ])('%j becomes %j', (value, expected) => {
    expect(redacted(value)).toEqual(expected);
    expect(redacted({ body: JSON.stringify(value) })).toEqual({ body: JSON.stringify(expected) });
  });
});

describe('a FHIR patient', () => {
  const patient = {
    resourceType: 'Patient',
    id: 'P-1042',
    identifier: [{ system: 'http://hl7.org/fhir/sid/us-ssn', value: '123-45-6789' }],
    name: [
      { use: 'official', family: 'Roe', given: ['Jane', 'Q'] },
      { use: 'nickname', text: 'Janie Roe' },
    ],
    telecom: [{ system: 'phone', value: '+1 415 555 2671', use: 'home', rank: 1 }],
    gender: 'female',
    birthDate: '1984-02-29',
    address: [{ use: 'home', type: 'both', line: ['12 Main St'], city: 'Springfield', postalCode: '62701' }],
    contact: [{ name: { family: 'Doe', given: ['John'] } }],
  };

  it('keeps its type, id and codes; name, telecom, birth date and address are pseudonyms', () => {
    const clean = redacted(patient) as typeof patient;
    const name = (value: string) => pseudonym('patient_name', value);
    expect(clean).toMatchObject({
      resourceType: 'Patient',
      id: 'P-1042',
      gender: 'female',
      birthDate: pseudonym('date_of_birth', '1984-02-29'),
      identifier: [{ system: 'http://hl7.org/fhir/sid/us-ssn', value: REDACTED }],
      name: [
        { use: 'official', family: name('roe'), given: [name('jane'), name('q')] },
        { use: 'nickname', text: name('janie roe') },
      ],
      telecom: [{ system: 'phone', use: 'home', value: pseudonym('phone', '14155552671') }],
      address: [{ use: 'home', type: 'both', city: pseudonym('address', 'springfield') }],
      contact: [{ name: { family: name('doe') } }],
    });
    const text = JSON.stringify(clean);
    for (const word of ['Roe', 'Jane', 'Janie', '415', '1984', 'Main', 'Springfield', '62701', 'Doe', 'John'])
      expect(text).not.toContain(word);
  });

  it('is read alike as JSON in a string, and with names in an object of their own', () => {
    expect(JSON.parse((redacted({ body: JSON.stringify(patient) }) as { body: string }).body)).toEqual(
      redacted(patient),
    );
    expect(redacted({ name: { text: 'Jane Roe' } })).toEqual({
      name: { text: pseudonym('patient_name', 'jane roe') },
    });
    expect(redacted({ name: [{ use: 'old' }, { text: 'Jane Roe' }] })).toMatchObject({
      name: [{ use: 'old' }, { text: pseudonym('patient_name', 'jane roe') }],
    });
  });

  it('hides nothing behind a FHIR word that is none', () => {
    const text = JSON.stringify(
      redacted({ address: { type: '12 Main St', use: 'at Roe' }, tel: { system: '911' } }),
    );
    expect(text).not.toMatch(/Main|Roe|911/);
  });
});

describe('limits', () => {
  const nested = (depth: number): unknown => {
    let value: unknown = 'bottom';
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };

  it.each([
    ['too deep', nested(21), true],
    ['just not too deep', nested(20), false],
    ['too many members', Object.fromEntries(Array.from({ length: 2_001 }, (_, i) => [i, i])), true],
    ['just not too many', Array(2_000).fill(0), false],
    ['too many in lists', [Array(1_500).fill(0), Array(1_500).fill(0)], true],
    ['too many of one person', { ssn: Array(2_001).fill('1') }, true],
    ['too long', 'x'.repeat(4_001), true],
    ['just not too long', 'x'.repeat(4_000), false],
  ])('of what is %s are told', (_, value, truncated) => {
    const result = POLICY.redactor.redact(value, TENANT);
    expect(result.truncated).toBe(truncated);
    expect(JSON.stringify(result.value).includes('bottom')).toBe(_ === 'just not too deep');
  });

  it('bound the result', () => {
    const { value } = POLICY.redactor.redact({ a: 'x'.repeat(50_000), [`${'k'.repeat(50_000)}`]: 1 }, TENANT);
    expect(JSON.stringify(value).length).toBeLessThan(5_000);
  });

  it('give JSON whatever comes: numbers JSON has no word for, big ones, nothing', () => {
    const value = {
      a: Number.NaN,
      b: Number.NEGATIVE_INFINITY,
      c: 10n ** 20n,
      d: undefined,
      e: Symbol.iterator,
      f: true,
    };
    expect(redacted(value)).toEqual({
      a: 'NaN',
      b: '-Infinity',
      c: '100000000000000000000',
      d: null,
      e: null,
      f: true,
    });
  });
});
