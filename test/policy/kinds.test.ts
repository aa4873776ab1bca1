import { describe, expect, it } from 'vitest';
import { HELD_OUT } from '../support/kinds/held-out.ts';
import type { Kind } from '../support/kinds/kind.ts';
import { MUST } from '../support/kinds/must.ts';
import { ALSO_NOT, MUST_NOT } from '../support/kinds/must-not.ts';
import { PLACES, readings } from '../support/kinds/places.ts';
import { POLICY } from '../support/spans.ts';

const redact = (value: unknown) => POLICY.redactor.redact(value, { tenant: 'default' }).value;

/** Texts in a value, its keys too. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsOf(each)]);
}

/** What of it can still be read. */
function left({ gone }: Kind, value: unknown): string[] {
  const said = textsOf(value).flatMap(readings);
  return gone.filter((secret) => said.some((text) => text.includes(secret)));
}

describe('the lists', () => {
  it('are whole', () => {
    expect([MUST.length, MUST_NOT.length]).toEqual([60, 30]);
    expect(HELD_OUT.length).toBeGreaterThanOrEqual(40);
    expect(ALSO_NOT.length).toBeGreaterThanOrEqual(40);
  });

  it('say of each text what must go, and can be read everywhere before', () => {
    for (const kind of [...MUST, ...HELD_OUT])
      for (const [, place] of PLACES)
        expect(left(kind, place(kind.text)).length, kind.name).toBeGreaterThan(0);
  });
});

describe.each(PLACES)('%s', (where, place) => {
  const isKey = where.startsWith('as the key');

  it.each([...MUST, ...HELD_OUT].map((kind) => [kind.name, kind] as const))('%s goes', (_name, kind) => {
    const clean = redact(place(kind.text));
    expect(left(kind, clean)).toEqual([]);
    expect(withoutTags(redact(clean))).toEqual(withoutTags(clean));
  });

  it.each([...MUST_NOT, ...ALSO_NOT])('%s stays', (text) => {
    const clean = redact(place(text));
    // A key may name what is under it for a secret: it stays itself.
    if (isKey) expect(Object.keys(clean as object)).toEqual([text]);
    else expect(clean).toEqual(place(text));
  });
});

describe('as a number', () => {
  const digits = (text: string) => /^\d{1,15}$/.test(text);

  it.each(MUST.map(({ text }) => text).filter(digits))('%s goes', (text) => {
    expect(JSON.stringify(redact({ n: Number(text), list: [Number(text)] }))).not.toContain(text);
  });

  it.each([...MUST_NOT, ...ALSO_NOT].filter(digits))('%s stays', (text) => {
    expect(redact({ n: Number(text) })).toEqual({ n: Number(text) });
  });
});

/** A pseudonym of a pseudonym is another. */
function withoutTags(value: unknown): string {
  return JSON.stringify(value).replace(/hmac:k1:[\w-]{22}/g, 'hmac');
}
