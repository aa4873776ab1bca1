import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { NameRules, plainName } from '../../src/policy/names.ts';

const rules = new NameRules(BUILTIN_POLICY);

/** `redact`, `keep`, or the kind of pseudonym. */
function decided(name: string): string {
  const rule = rules.decide(name);
  return rule.do === 'pseudonym' ? rule.kind : rule.do;
}

describe('a listed name', () => {
  const spellings: [string, string[]][] = [
    ['redact', ['password', 'Password', 'PASSWORD', 'pass_word', 'pass-word', 'pass.word', 'pass word']],
    ['redact', ['api_key', 'apiKey', 'ApiKey', 'API_KEY', 'api-key', 'x-api-key', 'X-Api-Key', 'APIKey']],
    ['redact', ['db_password', 'dbpassword', 'dbPassword', 'db.password', 'DB_PASSWORD', 'config:password']],
    ['redact', ['access_token', 'accessToken', 'accesstoken', 'Authorization', 'proxy-authorization']],
    ['redact', ['set-cookie', 'creditCard', 'credit_card_number', 'client_secret', 'clientSecret', 'cvv2']],
    ['redact', ['ｐａｓｓｗｏｒｄ', 'pass\u200bword', 'pass\u00adword', '\ufeffpassword', 'pass\u2011word']],
    [
      'redact',
      ['passwords', 'api_keys', 'APIKeys', 'access_tokens', 'refreshTokens', 'card_numbers', 'cookies'],
    ],
    ['redact', ['password2', 'password_confirmation', 'new_password_repeat', 'client_secret_v2', 'cvv2']],
    ['redact', ['secret_value', 'token_value', 'apikey_prod', 'private-key-pem', 'pin_code', 'otp1']],
    [
      'redact',
      ['user[password]', 'config["password"]', 'user.password', '--password', '$password', '@password'],
    ],
    ['redact', ['pass', 'DB_PASS', 'smtpPass', 'passcode', 'jwt', 'id_jwt', 'sessionid', 'JSESSIONID']],
    [
      'redact',
      ['X-Amz-Signature', 'x-goog-signature', 'phone_pin', 'patient_name_token', 'address.password'],
    ],
    ['redact', ['next_token_password', 'password_next_token', 'ip_address_token']],
    ['ssn', ['ssn', 'SSN', 'patient_ssn', 'patientSsn', 'patientSSN', 'social_security_number']],
    ['ssn', ['ssns', 'SSNs', 'patientSSNs', 'ssn_number', 'ssn_last4', 'ssnLast4', 'ssn_id', 'ssn-1']],
    [
      'patient_name',
      ['patient_name', 'patientName', 'full_name', 'firstName', 'last-name', 'given', 'Family'],
    ],
    ['patient_name', ['patient_names', 'patientNames', 'first_name_1', 'customer_name', 'given1']],
    ['date_of_birth', ['dob_string', 'date_birth', 'DoB', 'dob1', 'birthDates', 'date-of-birth-raw']],
    ['date_of_birth', ['dob', 'DOB', 'date_of_birth', 'dateOfBirth', 'birthDate', 'patient_dob', 'birthday']],
    ['address', ['address', 'home_address', 'homeAddress', 'address_line1', 'addressLine2', 'street']],
    ['address', ['addresses', 'address2', 'address_home', 'shipAddress', 'relationship_address', 'streets']],
    [
      'phone',
      ['phone_numbers', 'mobilePhones', 'phone1', 'phone_home', 'phone_no', 'faxes', 'mobile_number'],
    ],
    ['phone', ['phone', 'phone_number', 'mobilePhone', 'telecom', 'fax', 'tel', 'work_phone']],
  ];

  it.each(spellings.flatMap(([becomes, names]) => names.map((name) => [name, becomes])))(
    '%s becomes %s',
    (name, becomes) => {
      expect(decided(name)).toBe(becomes);
    },
  );

  it('shorter than five letters matches as a word only: whole, or the last of a longer name', () => {
    const words = ['pan', 'card_pan', 'cardPan', 'cardPAN', 'DBPin', 'userPin', 'user_pin_', 'sms-otp'];
    for (const name of words) expect([name, decided(name)]).toEqual([name, 'redact']);
    const parts = ['span', 'company', 'spin', 'pinned', 'panel', 'className', 'lesson', 'adobe', 'pin_count'];
    for (const name of parts) expect([name, decided(name)]).toEqual([name, 'keep']);
  });

  it('from five letters on matches the end of a word, not its beginning or middle', () => {
    for (const name of ['mysecret', 'dbpassword', 'dbpassword_old'])
      expect([name, decided(name)]).toEqual([name, 'redact']);
    const parts = ['secretary', 'tokenizer', 'addressed', 'addressee', 'phoneme', 'passport', 'cookiecutter'];
    for (const name of [...parts, 'compass', 'bypass', 'passed', 'passenger', 'detokenise'])
      expect([name, decided(name)]).toEqual([name, 'keep']);
  });

  it('is not meant by a name of something about the value', () => {
    const names = ['token_count', 'tokenType', 'promptTokenCount', 'password_reset_at', 'password_length'];
    for (const name of [
      ...names,
      'phone_type',
      'addressVerified',
      'secret_expiry',
      'pin_count',
      'cookiePolicy',
    ])
      expect([name, decided(name)]).toEqual([name, 'keep']);
    for (const name of ['type_password', 'count_token', 'status_ssn'])
      expect([name, decided(name)]).not.toEqual([name, 'keep']);
  });

  it('with an equals sign matches as a whole only', () => {
    for (const name of ['family_history', 'forgiven', 'is_given', 'hotel', 'main_street', 'telex'])
      expect([name, decided(name)]).toEqual([name, 'keep']);
  });

  it('in the list of names to keep is left alone, in any spelling and at any word', () => {
    const tokens = ['tokens', 'input_tokens', 'max_tokens', 'total_tokens', 'maxOutputTokens', 'inputtokens'];
    const counts = ['cached_tokens', 'tokens_per_second', 'max_token', 'pass_rate', 'passes', 'passThrough'];
    const pages = ['next_token', 'nextToken', 'NEXT-TOKEN', 'pageToken', 'my_next_token', 'next_tokens'];
    const places = [
      'ip_address',
      'ipAddresses',
      'macAddress',
      'last_ip_address',
      'server_address',
      'server.address',
    ];
    const others = ['iPhone_model', 'microphone', 'is_mobile', 'prior_authorization_number'];
    for (const name of [...tokens, ...counts, ...pages, ...places, ...others])
      expect([name, decided(name)]).toEqual([name, 'keep']);
  });

  it('in both lists is a pseudonym', () => {
    expect(BUILTIN_POLICY.redact).toContain('ssn');
    expect(decided('ssn')).toBe('ssn');
  });
});

describe('any other name', () => {
  it('is kept, what every object inherits included', () => {
    const names = [
      '',
      'id',
      'patient_id',
      'status',
      'constructor',
      '__proto__',
      'toString',
      'hasOwnProperty',
    ];
    for (const name of [...names, 'name', 'product_name', '🙂', '_', '...'])
      expect([name, decided(name)]).toEqual([name, 'keep']);
  });

  it('is decided alike the second time, and after more names than are remembered', () => {
    const few = new NameRules(BUILTIN_POLICY);
    for (let i = 0; i < 12_000; i++) few.decide(`name_${i}`);
    for (const name of ['password', 'password', 'patient_id', 'patient_id'])
      expect(few.decide(name).do).toBe(name === 'password' ? 'redact' : 'keep');
  });
});

describe('a name of many characters', () => {
  it('is decided by its end, in no time', () => {
    expect(decided(`${'a_'.repeat(6_000_000)}password`)).toBe('redact');
    expect(decided(`password_${'a'.repeat(6_000_000)}`)).toBe('keep');
  });
});

describe('a person', () => {
  it.each([
    'patient',
    'Patients',
    'new_customer',
    'userInfo',
    'user_profile',
    'emergencyContact',
    'people',
    'member2',
  ])('lies in %s', (name) => {
    expect(rules.isPerson(name)).toBe(true);
  });

  it.each([
    'product',
    'tool',
    'user_agent',
    'patient_portal',
    'customer_plan',
    'info',
    'userGroup',
    '',
    'usher',
  ])('does not lie in %j', (name) => {
    expect(rules.isPerson(name)).toBe(false);
  });
});

describe('in text', () => {
  const inText = (said: string) => rules.decideInText(said).do;

  it('a name of several words counts when it goes on into the last', () => {
    for (const said of [
      'card number',
      'the social security number',
      'date of birth',
      'his password_confirmation',
    ])
      expect([said, inText(said)]).not.toEqual([said, 'keep']);
    for (const said of ['password reset page', 'password is wrong', 'token usage', 'the street', 'family'])
      expect([said, inText(said)]).toEqual([said, 'keep']);
  });
});

describe('plainName', () => {
  it('is one for all spellings of a name', () => {
    const spellings = [
      'patient_name',
      'PatientName',
      'patient-name',
      'Patient Name',
      'patient.name',
      'ｐatient:name',
    ];
    expect(new Set(spellings.map(plainName))).toEqual(new Set(['patientname']));
  });
});
