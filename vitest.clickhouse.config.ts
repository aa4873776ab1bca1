import { defineConfig } from 'vitest/config';
import shared from './vitest.config.ts';

/** The store's tests over HTTP: against the server that CLICKHOUSE_URL names, else the embedded engine behind a port. */
export default defineConfig({
  test: {
    ...shared.test,
    include: [
      'test/store/records.test.ts',
      'test/ship/*.test.ts',
      'test/verify/{columns,engines-agree,large}.test.ts',
      'test/report/*.test.ts',
    ],
    globalSetup: ['test/support/clickhouse-url.ts', 'test/support/build.ts'],
    // They share one database.
    fileParallelism: false,
  },
});
