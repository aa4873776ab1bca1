import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HELD_OUT } from '../support/kinds/held-out.ts';
import { MUST } from '../support/kinds/must.ts';
import { ALSO_NOT, MUST_NOT } from '../support/kinds/must-not.ts';
import { POLICY } from '../support/spans.ts';

const LENGTH = 200_000;
/** Less processor time is not told from noise. */
const NOISE_MS = 60;

/** All of it, however long: a record keeps less. */
const scan = (text: string) => POLICY.redactor.scan(text, Number.POSITIVE_INFINITY);

/** Beginnings of what each pattern looks for, which it must give up again and again. */
const PROBES = [
  ...[
    'a',
    '1',
    '1 ',
    '1-',
    '-1',
    '4111 ',
    '1.',
    '(',
    '(0',
    '(020) ',
    '07700 ',
    '+1',
    '+1 ',
    '+1-',
    '415-555-',
  ],
  ...['@', 'a@', 'a@b', 'a.', 'a@a.', 'a@a.b@', '://a:', '://a:b@', 'x%40', 'jane.roe+'],
  ...['DE89', 'GB29 ', 'FR14 2004 ', 'AA11', 'AL00A', '1EG4-', '1EG4-TE5-', 'MK73 '],
  ...['dob', 'dob ', 'dob 1', 'dob: 19', 'born on ', 'birth', 'd.o.b', 'dob january '],
  ...[
    'npi 1',
    'dea A',
    'nhs 1 ',
    'mrn A-1',
    'patient id ',
    'passport X',
    'ssn 1',
    'cvv',
    'phone ',
    'call me ',
  ],
  ...[
    'account number ',
    'account number 1 ',
    'my password is ',
    'the password is "',
    'token a1',
    'iban de89 ',
    'otp ',
    '0044 ',
    '4111.',
    'bearer:',
    'driver',
    'pin is 1',
  ],
  ...['1111111111111^', '%B4111111111111111^', '^1', ';4111111111111111=', '4111111111111111=1'],
  ...[
    'mysql ',
    'mysql -',
    'mysql -p',
    'docker login ',
    ' -p',
    ' -p x',
    '-u ',
    '-u a:',
    '-u a:b ',
    '--user ',
    '--pin ',
  ],
  ...['Private-Lines: 1\n', 'Private-Lines: 1\na\n', '-----BEGIN A PRIVATE KEY-----'],
  ...[
    '%',
    '%4',
    '%25',
    '%2525',
    '%e2%80',
    '%f0%9f%98',
    '&',
    '&#',
    '&#x',
    '&amp;',
    '&amp;amp;',
    '&lt;password&gt;',
  ],
  ...['\\', '\\\\', '\\u', '\\u005c', '\\u0070', '\\n', '\\x5c', '\\"password\\":\\"'],
  ...[
    'eyJ',
    '-eyJ',
    'eyJaaaaaaaa.',
    'eyJaaaaaaaa..aaaaaaaa.',
    ':AA',
    '1:AA',
    'Q~',
    '1Q~',
    '-us',
    'NRAL',
    '.atlasv1.',
  ],
  ...[
    'M',
    'Maaaaaaaaaaaaaaaaaaaaaaaaa.',
    'SK',
    'sk-',
    'SG.a',
    'hvs.',
    'glsa_',
    'A1b2C3d4',
    'EAAA',
    '1//0',
    'xoxe.',
  ],
  ...['aGVsbG8gd29ybGQ', 'cGFzc3dvcmQ6IHg', `${'A'.repeat(76)}\n`, `${'A'.repeat(40)}\n `, 'QUFB\n', 'A\r\n'],
  ...[
    'form-data; name="',
    'form-data; name="a"\r\n',
    'name="password"\r\n\r\n',
    'form-data;form-data; name="pin"\n\n',
  ],
  ...['<input ', '<input name=', '<input name="pin" ', '<input value=', '<a ', '<pin>', '<!--'],
  ...['"authorization",', '["a","', '"x-api-key", ', '"a-key"', "','", 'x-a-'],
  ...[
    'patient name: A',
    'patient name: A B ',
    'patient name: a ',
    'name: van ',
    'address: 1 ',
    'address: a ',
    'A. ',
  ],
  ...['Digest a="', 'authorization: digest a=b, ', 'a=b,', 'password: digest a="b",', 'oauth ', 'a="'],
  ...[
    ...[
      'Patient: ',
      'Patient: A ',
      'Name: A',
      'A B, DOB',
      'Aa Bb ',
      'Aa, ',
      'Mr ',
      'Mr A ',
      'Dr. Aa Bb ',
      'Ab Dr ',
    ],
    ...['Name: van der ', "A'", 'A. B. ', 'A-B ', 'name:A B\n', 'A B (MRN ', 'É '],
  ],
  ...[
    ...[
      'insert into a (b) values (',
      'insert into a (pin) values (1,',
      "insert into a (pin) values ('",
      '(pin) values ',
    ],
    ...[
      "identified by '",
      "password '",
      'password(',
      "password ('",
      'identified with a ',
      'login a password ',
    ],
    ...[
      'authorization: a ',
      'authorization: a b',
      'auth=',
      'auth=1a',
      '_auth: ',
      '?code=',
      '&code=a1',
      'jdbc:oracle:thin:a/',
    ],
    ...['"kty" "d":"', '"kty"\\"d\\":\\"', '---- BEGIN PRIVATE KEY ----', 'Private-MAC: ', 'sqlplus a/'],
  ],
  ...[
    ...[
      '"patient":{',
      '"patient":{"name":',
      '"patient":{"a":1,',
      '<a name="pin">',
      '<a name="',
      'passphrase: a b ',
      '$(',
      '${',
    ],
    ...[
      '7b22',
      '0a',
      '6d79207373',
      'itin ',
      'ein 1',
      'tin 12-',
      'sin 1 2',
      'national id ',
      'dl #',
      'passport A1',
      'driver ',
    ],
    ...[
      'v1.local.',
      'pat',
      'secret_',
      're_a1_',
      'cio',
      'oy2',
      'EAAB',
      'ops_eyJ',
      '%2520',
      '%20411',
      '"a b"@',
      '"@',
      'de8912345678',
    ],
  ],
  ...['１', '\u0301', 'a\u0301', '٤', '\u00ad1', '𝟏'],
];

describe('hostile text', () => {
  it.each(PROBES.map((probe) => [probe]))(
    'of repeated %j takes twice the time for twice the length',
    (probe) => {
      const took = (length: number) => {
        const text = probe.repeat(Math.ceil(length / probe.length));
        const before = process.cpuUsage();
        scan(text);
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 1_000;
      };
      const best = (length: number) => Math.min(took(length), took(length), took(length));
      took(LENGTH / 10);
      const whole = took(LENGTH);
      if (whole < NOISE_MS) return;
      // A collection of garbage falls into one of them; four times the time for twice the length is so each time.
      const isEven = () => best(LENGTH) < Math.max(3 * best(LENGTH / 2), NOISE_MS);
      expect(isEven() || isEven() || isEven() || isEven()).toBe(true);
    },
  );
});

describe('redaction done twice', () => {
  const pieces = [...MUST, ...HELD_OUT].map(({ text }) => text);
  const glue = [
    '',
    ' ',
    ': ',
    '=',
    '"',
    ',',
    '\n',
    '; ',
    '&',
    '%20',
    '\\"',
    '/',
    '-',
    '@',
    '***REDACTED***',
    'password',
    ' is ',
  ];

  it('is redaction done once, whatever stands beside whatever', () => {
    const part = fc.oneof(
      fc.constantFrom(...pieces, ...MUST_NOT, ...ALSO_NOT),
      fc.constantFrom(...glue),
      fc.constantFrom(...pieces).chain((text) => fc.nat(text.length).map((end) => text.slice(0, end))),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 7 }), (parts) => {
        const once = scan(parts.join(''));
        expect(scan(once)).toBe(once);
      }),
      { numRuns: 3_000 },
    );
  });
});
