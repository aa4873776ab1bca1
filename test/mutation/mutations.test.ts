import { expect, it } from 'vitest';
import { decode, mutated } from './mutations.ts';

// `npm run mutate` does it a million times.
it('a mutated body is read or refused, and nothing else', () => {
  const made = new Set([...mutated(1_000, 7)].map(decode));
  expect([...made].sort()).toEqual(['read', 'refused']);
});
