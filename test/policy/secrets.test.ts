import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REDACTED } from '../../src/policy/redact.ts';
import { POLICY } from '../support/spans.ts';

const scan = (text: string, limit?: number) => POLICY.redactor.scan(text, limit);
const base64 = (text: string) => Buffer.from(text).toString('base64');

// Put together here, so that no scanner takes this file for a leak.
const filler = (length: number) => 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0xL'.repeat(4).slice(0, length);
const ISSUED: [string, string][] = [
  ['AWS', `AKIA${'IOSFODNN7EXAMPLE'}`],
  ['AWS, temporary', `ASIA${'A1B2C3D4E5F6G7H8'}`],
  ['GitHub', `ghp_${filler(36)}`],
  ['GitHub, OAuth', `gho_${filler(36)}`],
  ['GitHub, fine-grained', `github_pat_${filler(22)}_${filler(59)}`],
  ['GitLab', `glpat-${filler(20)}`],
  ['OpenAI', `sk-proj-${filler(48)}`],
  ['OpenAI, of old', `sk-${filler(48)}`],
  ['Anthropic', `sk-ant-api03-${filler(93)}-AA`],
  ['Stripe', `sk_live_${filler(24)}`],
  ['Slack, bot', `xoxb-123456789012-1234567890123-${filler(24)}`],
  ['Slack, user', `xoxp-123456789012-${filler(24)}`],
  ['Slack, webhook', `hooks.slack.com/services/T00000000/B00000000/${filler(24)}`],
  ['Google', `AIza${filler(35)}`],
  ['npm', `npm_${filler(36)}`],
  ['SendGrid', `SG.${filler(22)}.${filler(43)}`],
];

describe('a token as its issuer writes it', () => {
  it.each(ISSUED)('%s', (_, token) => {
    expect(scan(token)).toBe(REDACTED);
    expect(scan(`used ${token}, then`)).toBe(`used ${REDACTED}, then`);
    expect(scan(`key-${token}`)).toBe(`key-${REDACTED}`);
    expect(scan(`https://${token}`)).toBe(`https://${REDACTED}`);
  });

  it.each([
    'desk-proj-aaaaaaaaaaaaaaaaaaaa',
    'risk_test_aaaaaaaaaaaaaaaa',
    'sk-learn-toggleable-content',
    'npm_config_registry_of_the_house',
    'https://hooks.slack.com/',
    'AKIA and more',
    'ExportTraceServiceResponseFailure',
    'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
  ])('is not %s', (text) => {
    expect(scan(text)).toBe(text);
  });
});

describe('a social security number', () => {
  it.each([
    ['patient-123-45-6722', `patient-${REDACTED}`],
    ['conv-123-45-6762', `conv-${REDACTED}`],
    ['ssn_123-45-6723', `ssn_${REDACTED}`],
    ['123-45-6789-old, SSN123-45-6789', `${REDACTED}-old, SSN${REDACTED}`],
    ['is 123\u201145\u20116789.', `is ${REDACTED}.`],
    ['is 123\u201345\u20136789.', `is ${REDACTED}.`],
    ['is 123\u221245\u22126789.', `is ${REDACTED}.`],
    ['is １２３-４５-６７８９.', `is ${REDACTED}.`],
    ['is １２３－４５－６７８９.', `is ${REDACTED}.`],
    ['is 12\u200b3-45-\u200d67\u00ad89.', `is ${REDACTED}.`],
    [
      'ﬁne — “é” 123\u201145\u20116789 ½ — \u{1f469}\u200d\u{1f52c}',
      `ﬁne — “é” ${REDACTED} ½ — \u{1f469}\u200d\u{1f52c}`,
    ],
  ])('%s', (text, expected) => {
    expect(scan(text)).toBe(expected);
  });

  it('is none within longer numbers', () => {
    for (const text of ['1123-45-6789', '123-45-67890', '12345678-1234-4234-8234-123456789012'])
      expect(scan(text)).toBe(text);
  });

  it('is found wherever text that nobody sees stands in it, and nothing else changes', () => {
    const unseen = fc.constantFrom('', '', '\u200b', '\u200d', '\u2060', '\ufeff', '\u00ad', '\ufe0f');
    const dash = fc.constantFrom('-', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212', '－');
    const around = fc.string({
      unit: fc.constantFrom('é', '—', 'ﬁ', '𝒳', '\u200b', '：', '１ ', ' ', 'ab', '½'),
      maxLength: 8,
    });
    const digit = fc.nat(9).chain((n) => fc.constantFrom(String(n), String.fromCharCode(0xff10 + n)));
    fc.assert(
      fc.property(
        around,
        around,
        fc.array(fc.tuple(digit, unseen), { minLength: 9, maxLength: 9 }),
        dash,
        (before, after, digits, sign) => {
          const at = (from: number, to: number) => digits.slice(from, to).flat().join('');
          const ssn = `${at(0, 3)}${sign}${at(3, 5)}${sign}${at(5, 9)}`;
          const plain = ssn.normalize('NFKC').replace(/\D/g, '');
          fc.pre(/^(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}$/.test(plain));
          const clean = scan(`${before}. ${ssn} .${after}`);
          expect(clean.startsWith(`${before}. ${REDACTED}`)).toBe(true);
          expect(clean.endsWith(`.${after}`)).toBe(true);
          expect(clean.length).toBeLessThanOrEqual(before.length + after.length + REDACTED.length + 4);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('a card number', () => {
  it.each([
    'card-4111111111111111',
    'order_4111 1111 1111 1111',
    '%B4111111111111111',
    '４１１１ １１１１ １１１１ １１１１',
    '4111‑1111‑1111‑1111',
  ])('%s', (text) => {
    expect(scan(text)).toBe(text.replace(/[\d４１].*/, REDACTED));
  });
});

describe('a private key', () => {
  it('of PGP', () => {
    const text = `-----BEGIN PGP ${'PRIVATE'} KEY BLOCK-----\n${filler(64)}`;
    expect(scan(`${text}\n-----END PGP ${'PRIVATE'} KEY BLOCK----- .`)).toBe(`${REDACTED} .`);
  });
});

describe('a value after its name', () => {
  it.each([
    ['--password x', `--password ${REDACTED}`],
    ['mysql --password hunter2 -u root', `mysql --password ${REDACTED} -u root`],
    ['Connect -Password "hunter two" -Force', `Connect -Password ${REDACTED} -Force`],
    ['<password>x</password>', `<password>${REDACTED}</password>`],
    ['<a:Pass type="x">hunter two<b/></a:Pass> <c>', `<a:Pass type="x">${REDACTED}</a:Pass> <c>`],
    ['<password>hunt', `<password>${REDACTED}`],
    ['<add key="password" value="hunter two"/>', `<add key="password" value=${REDACTED}`],
    ['<birthDate value="1984-02-29"/>', `<birthDate value=${REDACTED}`],
    ['password%3Dx', `password%3D${REDACTED}`],
    ['u%26password%253Dhunter2', `u%26password%253D${REDACTED}`],
    ['%22password%22%3A%22hunter2%22', `%22password%22%3A${REDACTED}`],
    ['user[password]=x&y=1', `user[password]=${REDACTED}&y=1`],
    ['os.environ["DB_PASSWORD"] = "a b"', `os.environ["DB_PASSWORD"] = ${REDACTED}`],
    ['password === `a b`', `password === ${REDACTED}`],
    ['“password”： “hunter two” ok', `“password”： ${REDACTED} ok`],
    ['pass\u200bword=hunter2', `pass\u200bword=${REDACTED}`],
    ['token: str = "a b" # mine', `token: ${REDACTED} # mine`],
    ['password: |\n  hunter two\nnext: 1', `password: ${REDACTED}\nnext: 1`],
    ['password      :      x', `password      :      ${REDACTED}`],
    [
      'pass=hunter2 jwt=x phone_no=555-1234 ssn_last4: 6789',
      `pass=${REDACTED} jwt=${REDACTED} phone_no=${REDACTED} ssn_last4: ${REDACTED}`,
    ],
    [
      '{"password_confirmation":"x","ssns":["1"],"a',
      `{"password_confirmation":${REDACTED},"ssns":${REDACTED},"a`,
    ],
    ['{"name":"password","value":"hunter2","b', `{"name":"password","value":${REDACTED},"b`],
    ['{"h":[["x-api-key","z"],["a","b', `{"h":[["x-api-key",${REDACTED}],["a","b`],
    ['https://a.blob/x?sv=2022&sig=abcDEF%2Fghij%3D&se=1', `https://a.blob/x?sv=2022&sig=${REDACTED}&se=1`],
    [`https://s3/x?X-Amz-Signature=${filler(64)}&x=1`, `https://s3/x?X-Amz-Signature=${REDACTED}&x=1`],
  ])('%s', (text, expected) => {
    expect(scan(text)).toBe(expected);
  });

  it.each([
    'usage: login <user> <password> [options]',
    'the password is wrong: try again',
    'token usage: 15, pass_rate=0.9, tokens: 5, passed: 3',
    'sig: take one tablet daily',
    'a -- b - pin board',
    '<tokens>5</tokens><passed/> 4 < 5 > 3',
    '["a","b"] {"name":"colour","value":"red"',
  ])('is none in %s', (text) => {
    expect(scan(text)).toBe(text);
  });
});

describe('base64', () => {
  it.each([
    ['of JSON', base64('{"password":"hunter2!"}')],
    ['of text', base64('my ssn is 123-45-6789')],
    ['of a social security number alone', base64('123-45-6789')],
    ['of text in other letters', base64('Имя: Жанна, SSN: 123-45-6789')],
    ['of a token', base64(`the key is ${ISSUED[2]![1]}`)],
    ['for URLs', Buffer.from('{"a":"??>>","ssn":"123-45-6789"}').toString('base64url')],
  ])('%s with a secret goes as a whole', (_, token) => {
    expect(scan(token)).toBe(REDACTED);
    expect(scan(`data:text/plain;base64,${token} end`)).toBe(`data:text/plain;base64,${REDACTED} end`);
    expect(POLICY.redactor.redact({ body: [token] }, { tenant: 'default' }).value).toEqual({
      body: [REDACTED],
    });
  });

  it('that was cut within a character', () => {
    const token = base64('SSN: 123-45-6789, Имя: Жанна');
    for (let end = 30; end < token.length; end++) expect(scan(token.slice(0, end))).toBe(REDACTED);
  });

  it('in the path of a URL', () => {
    const token = Buffer.from('{"password":"hunter2!"}').toString('base64url');
    expect(scan(`https://h/abc/${token}/y`)).toBe(`https://h/abc/${REDACTED}/y`);
  });

  it('of anything else stays', () => {
    for (const text of ['{"colour":"red","n":1}', 'the quick brown fox', '\u0000\u0001password: x'])
      expect(scan(base64(text))).toBe(base64(text));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 64 }), (bytes) => {
        fc.pre(
          !Buffer.from(bytes)
            .toString('latin1')
            .match(/[:=<]|\d-\d|--/),
        );
        const token = Buffer.from(bytes).toString('base64');
        expect(scan(token)).toBe(token);
      }),
    );
  });
});

describe('a text that is cut', () => {
  const secrets = [
    '123-45-6789',
    '4111 1111 1111 1111',
    'password=hunter2hunter2',
    '"password":"hunter2 hunter2"',
    `Bearer ${filler(40)}`,
    `postgres://app:${filler(20)}@db`,
    base64('{"password":"hunter2!"}'),
    ...ISSUED.map(([, token]) => token),
  ];
  const kept = (text: string) => text.replace(/^x+ /, '').replaceAll(REDACTED, '');

  it.each(secrets)('has no part of %s at its end', (secret) => {
    const whole = kept(scan(secret));
    for (const limit of [100, 500]) {
      for (let before = limit - secret.length - 2; before <= limit; before++) {
        if (before < 2) continue;
        const clean = scan(`${'x'.repeat(before - 1)} ${secret} ${'y'.repeat(2_000)}`, limit);
        expect(clean.length).toBeLessThanOrEqual(limit);
        const end = kept(clean)
          .replace(/ y*$/, '')
          .replace(/\**(?:RE?D?A?C?T?E?D?\**)?$/, '');
        expect(whole.startsWith(end) || end === '' || whole === end, end).toBe(true);
      }
    }
  });

  it('ends with no half of a character', () => {
    expect(scan('ab😀', 3)).toBe('ab');
    expect(scan('ab😀', 4)).toBe('ab😀');
  });

  it('keeps nothing that was not read, however much was taken out before', () => {
    const pin = `${'pin=123456789012345678901234567890 '.repeat(100)}123-45-6789`;
    for (let limit = 1; limit < pin.length; limit += 7) expect(scan(pin, limit)).not.toMatch(/\d/);
  });
});
