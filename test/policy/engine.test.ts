import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { parseSettings } from '../../src/config/settings.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import { policyOf } from '../../src/policy/schema.ts';

const isLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((path) => /[\\/]re2js[\\/]/.test(path));

it('the engine of expressions is loaded with the first of them, and by no policy without', () => {
  const compile = (yaml: string) =>
    compilePolicy(
      { id: 'k', secret: new Uint8Array(32) },
      policyOf(parseSettings(`version: 1\n${yaml}`, 'spanledger.yaml').policy),
    );
  compile('').redactor.scan('to jane@example.org, 2026-03-01');
  compile('').volatile.without('Today is 2026-03-01');
  expect(isLoaded()).toBe(false);
  compile('policy: { prompt: { ignore: [abc] } }');
  expect(isLoaded()).toBe(true);
});
