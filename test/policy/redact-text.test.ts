import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REDACTED } from '../../src/policy/redact.ts';
import { POLICY } from '../support/spans.ts';

const scan = (text: string) => POLICY.redactor.scan(text);
const clean = (text: string) => POLICY.redactor.text(text, { tenant: 'default' });

// Put together here, so that no scanner takes this file for a leak.
const FILLER = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0xL';
const JWT = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiJqYW5lIn0', FILLER].join('.');
const PEM = [`-----BEGIN RSA ${'PRIVATE'} KEY-----`, FILLER, FILLER, `-----END RSA ${'PRIVATE'} KEY-----`];
const BASIC = Buffer.from('jane:hunter2').toString('base64');

describe('a listed name in text takes its value with it', () => {
  it.each([
    ['password=hunter2', `password=${REDACTED}`],
    ['user=jane password=hunter2 x=1', `user=jane password=${REDACTED} x=1`],
    ['Server=db;User Id=sa;Password=P@ssw0rd;', `Server=db;User Id=sa;Password=${REDACTED};`],
    [`https://api.example.com/v1?token=${FILLER}&x=1`, `https://api.example.com/v1?token=${REDACTED}&x=1`],
    [`otpauth://totp/x?secret=${FILLER}`, `otpauth://totp/x?secret=${REDACTED}`],
    ['export DB_PASSWORD="correct horse" # mine', `export DB_PASSWORD=${REDACTED} # mine`],
    [`{'password': 'it''s', 'a': 1}`, `{'password': ${REDACTED}, 'a': 1}`],
    ['password => hunter2', `password => ${REDACTED}`],
    ['password := "hunter2"', `password := ${REDACTED}`],
    ['SSN: 123 45 6789 on file', `SSN: ${REDACTED} on file`],
    ['card number: 4111 1111 1111 1112', `card number: ${REDACTED}`],
    ['card 4000056655665556 exp 12/27 cvv: 123', `card ${REDACTED} exp 12/27 cvv: ${REDACTED}`],
    [
      'accessToken=abc userPassword=def cardPin=1234',
      `accessToken=${REDACTED} userPassword=${REDACTED} cardPin=${REDACTED}`,
    ],
    ['secret="a\\"b" c', `secret=${REDACTED} c`],
    ['user_password_=hunter2', `user_password_=${REDACTED}`],
    ['family: Roe "family": "Roe"', `family: Roe "family": ${REDACTED}`],
    ['token: [abc, def] rest', `token: ${REDACTED} rest`],
    ['nothing=1 password= ', 'nothing=1 password= '],
  ])('%s', (text, expected) => {
    expect(scan(text)).toBe(expected);
  });

  it('of headers', () => {
    const lines = [
      `Authorization: Bearer ${FILLER}`,
      `authorization: Basic ${BASIC}`,
      `Authorization: Token ${FILLER}`,
      `X-Api-Key: ${FILLER}`,
      `Proxy-Authorization: Negotiate ${FILLER}`,
      `Cookie: theme=dark; session=${FILLER}; lang=en`,
      `Set-Cookie: session=${FILLER}; Path=/; HttpOnly`,
    ];
    for (const line of lines) {
      expect(scan(line)).toBe(`${line.slice(0, line.indexOf(':'))}: ${REDACTED}`);
      expect(scan(`GET / HTTP/1.1\r\n${line}\r\nAccept: */*`)).toMatch(/^GET \/ .*\r\nAccept: \*\/\*$/s);
    }
  });

  it('unless the name is to be kept, or is a part of another word', () => {
    for (const text of [
      'next_token=abc maxToken: 4096 ip_address=10.1.2.3 {"nextToken":"abc","ipAddress":"10.0.0.1"',
      '{"forgiven":"yes","hotel":"Ritz","cut":"of',
      'tokens: 1532',
      'max_tokens=4096',
      'span=5 company: Acme, className=x, panel: 7',
      'password reset page, the secret of success',
      'secretary: Jones; token_count=5',
    ])
      expect(scan(text)).toBe(text);
  });
});

describe('JSON that was cut', () => {
  const whole = JSON.stringify({
    n: 1,
    accessToken: FILLER,
    patients: [{ patientName: 'Jane Roe', ssn: 123456789 }],
    address: { geo: { lat: 41.25 }, line: ['12 Main } St', '] "x"'], city: 'Springfield' },
    userPassword: 'q"}1',
    note: 'the end',
  });

  it('is clean wherever it was cut', () => {
    for (let end = 1; end < whole.length; end++)
      expect(clean(whole.slice(0, end)), `cut at ${end}`).not.toMatch(
        /aB3|Jane|Roe|1234|41\.|Main|Spring|q\\"/,
      );
  });

  it('is clean when it lies cut in a string of other JSON', () => {
    for (let end = 1; end < whole.length; end++) {
      const text = clean(JSON.stringify({ body: whole.slice(0, end), other: 1 }));
      expect(text, `cut at ${end}`).not.toMatch(/aB3|Jane|Roe|1234|41\.|Main|Spring|q\\/);
      expect(JSON.parse(text)).toMatchObject({ other: 1 });
    }
  });

  it('keeps what is before and after a secret', () => {
    const text = clean(whole.slice(0, -1));
    expect(text).toContain('"n":1,');
    expect(text).toContain('"note":"the end"');
  });
});

describe('a pattern', () => {
  const secrets: [string, string, string][] = [
    ['a JWT', JWT, `${REDACTED}`],
    ['a JWT without signature', JWT.replace(FILLER, ''), REDACTED],
    ['a JWT behind a dash', `x-${JWT}`, REDACTED],
    ['a PEM key', `a ${PEM.join('\n')} b`, `a ${REDACTED} b`],
    ['a PEM key with escaped line feeds', PEM.join('\\n'), REDACTED],
    ['a PEM key that was cut', PEM.slice(0, 2).join('\n'), REDACTED],
    ['a bearer token', `sent Bearer ${FILLER} to them`, `sent ${REDACTED} to them`],
    ['basic credentials', `sent basic ${BASIC}`, `sent ${REDACTED}`],
    ['credentials in a URL', 'postgres://app:s3cr3t@db:5432/prod', `postgres://${REDACTED}@db:5432/prod`],
    [
      'an escaped password in a URL',
      'https://user:p%40ss@db.example.com/x',
      `https://${REDACTED}@db.example.com/x`,
    ],
    [
      'an unescaped one',
      'mongodb+srv://u:p@w:d@c0.mongodb.net/',
      `mongodb+srv://${REDACTED}@c0.mongodb.net/`,
    ],
    ['a password without a user', 'redis://:s3cr3t@localhost:6379', `redis://${REDACTED}@localhost:6379`],
    ['a social security number', 'is 123-45-6789.', `is ${REDACTED}.`],
    ['a card in groups', '4111 1111 1111 1111', REDACTED],
    ['a card with dashes', '5555-5555-5555-4444', REDACTED],
    ['a card of fifteen digits', '378282246310005', REDACTED],
    ['a card in unusual groups', '41 11 11 11 11 11 11 11', REDACTED],
    ['a card before its expiry', '4111 1111 1111 1111 12/27', `${REDACTED} 12/27`],
    ['a card before its code', '4111111111111111 123', `${REDACTED} 123`],
    ['a card after a number', '2 3782 822463 10005', `2 ${REDACTED}`],
    ['two cards in a row', '4111111111111111 5555555555554444', `${REDACTED} ${REDACTED}`],
    ['track data', ';4111111111111111=27121010000000000?', REDACTED],
  ];

  it.each(secrets)('finds %s', (_, text, expected) => {
    expect(scan(text)).toBe(expected);
    expect(clean(text)).toBe(expected);
  });

  it('finds a card that came as a number', () => {
    expect(POLICY.redactor.redact({ n: 4111111111111111 }, { tenant: 'default' }).value).toEqual({
      n: REDACTED,
    });
  });

  it('finds secrets in member names', () => {
    const { value } = POLICY.redactor.redact({ '4111 1111 1111 1111': 1 }, { tenant: 'default' });
    expect(Object.keys(value as object)).toEqual([REDACTED]);
  });

  it('leaves fractions alone, which have as many digits as cards', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-4, max: 1e4, noNaN: true }), (number) => {
        expect(POLICY.redactor.redact({ number }, { tenant: 'default' }).value).toEqual({ number });
        expect(scan(`it is ${number} now`)).toBe(`it is ${number} now`);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('text that gives nothing away survives', () => {
  const harmless = [
    '0f8fad5b-d9cb-469f-a165-70867728950e',
    '12345678-1234-4234-8234-123456789012',
    '01J9Z0ABCDEFGHJKMNPQRSTVWX',
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '0af7651916cd43dd8448eb211c80319c',
    'b7ad6b7169203331',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '2026-03-01T12:00:00.123456789Z',
    '2026-03-01 12:00:00.123456',
    '1763696400123',
    '4111111111111112',
    '1234567890123456',
    '000-12-3456',
    '666-12-3456',
    '912-34-5678',
    '123-00-6789',
    '123-45-0000',
    'order 123-45-67890',
    '10.1.2.3',
    'v1.2.3-rc.4',
    'Patient/123',
    'Observation?code=85354-9',
    'ICD-10 E11.9',
    'LOINC 8480-6',
    'SNOMED 73211009',
    'tokens: 1532',
    'max_tokens=4096',
    'password reset page',
    'the secret of success',
    'user@localhost',
    'DE00370400440532013000',
    'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    'gpt-4o-2024-08-06',
    'claude-sonnet-4-5-20250929',
    'a basic metabolic panel',
    'https://example.com:8443/a@b?c=d',
    'http://[::1]:8080/x',
    'hmac:k1:Z3iy_B6rbJ-tcqBW8yedTw',
    `P-1042, call_${FILLER}`,
  ];

  it.each(harmless)('%s', (text) => {
    expect(scan(text)).toBe(text);
    expect(POLICY.redactor.redact({ id: text, list: [text] }, { tenant: 'default' })).toEqual({
      value: { id: text, list: [text] },
      truncated: false,
    });
  });

  it('as do ids and digests nobody has thought of', () => {
    const hex = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'abcdef0123456789'), minLength: length, maxLength: length });
    const withLetter = (length: number) => hex(length).filter((id) => /[a-f]/.test(id));
    fc.assert(
      fc.property(fc.oneof(fc.uuid(), fc.ulid(), withLetter(16), withLetter(32), withLetter(64)), (id) => {
        expect(scan(`span ${id} ok`)).toBe(`span ${id} ok`);
      }),
      { numRuns: 2_000 },
    );
  });
});
