import { defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

// spanledger beside programs of other projects: slow, and some need Go, Python and package registries the first time.
export default defineConfig({
  test: {
    ...base.test,
    include: ['test/interop/**/*.test.ts'],
    exclude: [],
    reporters: ['verbose'],
    globalSetup: ['test/interop/prepare.ts'],
    testTimeout: 180_000,
    // Each starts several programs, and looks at how they do under load.
    fileParallelism: false,
  },
});
