import { describe, expect, it } from 'vitest';
import type { Kind } from '../support/kinds/kind.ts';
import { MORE_KINDS } from '../support/kinds/more-kinds.ts';
import { MORE_NOT } from '../support/kinds/more-not.ts';
import { PLACES, readings } from '../support/kinds/places.ts';
import { POLICY } from '../support/spans.ts';

const redact = (value: unknown) => POLICY.redactor.redact(value, { tenant: 'default' }).value;

/** Texts in a value, its keys too. */
function textsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsOf(each)]);
}

function left({ gone }: Kind, value: unknown): string[] {
  const said = textsOf(value).flatMap(readings);
  return gone.filter((secret) => said.some((text) => text.includes(secret)));
}

/** Less base64 has too few signs to be told from a word. */
const MIN_IN_BASE64 = 11;

describe.each(MORE_KINDS)('of %s', (_kind, texts) => {
  it.each(texts.map((kind) => [kind.text, kind] as const))('%s goes, wherever it stands', (_text, kind) => {
    const stays = PLACES.flatMap(([where, place]) => {
      const isShort = kind.text.length < MIN_IN_BASE64 && /^in base64(?:url)?$/.test(where);
      const what = isShort ? [] : left(kind, redact(place(kind.text)));
      return what.length > 0 ? [{ where, what }] : [];
    });
    expect(stays).toEqual([]);
  });
});

/** A key may be a name of a secret. So may the first of two texts; and a line of base64 may end before a value does. */
const NAMES_ITS_VALUE = /as the key|in a list|of 76 columns/;

describe.each(Object.entries(MORE_NOT))('of %s', (kind, texts) => {
  const isNaming = kind === 'words of secrets' || kind === 'code and paths';
  const places = PLACES.filter(([where]) => !(isNaming ? NAMES_ITS_VALUE : /as the key/).test(where));

  it.each(texts)('%s stays, wherever it stands', (text) => {
    const changed = places.flatMap(([where, place]) => {
      const before = place(text);
      const clean = redact(before);
      return JSON.stringify(clean) === JSON.stringify(before) || sameJson(clean, before)
        ? []
        : [{ where, clean }];
    });
    expect(changed).toEqual([]);
  });
});

/** JSON in a text is written anew. */
function sameJson(one: unknown, other: unknown): boolean {
  try {
    return JSON.stringify(deep(one)) === JSON.stringify(deep(other));
  } catch {
    return false;
  }
}

function deep(value: unknown): unknown {
  if (typeof value !== 'string') {
    return typeof value === 'object' && value !== null
      ? Object.entries(value).map(([key, each]) => [key, deep(each)])
      : value;
  }
  try {
    return deep(JSON.parse(value));
  } catch {
    return value;
  }
}
