import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { isSameKeys, Keyring, keyIdOf, type MasterKey } from '../../src/policy/keyring.ts';

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);
const keyring = () => new Keyring({ id: 'k1', secret: SECRET });

const hmac = (key: Uint8Array, data: string | Uint8Array) => createHmac('sha256', key).update(data).digest();

/** RFC 5869 by its two steps: extract with a salt of zeros, expand to one block of 32 bytes. */
function hkdf(secret: Uint8Array, info: string): Buffer {
  const pseudorandomKey = hmac(Buffer.alloc(32), secret);
  return hmac(pseudorandomKey, Buffer.concat([Buffer.from(info), Buffer.of(1)]));
}

function byHand(tenant: string, kind: string, text: string): string {
  const tag = hmac(hkdf(SECRET, `spanledger/${tenant}/${kind}`), text)
    .subarray(0, 16)
    .toString('base64url');
  return `hmac:k1:${tag}`;
}

describe('a keyed digest', () => {
  it('is HMAC-SHA-256 under a key by HKDF-SHA-256, its first 16 bytes in base64url', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        (kind, tenant, text) => {
          const digest = keyring().digest(tenant, kind, text);
          expect(digest).toMatch(/^hmac:k1:[A-Za-z0-9_-]{22}$/);
          expect(digest).toBe(byHand(tenant, kind, text));
        },
      ),
    );
  });

  it('is the same of texts too long for the room that is kept for them', () => {
    for (const length of [21_845, 21_846, 65_536, 65_537, 300_000]) {
      for (const text of ['x'.repeat(length), '€'.repeat(length), Buffer.alloc(length, 0xc3)]) {
        const digest = keyring().digest('default', 'x', text);
        const tag = hmac(hkdf(SECRET, 'spanledger/default/x'), text).subarray(0, 16).toString('base64url');
        expect(digest).toBe(`hmac:k1:${tag}`);
      }
    }
  });

  it('is a constant of the format', () => {
    expect(keyring().digest('default', 'arguments', '{"patient_id":"P-1042"}')).toBe(
      'hmac:k1:gjpJy57_JC01J-F7X_QaUw',
    );
  });

  it('of text and of its UTF-8 bytes is one', () => {
    const text = 'Zoë 😀';
    expect(keyring().digest('default', 'x', Buffer.from(text))).toBe(keyring().digest('default', 'x', text));
  });

  it('is another for another tenant, kind, text, secret or key id', () => {
    const digests = [
      keyring().digest('default', 'ssn', 'a'),
      keyring().digest('north', 'ssn', 'a'),
      keyring().digest('default', 'phone', 'a'),
      keyring().digest('default', 'ssn', 'b'),
      new Keyring({ id: 'k1', secret: SECRET.map((byte) => byte ^ 1) }).digest('default', 'ssn', 'a'),
      new Keyring({ id: 'k2', secret: SECRET }).digest('default', 'ssn', 'a'),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('has kinds that cannot run into the tenant before them', () => {
    const kinds = [
      'span',
      'quarantine',
      'arguments',
      'prompt',
      'answer',
      'message',
      'instructions',
      'subject',
      'id',
    ];
    for (const kind of [...kinds, ...Object.keys(BUILTIN_POLICY.pseudonyms)]) expect(kind).not.toContain('/');
  });
});

describe('a pseudonym', () => {
  it.each([
    ['ssn', ['123-45-6789', ' 123 45 6789', '123456789'], '123456789'],
    ['phone', ['+1 415-555-2671', '1 (415) 555.2671'], '14155552671'],
    ['phone', [' call me '], 'call me'],
    ['patient_name', ['Jane Roe', ' JANE \t ROE ', 'jane\u00a0roe'], 'jane roe'],
    ['patient_name', ['Zoe\u0308', 'Zo\u00eb'], 'zo\u00eb'],
    ['address', ['12 Main St', '12  MAIN st'], '12 main st'],
    ['phone', ['+44 (0)20 7946 0958', '0044 20 7946 0958'], '442079460958'],
    ['date_of_birth', ['1984-02-29', ' 1984-02-29 ', '29 Feb 1984', 'February 29, 1984'], '1984-02-29'],
    ['date_of_birth', ['03/04/1984'], '03/04/1984'],
    ['email', ['Jane@Example.org'], 'jane@example.org'],
    ['subject', ['P-1042'], 'P-1042'],
  ])('of a %s is one for %j', (kind, spellings, normal) => {
    for (const value of spellings)
      expect(keyring().pseudonym('default', kind, value)).toBe(byHand('default', kind, normal));
  });

  it('keeps the case of ids, which tells them apart', () => {
    const subject = (id: string) => keyring().pseudonym('default', 'subject', id);
    expect(subject('p-1042')).not.toBe(subject('P-1042'));
  });

  it('does not depend on what was asked before', () => {
    const tenant = fc.constantFrom('', 'a', 'ssn', 'a\nssn', 'a\nssn\nssn');
    const value = fc.constantFrom('', 'x', 'ssnx', 'ssn\nx', 'ssn\nssn\nx');
    const asked = fc.array(fc.tuple(tenant, fc.constantFrom('ssn', 'subject'), value), { maxLength: 6 });
    fc.assert(
      fc.property(asked, (questions) => {
        const one = keyring();
        for (const question of questions)
          expect(one.pseudonym(...question)).toBe(keyring().pseudonym(...question));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is the same after more people than are remembered', () => {
    const one = keyring();
    const before = one.pseudonym('default', 'ssn', '123-45-6789');
    for (let i = 0; i < 12_000; i++) one.pseudonym('default', 'subject', `P-${i}`);
    expect(one.pseudonym('default', 'ssn', '123-45-6789')).toBe(before);
  });
});

describe('several live keys', () => {
  const key = (i: number): MasterKey => ({ id: `k${i}`, secret: SECRET.map((byte) => byte ^ i) });
  const some = fc.integer({ min: 1, max: 6 }).map((n) => Array.from({ length: n }, (_, i) => key(i + 1)));
  const kind = fc.constantFrom('ssn', 'phone', 'date_of_birth', 'subject');

  it('write as the newest alone does, and recognise what each wrote, newest first', () => {
    fc.assert(
      fc.property(some, fc.string(), kind, fc.string(), (keys, tenant, ofKind, value) => {
        const all = new Keyring(keys);
        const alone = keys.map((each) => new Keyring(each)).reverse();
        expect(all.ids).toEqual(keys.map(({ id }) => id).reverse());
        expect(all.isRotated).toBe(keys.length > 1);
        expect(all.digest(tenant, ofKind, value)).toBe(alone[0]!.digest(tenant, ofKind, value));
        expect(all.pseudonym(tenant, ofKind, value)).toBe(alone[0]!.pseudonym(tenant, ofKind, value));
        expect(all.digests(tenant, ofKind, value)).toEqual(
          alone.map((one) => one.digest(tenant, ofKind, value)),
        );
        expect(all.pseudonyms(tenant, ofKind, value)).toEqual(
          alone.map((one) => one.pseudonym(tenant, ofKind, value)),
        );
        expect(all.pseudonyms(tenant, ofKind, value).map(keyIdOf)).toEqual(all.ids);
      }),
    );
  });

  it('are at least one', () => {
    expect(() => new Keyring([])).toThrow(RangeError);
  });

  it('are the same by ids, secrets and order', () => {
    const [one, other] = [key(1), key(2)];
    expect(isSameKeys([one, other], [{ ...one, secret: Uint8Array.from(one.secret) }, other])).toBe(true);
    expect(isSameKeys([one, other], [other, one])).toBe(false);
    expect(isSameKeys([one], [one, other])).toBe(false);
    expect(isSameKeys([one, other], [one])).toBe(false);
    expect(isSameKeys([one], [{ id: 'k1', secret: other.secret }])).toBe(false);
    expect(isSameKeys([one], [{ id: 'k2', secret: one.secret }])).toBe(false);
  });
});

describe('the key of a digest', () => {
  it.each([
    ['hmac:k1:jB1hdj-a9pIaq93zy60XTA', 'k1'],
    ['hmac:2026_a-b:jB1hdj-a9pIaq93zy60XTA', '2026_a-b'],
    ['hmac:k1:jB1hdj-a9pIaq93zy60XT', undefined],
    ['hmac:k1:jB1hdj-a9pIaq93zy60XTAA', undefined],
    ['hmac::jB1hdj-a9pIaq93zy60XTA', undefined],
    [' hmac:k1:jB1hdj-a9pIaq93zy60XTA', undefined],
    ['P-1042', undefined],
  ])('of %s is %s', (text, id) => {
    expect(keyIdOf(text)).toBe(id);
  });
});
