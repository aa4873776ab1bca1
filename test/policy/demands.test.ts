import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Demands, join, joined, NO_DEMANDS } from '../../src/policy/demands.ts';

const LEVELS = ['public', 'internal', 'confidential', 'restricted'] as const;
const ERASURES = ['on_request', 'after_minimum', 'never'] as const;
const ARCHIVES = ['none', 'required'] as const;
const names = fc
  .uniqueArray(fc.constantFrom('hipaa', 'pci', 'soc2', 'gdpr'), { maxLength: 4 })
  .map((all) => all.sort());

/** A class has one length, as in a document. */
const DAYS: { [name: string]: number } = { hipaa: 2190, financial: 2555, soc2: 365, default: 365 };
const retention = fc.constantFrom(...Object.keys(DAYS)).map((name) => {
  const archive = name === 'default' || name === 'financial' ? ('none' as const) : ('required' as const);
  return { retention: { class: name, days: DAYS[name]!, archive }, archive };
});

const KEEPINGS = ['vault', 'metadata'] as const;
const content = fc.constantFrom(...KEEPINGS).map((each) => ({ content: each }));

const demands: fc.Arbitrary<Demands> = fc
  .record({
    classification: fc.constantFrom(...LEVELS),
    archive: fc.constantFrom(...ARCHIVES),
    erasure: fc.constantFrom(...ERASURES),
    fail: fc.constantFrom('open' as const, 'closed' as const),
    purposeRequired: fc.boolean(),
    domains: names,
    tags: names,
  })
  .chain((rest) =>
    fc
      .tuple(fc.option(retention, { nil: {} }), fc.option(content, { nil: {} }))
      .map(([kept, said]) => ({ ...rest, ...kept, ...said })),
  );

/** Every part of `b` is as strict as that of `a`, or stricter. */
function isNoLooser(b: Demands, a: Demands): boolean {
  return (
    LEVELS.indexOf(b.classification) >= LEVELS.indexOf(a.classification) &&
    (b.retention?.days ?? 0) >= (a.retention?.days ?? 0) &&
    ARCHIVES.indexOf(b.archive) >= ARCHIVES.indexOf(a.archive) &&
    ERASURES.indexOf(b.erasure) >= ERASURES.indexOf(a.erasure) &&
    (b.fail === 'closed' || a.fail === 'open') &&
    (b.content === 'metadata' || a.content !== 'metadata') &&
    (b.purposeRequired || !a.purposeRequired) &&
    a.domains.every((each) => b.domains.includes(each)) &&
    a.tags.every((each) => b.tags.includes(each))
  );
}

describe('the strictest of all demands', () => {
  it('is the same in any order and any grouping, and of one twice', () => {
    fc.assert(
      fc.property(demands, demands, demands, (a, b, c) => {
        expect(join(a, b)).toEqual(join(b, a));
        expect(join(join(a, b), c)).toEqual(join(a, join(b, c)));
        expect(join(a, a)).toEqual(a);
        expect(joined([a, b, c])).toEqual(join(a, join(b, c)));
      }),
    );
  });

  it('is never looser for one demand more, and never stricter than they are', () => {
    fc.assert(
      fc.property(fc.array(demands, { maxLength: 4 }), demands, (all, more) => {
        const both = joined([...all, more]);
        expect(isNoLooser(both, joined(all))).toBe(true);
        expect(isNoLooser(both, more)).toBe(true);
        const among = (part: (of: Demands) => unknown) => [NO_DEMANDS, ...all, more].map(part);
        for (const part of ['classification', 'archive', 'erasure', 'fail', 'retention', 'content'] as const)
          expect(among((each) => each[part])).toContainEqual(both[part]);
      }),
    );
  });

  it('of one and of none is that one', () => {
    fc.assert(
      fc.property(demands, (one) => {
        expect(join(NO_DEMANDS, one)).toEqual(one);
        expect(join(one, NO_DEMANDS)).toEqual(one);
      }),
    );
    expect(joined([])).toEqual(NO_DEMANDS);
  });
});
