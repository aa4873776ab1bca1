import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { readParquet } from '../../src/retain/archive/parquet.ts';
import { memoryFolder, openStore } from '../support/ledger-kit.ts';

const root = memoryFolder();
const store = await openStore(join(root, 'ledger'));
afterAll(() => store.close());

const ROW = `'c' AS chain_id, number AS seq, 'ledger' AS retention_class, toUInt32(1) AS expires_at, toUInt32(2) AS purge_after, toFixedString('h', 32) AS record_hash, repeat('a', 100000) AS payload`;
const PLAIN = 'output_format_parquet_max_dictionary_size = 0';
const GZIP = "output_format_parquet_compression_method = 'gzip'";
let made = 0;

/** As the engine writes it. */
async function written(row = ROW, rows = 100, ...settings: string[]): Promise<Buffer> {
  const path = join(root, `${made++}.parquet`);
  await store.command(
    `INSERT INTO FUNCTION file('${path}', 'Parquet') SELECT ${row} FROM numbers(${rows}) SETTINGS ${settings.join(', ')}`,
  );
  return readFileSync(path);
}

async function read(bytes: Buffer, most?: number): Promise<number> {
  const slice = async (start: number, end = bytes.length) =>
    new Uint8Array(bytes.subarray(start, end)).buffer;
  let rows = 0;
  const file = { byteLength: bytes.length, slice };
  for await (const group of readParquet(file, { name: 'a', kind: 'records' }, most)) rows += group.length;
  return rows;
}

const refused = (error: unknown) => isSpanledgerError(error, 'archive_refused');

it('reads what the engine writes for an archive', async () => {
  expect(await read(await written(ROW, 100, PLAIN, GZIP))).toBe(100);
});

it('inflates nothing beyond its limit: 10 MB in a few kB', async () => {
  const bomb = await written(ROW, 100, PLAIN, GZIP);
  expect(bomb.length).toBeLessThan(40_000);
  await expect(read(bomb, 1_000_000)).rejects.toSatisfy(refused);
});

it.each([
  ['dictionaries', [GZIP]],
  ['snappy', [PLAIN, "output_format_parquet_compression_method = 'snappy'"]],
  ['zstd', [PLAIN, "output_format_parquet_compression_method = 'zstd'"]],
])('takes no %s', async (_, settings) => {
  await expect(read(await written(ROW, 100, ...settings))).rejects.toSatisfy(refused);
});

it.each([
  ['one more', `${ROW}, 1 AS more`],
  ['one of another type', ROW.replace('number AS seq', "'1' AS seq")],
  ['one that may be null', ROW.replace("'c' AS chain_id", "toNullable('c') AS chain_id")],
  ['another order', ROW.replace("'c' AS chain_id, number AS seq", "number AS seq, 'c' AS chain_id")],
])('takes no other columns: %s', async (_, row) => {
  await expect(read(await written(row, 10, PLAIN, GZIP))).rejects.toSatisfy(refused);
});

it('refuses a file of which any bytes are other, or reads it', async () => {
  const whole = await written(ROW.replace('100000', '10'), 20, PLAIN, GZIP);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= by;
      try {
        expect(await read(bytes)).toBeLessThanOrEqual(100_000);
      } catch (error) {
        if (!refused(error)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
  await expect(read(whole.subarray(0, 4))).rejects.toSatisfy(refused);
  await expect(read(whole.subarray(0, -9))).rejects.toSatisfy(refused);
});
