import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { expiresAt, LEDGER_CLASS } from '../../src/policy/retention.ts';

const micro = (text: string) => Date.parse(text) * 1_000;
const day = (text: string) =>
  new Date(expiresAt(BUILTIN_POLICY, text.split(' ')[0]!, micro(text.split(' ')[1]!)) * 1_000).toISOString();
const CAP = Date.parse('2100-01-01T00:00:00Z') / 1_000;

describe('expiresAt', () => {
  it.each([
    ['hipaa 2026-03-01T12:00:00Z', '2032-03-29T12:00:00.000Z'],
    ['financial 2026-03-01T12:00:00Z', '2033-03-29T12:00:00.000Z'],
    ['soc2 2026-03-01T12:00:00Z', '2027-03-31T12:00:00.000Z'],
    ['default 2026-03-01T12:00:00Z', '2027-03-31T12:00:00.000Z'],
    ['healthcare 2026-03-01T12:00:00Z', '2032-03-29T12:00:00.000Z'],
    ['general 2026-03-01T12:00:00Z', '2027-03-31T12:00:00.000Z'],
    ['unheard-of 2026-03-01T12:00:00Z', '2027-03-31T12:00:00.000Z'],
    ['ledger 2026-03-01T12:00:00Z', '2100-01-01T00:00:00.000Z'],
    ['hipaa 2026-03-01T12:00:00.999Z', '2032-03-29T12:00:00.000Z'],
    ['hipaa 2093-12-03T00:00:00Z', '2100-01-01T00:00:00.000Z'],
    ['hipaa 2093-12-02T23:59:59Z', '2099-12-31T23:59:59.000Z'],
    ['default 2250-01-01T00:00:00Z', '2100-01-01T00:00:00.000Z'],
  ])('of %s is %s', (what, expiry) => {
    expect(day(what)).toBe(expiry);
  });

  it('takes days and grace from the policy', () => {
    const policy = {
      ...BUILTIN_POLICY,
      retention: {
        grace_days: 7,
        classes: { ...BUILTIN_POLICY.retention.classes, short: { days: 1, archive: 'none' as const } },
      },
    };
    expect(expiresAt(policy, 'short', micro('2026-03-01T00:00:00Z'))).toBe(
      Date.parse('2026-03-09T00:00:00Z') / 1_000,
    );
  });

  const classes = () =>
    fc.constantFrom('hipaa', 'financial', 'soc2', 'default', 'healthcare', 'general', LEDGER_CLASS);
  const instant = (until: string) => fc.integer({ min: 0, max: micro(until) });

  it('is whole seconds, after the record and never after 2100 began', () => {
    fc.assert(
      fc.property(classes(), instant('2099-01-01T00:00:00Z'), (name, recordedAt) => {
        const expiry = expiresAt(BUILTIN_POLICY, name, recordedAt);
        expect(Number.isSafeInteger(expiry)).toBe(true);
        expect(expiry).toBeGreaterThan(recordedAt / 1e6);
        expect(expiry).toBeLessThanOrEqual(CAP);
      }),
    );
  });

  it.each([
    ['hipaa', 6],
    ['healthcare', 6],
    ['financial', 7],
    ['soc2', 1],
    ['default', 1],
  ])('of %s is never before the calendar anniversary after %i years', (name, years) => {
    const leapDays = [
      '2024-02-28T23:59:59.999Z',
      '2024-02-29T00:00:00Z',
      '2023-03-01T00:00:00Z',
      '2027-12-31T23:59:59Z',
    ];
    const recorded = fc.oneof(instant('2092-12-31T00:00:00Z'), fc.constantFrom(...leapDays.map(micro)));
    fc.assert(
      fc.property(recorded, (recordedAt) => {
        const anniversary = new Date(recordedAt / 1_000);
        anniversary.setUTCFullYear(anniversary.getUTCFullYear() + years);
        expect(expiresAt(BUILTIN_POLICY, name, recordedAt) * 1_000).toBeGreaterThanOrEqual(
          anniversary.getTime(),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
