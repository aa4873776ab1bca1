import { defineConfig } from 'vitest/config';

// The embedded engine binds one data directory a process, so every test file gets a process of its own.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/frameworks/**'],
    pool: 'forks',
    isolate: true,
    // Tests wait for processes, disks and conditions more than they compute.
    maxWorkers: '100%',
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // A runner that asks for colours (CI, FORCE_COLOR) must not change what the commands print.
    env: { NO_COLOR: '1' },
    globalSetup: ['test/support/build.ts'],
  },
});
