import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import { POLICY } from '../support/spans.ts';

const TENANT = { tenant: 'default' };
const redact = (value: unknown) => POLICY.redactor.redact(value, TENANT).value;

/** Stands in every secret, and in nothing else. */
const MARK = 'q7Xw2';

const LISTED = [...BUILTIN_POLICY.redact, ...Object.values(BUILTIN_POLICY.pseudonyms).flat()];

/** A listed name as somebody might spell it. */
function listedName(): fc.Arbitrary<string> {
  const spelling = fc.constantFrom<(name: string) => string>(
    (name) => name,
    (name) => name.toUpperCase(),
    (name) => `user_${name}`,
    (name) => `user-${name}`,
    (name) => `user${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    (name) => `${name}_`,
    (name) => `${name}2`,
    (name) => `old_${name}_value`,
    (name) => `user[${name}]`,
    (name) => name.replace(/^../, '$&\u200b'),
    (name) => (name === 'token' ? name : `${name}${name.endsWith('s') ? 'es' : 's'}`),
    (name) => [...name].join('_'),
  );
  return fc
    .tuple(fc.constantFrom(...LISTED), spelling)
    .map(([name, spell]) => (name.startsWith('=') ? name.slice(1) : spell(name)))
    .filter((name) => name !== 'passes');
}

const plainName = () =>
  fc.constantFrom('a', 'b', 'use', 'type', 'system', 'name', 'value', 'items', '__proto__');
const secret = () => fc.tuple(fc.string({ unit: 'binary' }), fc.string()).map(([a, b]) => `${a}${MARK}${b}`);
const harmless = () =>
  fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('{"a":1}'));

function object(members: [string, unknown][]): unknown {
  const made = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of members) made[key] = value;
  return made;
}

/** Any structure in which every secret stands somewhere below a listed name, JSON in strings up to three deep. */
function withSecrets(json: number): fc.Arbitrary<unknown> {
  return fc.letrec<{ secret: unknown; node: unknown }>((tie) => ({
    secret: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      secret(),
      fc.array(tie('secret'), { maxLength: 3 }),
      fc.array(fc.tuple(plainName(), tie('secret')), { maxLength: 3 }).map(object),
      secret().map((text) => JSON.stringify({ a: [text] })),
    ),
    node: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      harmless(),
      fc.tuple(listedName(), tie('secret')).map((member) => object([member])),
      fc.tuple(listedName(), tie('secret')),
      fc.tuple(listedName(), tie('secret')).map(([name, value]) => ({ name, value })),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.array(fc.tuple(fc.oneof(plainName(), listedName()), tie('node')), { maxLength: 4 }).map(object),
      ...(json > 0 ? [withSecrets(json - 1).map((value) => JSON.stringify(value))] : []),
    ),
  })).node;
}

describe('redaction', () => {
  it('leaves nothing of a secret below a listed name, wherever it stands', () => {
    fc.assert(
      fc.property(withSecrets(3), (value) => {
        expect(JSON.stringify(redact(value))).not.toContain(MARK);
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes a list of words in which other things stand for what it is', () => {
    const thing = Object.create(null) as object;
    expect(redact([['password', thing], '-p', 'x'])).toEqual([['password', '***REDACTED***'], '-p', 'x']);
    expect(redact(['sshpass', thing, '-p', MARK])).toEqual(['sshpass', {}, '-p', '***REDACTED***']);
  });

  it('leaves nothing of it in JSON that was cut anywhere', () => {
    fc.assert(
      fc.property(withSecrets(0), fc.double({ min: 0, max: 1, noNaN: true }), (value, share) => {
        const text = JSON.stringify({ first: value, last: 1 });
        const cut = text.slice(0, Math.max(1, Math.floor(share * text.length)));
        expect(JSON.stringify(redact({ body: cut }))).not.toContain(MARK);
      }),
      { numRuns: 1_000 },
    );
  });

  it('changes nothing but pseudonyms when it is done again', () => {
    const withoutTags = (value: unknown) => JSON.stringify(value).replace(/hmac:k1:[\w-]{22}/g, 'hmac');
    fc.assert(
      fc.property(
        fc.oneof(withSecrets(3), fc.jsonValue({ stringUnit: 'binary' }), awkwardText()),
        (value) => {
          const once = redact(value);
          expect(withoutTags(redact(once))).toEqual(withoutTags(once));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('gives JSON that is canonical within the depth of a record, and the same each time', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, maxDepth: 4 }), (value) => {
        const first = redact(value);
        expect(() => canonicalJson(replaceLoneSurrogates(first), 22)).not.toThrow();
        expect(redact(value)).toEqual(first);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Pieces that redaction looks for, in any order. */
function awkwardText(): fc.Arbitrary<string> {
  const pieces = [
    'password',
    'ssn',
    'pan',
    'Token',
    '=',
    ':',
    ' ',
    '"',
    "'",
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ';',
    '&',
  ];
  const more = [
    'Bearer ',
    'cookie: a',
    '4111 1111 1111 1111',
    ' 12',
    '123-45-6789',
    '://a:b@c',
    'x',
    '\n',
    'eyJhbGciOi.',
  ];
  return fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 16 }).map((parts) => parts.join(''));
}

function replaceLoneSurrogates(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replace(/\\ud[89a-f][0-9a-f]{2}/g, ''));
}

describe('hostile text', () => {
  // Every letter redaction has an interest in, alone and in the beginnings of what it looks for.
  const units = [
    ...[
      '-',
      '_',
      '.',
      ' ',
      ':',
      '=',
      '"',
      "'",
      '\\',
      '{',
      '[',
      '}',
      ']',
      '1',
      '1 ',
      '1-',
      '4-4 ',
      '123-45-',
      'a',
      '\n',
    ],
    ...['-eyJ', 'eyJ-', 'eyJaaaaaaaa.', '-eyJaaaaaaaa', 'password', 'password=', 'password="', "password='"],
    ...[
      'password=[',
      'token:{',
      'span=[',
      'p-',
      'p_a_s_s_',
      'pass-word ',
      'ssn\\\\',
      'token    =',
      '4111 1111 ',
    ],
    ...[
      'bearer ',
      'basic  ',
      'cookie:',
      'cookie: a; ',
      '://',
      '://a:',
      '://a:b',
      '-----BEGIN ',
      '-----BEGIN A',
    ],
    ...[
      '{"',
      '{"a":',
      '[[',
      '"{\\"',
      '\\"',
      '\ud800',
      'é',
      'cardnumber ',
      '***REDACTED***',
      '-----BEGIN PRIVATE KEY-----',
    ],
    ...[
      '<',
      '<a ',
      '<pin>',
      '--',
      '--pin ',
      '["',
      '["a",',
      '"a",',
      '"a","value":',
      'a b c d=',
      '%3D',
      '&sig=',
    ],
    ...['sk-ant-', 'SG.', 'ghp_', 'AKIA', 'A1b2C3d4/', 'eyJhIjoicGFzcyI6', 'aGVsbG8gd29ybGQ', '`', '“', '１'],
    ...['—', '\u200b', 'ﷺ', 'a\u0301', 'password:\n', 'password   ', 'patient-123-45-'],
  ];

  it.each(units.map((unit) => [unit]))('of repeated %j is read in linear time', (unit) => {
    const took = (length: number) => {
      const text = unit.repeat(Math.ceil(length / unit.length));
      const before = process.cpuUsage();
      redact({ a: text, [text]: 1 });
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    };
    took(50_000);
    const small = Math.min(took(50_000), took(50_000));
    const large = Math.min(took(200_000), took(200_000), took(200_000));
    // Quadratic is sixteen times as long, and seconds. Of processor time below 100 ms, much is not ours.
    expect(large).toBeLessThan(Math.max(10 * small, 100));
    expect(large).toBeLessThan(2_000);
  });

  it('of twelve million characters is read as far as it is kept', () => {
    const filler = 'a'.repeat(12_000_000);
    for (const text of [`password="${filler}"`, `{"password":"${filler}`, filler, ' '.repeat(12_000_000)]) {
      const before = Date.now();
      const { value } = POLICY.redactor.redact(
        { text, list: ['password', text], [text]: 1, ssn: text },
        TENANT,
      );
      expect(POLICY.redactor.scan(text).length).toBeLessThan(5_000);
      expect(JSON.stringify(value).length).toBeLessThan(6_000);
      expect(Date.now() - before).toBeLessThan(5_000);
    }
  });

  it('nested as deep as JSON.parse goes, and as wide, ends', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const wide = JSON.stringify(Array.from({ length: 50_000 }, () => ({ ssn: ['1', '2'] })));
    for (const text of [deep, wide, JSON.stringify(wide)]) {
      const { value, truncated } = POLICY.redactor.redact(text, TENANT);
      expect(truncated).toBe(true);
      expect((value as string).length).toBeLessThan(5_000);
    }
  });
});
