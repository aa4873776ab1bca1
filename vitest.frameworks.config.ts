import { defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

// The frameworks' published packages, of the versions in test/frameworks: they come from the registry the first time.
export default defineConfig({
  test: {
    ...base.test,
    include: ['test/frameworks/**/*.test.ts'],
    exclude: [],
    reporters: ['verbose'],
    testTimeout: 120_000,
  },
});
