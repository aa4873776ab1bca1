import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kind } from '../support/kinds/kind.ts';
import { MUST } from '../support/kinds/must.ts';
import { readings } from '../support/kinds/places.ts';
import { POLICY } from '../support/spans.ts';

const redact = (value: unknown) => POLICY.redactor.redact(value, { tenant: 'default' }).value;

type Wrap = (value: unknown) => unknown;

const asText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Ways for a value to stand in another; no more than four of them hide it. */
const AROUND: readonly Wrap[] = [
  (value) => [1, value, null],
  (value) => ({ note: value, n: 1 }),
  (value) => ({ a: { b: [value] } }),
  (value) => ({ items: [{ id: 'x-1' }, { text: value }] }),
];
const HIDING: readonly Wrap[] = [
  (value) => JSON.stringify({ body: value }),
  (value) => encodeURIComponent(asText(value)),
  (value) => JSON.stringify(asText(value)).slice(1, -1),
  (value) => `https://api.example.com/v1/search?q=${encodeURIComponent(asText(value))}&lang=en`,
  (value) => Buffer.from(`so it said: ${asText(value)} and no more`).toString('base64'),
];

const wraps = (of: readonly Wrap[], maxLength: number) =>
  fc.array(fc.constantFrom(...of), { maxLength }).map(
    (all): Wrap =>
      (value) =>
        all.reduce((inner, wrap) => wrap(inner), value),
  );

/** Such as nothing around them may make into another. */
const PLANTED: readonly Kind[] = MUST.filter(({ gone }) => gone.every((part) => part.length > 5));

function textsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsOf(each)]);
}

describe('a secret planted anywhere', () => {
  it('never survives', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PLANTED),
        wraps(AROUND, 3),
        wraps(HIDING, 2),
        wraps(AROUND, 2),
        fc.jsonValue({ maxDepth: 2 }),
        ({ text, gone }, inner, hiding, outer, beside) => {
          const clean = redact({ beside, at: outer(hiding(inner(text))) });
          const said = textsOf(clean).flatMap(readings);
          expect(gone.filter((part) => said.some((each) => each.includes(part)))).toEqual([]);
        },
      ),
      { numRuns: 4_000 },
    );
  }, 120_000);

  it('leaves ids and digests beside it as they are', () => {
    const id = fc.oneof(
      fc.uuid(),
      fc.ulid(),
      fc.uint8Array({ minLength: 8, maxLength: 32 }).map((bytes) => `x${Buffer.from(bytes).toString('hex')}`),
    );
    fc.assert(
      fc.property(fc.constantFrom(...PLANTED), id, wraps(AROUND, 3), ({ text }, kept, around) => {
        expect(JSON.stringify(redact(around([{ id: kept }, text, kept])))).toContain(kept);
        expect(redact({ record_hash: kept, trace_id: kept, seq: 12 })).toEqual({
          record_hash: kept,
          trace_id: kept,
          seq: 12,
        });
      }),
      { numRuns: 3_000 },
    );
  }, 120_000);

  it('never stops it, whatever stands there', () => {
    fc.assert(
      fc.property(
        fc.anything({ maxDepth: 3, withBigInt: true }),
        fc.string({ unit: 'binary' }),
        (value, text) => {
          expect(() => [redact(value), POLICY.redactor.scan(text)]).not.toThrow();
        },
      ),
      { numRuns: 5_000 },
    );
  }, 120_000);
});
