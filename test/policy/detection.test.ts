import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { CLASSIFICATIONS } from '../../src/policy/classification.ts';
import { join, NO_DEMANDS } from '../../src/policy/demands.ts';
import { both, type Detected, demandsOf, Findings, mentionsHealth } from '../../src/policy/detection.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import { Cleaner } from '../../src/record/cleaner.ts';
import { POLICY } from '../support/spans.ts';

const clean = new Cleaner(POLICY, 'default');

describe('a message', () => {
  it.each([
    ['please add MRN: 00123456 to the list', ['health_id'], true],
    ['her MBI is 1EG4-TE5-MK73', ['health_id'], true],
    ['NHS 943 476 5919', ['health_id'], true],
    ['DOB 1984-02-29', ['date_of_birth'], true],
    ['Patient name: Jane Roe', ['patient_name'], true],
    ['jane@example.org was diagnosed with E11.9', ['email'], true],
    ['call the patient at +1 415-555-2671', ['phone'], true],
    ['{"a":"{\\"mrn\\":\\"MRN 00123456\\"}"}', ['health_id'], true],
    [Buffer.from('MRN: 00123456 is hers, and there is more').toString('base64'), ['secret'], false],
    ['my ssn is 123-45-6789', ['ssn'], false],
    ['pay with 4111 1111 1111 1111', ['card'], false],
    ['password=hunter2', ['secret'], false],
    ['it is {"ssn":"123456789"}', ['ssn'], false],
  ])('%j is restricted', (text, kinds, phi) => {
    expect(clean.detectedIn(text)).toEqual({
      kinds,
      classification: 'restricted',
      ...(phi ? { phi } : {}),
    });
  });

  it.each([
    ['write to jane@example.org', ['email']],
    ['+1 415-555-2671', ['phone']],
    ['DE89370400440532013000', ['bank_account']],
    ['passport no. X1234567', ['passport']],
    ['customer name: Jane Roe', ['patient_name']],
    ['please be patient, jane@example.org', ['email']],
  ])('%j is confidential', (text, kinds) => {
    expect(clean.detectedIn(text)).toEqual({ kinds, classification: 'confidential' });
  });

  it.each([
    'what is metformin for?',
    'the patient was diagnosed with diabetes',
    'order 20418 of 3 items, paid 2026-03-01',
    'ssn ***REDACTED***, password=***REDACTED***',
    '{"password":"","token":false,"ssn":null}',
    '0af7651916cd43dd8448eb211c80319c',
    '',
  ])('%j is nothing', (text) => {
    expect(clean.detectedIn(text)).toBeUndefined();
  });

  it('is looked at across its windows, and no number is cut at their edges', () => {
    const filler = 'the order went out today and ';
    for (const place of [0, 8_180, 8_192, 9_210, 9_216, 16_384, 30_000]) {
      const text = (said: string) => `${filler.repeat(2_000).slice(0, place)} ${said} ${filler.repeat(10)}`;
      expect(clean.detectedIn(text('123-45-6789'))?.kinds).toEqual(['ssn']);
      // Sixteen of its digits would be a card's.
      expect(clean.detectedIn(text('990041111111111111119900'))).toBeUndefined();
      expect(clean.detectedIn(text('99004111111111111111'))).toBeUndefined();
    }
    const pem = `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n'.repeat(50)}-----END PRIVATE KEY-----`;
    expect(clean.detectedIn(`${filler.repeat(300).slice(0, 8_000)}\n${pem}`)?.kinds).toEqual(['secret']);
  });

  it('of any length is looked at in linear time, and says where it was not all', () => {
    const filler = 'paid 2026-03-01 by order 20418; ';
    const long = filler.repeat(400_000);
    const before = process.cpuUsage();
    expect(clean.detectedIn(long)).toEqual({ kinds: [], classification: 'public', partly: true });
    for (const unit of ['-eyJ', '4111 1111 ', 'password="', 'ssn ', 'A1b2C3d4/', '{"a":"'])
      clean.detectedIn(unit.repeat(100_000));
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(10_000);
    expect(clean.detectedIn(`ssn 123-45-6789 ${long}`)).toMatchObject({ kinds: ['ssn'], partly: true });
    expect(clean.detectedIn(`${long} ssn 123-45-6789`)).toMatchObject({ kinds: ['ssn'], partly: true });
  });

  it('with what a pattern of the policy matches is what the pattern says, else what its kind is', () => {
    const level = (kind: string, classification?: 'internal' | 'restricted') => {
      const pattern = { name: 'own', kind, expression: 'ZQ-\\d+' };
      const patterns = [classification === undefined ? pattern : { ...pattern, classification }];
      const policy = compilePolicy({ id: 'k', secret: new Uint8Array(32) }, { ...BUILTIN_POLICY, patterns });
      return new Cleaner(policy, 'default').detectedIn('see ZQ-1');
    };
    expect(level('badge')).toEqual({ kinds: ['badge'], classification: 'confidential' });
    expect(level('badge', 'internal')).toEqual({ kinds: ['badge'], classification: 'internal' });
    expect(level('badge', 'restricted')).toEqual({ kinds: ['badge'], classification: 'restricted' });
    expect(level('card')).toEqual({ kinds: ['card'], classification: 'restricted' });
    expect(level('health_id', 'internal')).toMatchObject({ classification: 'restricted', phi: true });
  });
});

describe('what was found', () => {
  const kinds = ['card', 'email', 'health_id', 'secret', 'ssn', 'phone', 'badge'];
  const detected: fc.Arbitrary<Detected | undefined> = fc
    .tuple(fc.subarray(kinds), fc.boolean(), fc.boolean())
    .map(([found, health, cut]) => {
      const findings = new Findings([]);
      for (const kind of found) findings.add(kind, 'pattern');
      if (cut) findings.leftOut();
      return findings.said(() => health);
    });

  it('is the same in any order and any grouping, and of one twice', () => {
    fc.assert(
      fc.property(detected, detected, detected, (a, b, c) => {
        expect(both(a, b)).toEqual(both(b, a));
        expect(both(both(a, b), c)).toEqual(both(a, both(b, c)));
        expect(both(a, a)).toEqual(a);
        expect(demandsOf(both(a, b))).toEqual(join(demandsOf(a), demandsOf(b)));
      }),
    );
  });

  it('raises a classification and never lowers it, and asks for nothing else', () => {
    const level = (of: { classification: Detected['classification'] }) =>
      CLASSIFICATIONS.indexOf(of.classification);
    fc.assert(
      fc.property(detected, detected, fc.constantFrom(...CLASSIFICATIONS), (a, b, classification) => {
        const own = { ...NO_DEMANDS, classification };
        const raised = join(own, demandsOf(a));
        expect(level(raised)).toBe(Math.max(level(own), level(demandsOf(a))));
        expect(level(join(raised, demandsOf(b)))).toBeGreaterThanOrEqual(level(raised));
        expect({ ...raised, classification }).toEqual(own);
      }),
    );
  });

  it('asks for words of health only where they make a difference', () => {
    const findings = new Findings([]);
    findings.add('secret', 'name');
    const asked = () => {
      throw new Error('asked');
    };
    expect(findings.said(asked)).toEqual({ kinds: ['secret'], classification: 'restricted' });
    expect(mentionsHealth('x'.repeat(1_000_000))).toBe(false);
  });
});
