import { describe, expect, it } from 'vitest';
import { Volatile } from '../../src/policy/volatile.ts';

const builtin = new Volatile({ builtin: true, ignore: [] });
const same = (a: string, b: string, volatile = builtin) => volatile.without(a) === volatile.without(b);

describe('a system prompt', () => {
  it.each([
    ['Today is 2026-11-21.', 'Today is 2026-11-22.'],
    ['Now: 2026-11-21T10:42:03.123Z', 'Now: 2026-12-01T00:00:00+02:00'],
    ['Current time: 2026-11-21 10:42:03 UTC', 'Current time: 2026-11-21 10:43:59 UTC'],
    ['It is Saturday, 21 November 2026, 10:42 AM UTC', 'It is Sunday, 22 November 2026, 9:05 PM UTC'],
    ['Date: November 21, 2026', 'Date: December 1st, 2026'],
    ['The date is 21/11/2026.', 'The date is 1/12/2026.'],
    ['The time is 10:42 AM UTC', 'The time is 3:07 PM UTC'],
    ['Sat Nov 21 2026 at 10:42 – be brief', 'Sun Nov 22 2026 at 11:00 – be brief'],
    ['session 6f1c1f0e-5f0a-4c1b-9a51-3d2f4b5c6d7e', 'session 0a1b2c3d-0000-4000-8000-123456789abc'],
    ['(2026-11-21)', '(2026-11-22)'],
    ['generated at 2026-11-21T10:42:03Z', 'generated at 2026-11-21T10:43:03Z'],
    ['written at 2026-11-21', 'written at 2026-11-22'],
    [
      'resumed from 6f1c1f0e-5f0a-4c1b-9a51-3d2f4b5c6d7e',
      'resumed from 0a1b2c3d-0000-4000-8000-123456789abc',
    ],
    ['from 10:42:03 on', 'from 10:42:04 on'],
  ])('%j is %j', (a, b) => {
    expect(same(a, b)).toBe(true);
    expect(same(a, b, new Volatile({ builtin: false, ignore: [] }))).toBe(false);
  });

  it.each([
    ['You are kind. Today is 2026-11-21.', 'You are strict. Today is 2026-11-21.'],
    ['Prices effective from 2026-01-01', 'Prices effective from 2027-01-01'],
    ['Refunds until 31 December 2026 only', 'Refunds until 31 January 2027 only'],
    ['open from 9:00 AM to 5:00 PM', 'open from 9:00 AM to 6:00 PM'],
    ['deadline: 2026-11-21', 'deadline: 2026-11-22'],
    ['Hours: 9:00 AM - 5:00 PM', 'Hours: 8:00 AM - 5:00 PM'],
    ['Sale: 2026-01-01 to 2026-01-31', 'Sale: 2026-01-02 to 2026-01-31'],
    ['orders leave at 17:00', 'orders leave at 18:00'],
    ['use model gpt-4o-2024-08-06', 'use model gpt-4o-2024-11-20'],
    ['version 1.27.3', 'version 1.28.3'],
    ['at most 1000 dollars', 'at most 2000 dollars'],
    ['see section 12/2026-4', 'see section 12/2026-5'],
    ['commit 0af7651916cd43dd8448eb211c80319c0af76519', 'commit 1af7651916cd43dd8448eb211c80319c0af76519'],
    ['trace 0af7651916cd43dd8448eb211c80319c', 'trace 1af7651916cd43dd8448eb211c80319c'],
    ['call +1 415-555-2671', 'call +1 415-555-2672'],
    ['10.1.2.3', '10.1.2.4'],
  ])('%j is not %j', (a, b) => {
    expect(same(a, b)).toBe(false);
  });

  it('without anything of the kind is itself', () => {
    for (const text of ['', 'be kind', 'May 5 people come? 3 of 4', 'ratio 4:30:1:2'])
      expect(builtin.without(text)).toBe(text);
  });

  it('is also without what the policy says', () => {
    const own = new Volatile({ builtin: false, ignore: ['queue length: \\d+', '(?i)build [0-9a-f]{7,40}'] });
    expect(same('queue length: 3, Build abc1234', 'queue length: 17, build 99999999', own)).toBe(true);
    expect(same('queue length: 3', 'queue width: 3', own)).toBe(false);
    expect(same('2026-11-21', '2026-11-22', own)).toBe(false);
  });

  it('of a million characters takes linear time, and is never left out for its length', () => {
    const hostile = new Volatile({ builtin: true, ignore: ['(a+)+$', 'a.*z|a'] });
    const before = process.cpuUsage();
    const long = 'a'.repeat(1_000_000);
    expect(same(`${long}b`, `${long}c`, hostile)).toBe(false);
    for (const unit of [
      '1',
      '1:',
      '2026-',
      'Mon ',
      'sat, ',
      '12:30 ',
      'from ',
      '2026-11-21T',
      'abcdef01-',
      ' at ',
      '2026-11-21 ',
    ])
      builtin.without(unit.repeat(200_000));
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(20_000);
  });
});
