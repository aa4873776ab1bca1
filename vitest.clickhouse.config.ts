import { defineConfig } from 'vitest/config';
import shared from './vitest.config.ts';

if (process.env.CLICKHOUSE_URL === undefined)
  throw new Error('CLICKHOUSE_URL names no server; its database `spanledger` is dropped and made anew');

/** The store's tests, against a server instead of the embedded engine, and one after the other. */
export default defineConfig({
  test: {
    ...shared.test,
    include: [
      'test/store/records.test.ts',
      'test/ship/*.test.ts',
      'test/verify/{columns,engines-agree,large}.test.ts',
      'test/report/*.test.ts',
    ],
    fileParallelism: false,
  },
});
