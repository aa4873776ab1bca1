import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { ingest } from '../../src/cli/ingest.ts';
import type { Output } from '../../src/cli/output.ts';
import { Writer } from '../../src/pipeline.ts';
import { temporaryFolder } from '../support/cli.ts';
import { id } from '../support/ledger-kit.ts';

/* What one transaction takes: it is one frame of the journal, and a frame has a limit. */

const append = Writer.prototype.append;
let batches: number[] = [];

afterEach(() => {
  vi.restoreAllMocks();
  batches = [];
});

/** The writer, which refuses batches of more than so many as its journal refuses what is too large. */
function writerThatTakes(most: number): void {
  vi.spyOn(Writer.prototype, 'append').mockImplementation(function (this: Writer, batch, told) {
    if (batch.length > most) return Promise.reject(new RangeError('a transaction is too large'));
    batches.push(batch.length);
    return append.call(this, batch, told);
  });
}

interface Summary {
  spans: number;
  mapped: number;
  records: { [action: string]: number };
}

async function ingested(spans: number, bytes: number): Promise<Summary> {
  const folder = temporaryFolder();
  const file = join(folder, 'traces.json');
  const attributes = Object.entries({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'list_files',
    padding: 'x'.repeat(bytes),
  }).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  const all = Array.from({ length: spans }, () => ({
    traceId: id(16),
    spanId: id(8),
    name: 'execute_tool',
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000100000000',
    attributes,
  }));
  writeFileSync(file, JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: all }] }] }));
  const documents: unknown[] = [];
  const out: Output = { json: true, line: () => {}, log: () => {}, document: (each) => documents.push(each) };
  expect(await ingest([file], { dir: join(folder, 'ledger'), json: true }, out)).toBe(0);
  return documents[0] as Summary;
}

it('500 spans of the usual size', async () => {
  writerThatTakes(Number.POSITIVE_INFINITY);
  expect(await ingested(1_201, 10)).toMatchObject({ spans: 1_201, mapped: 1_201 });
  expect(batches).toEqual([500, 500, 201]);
});

it('fewer, where they come to 16 MB of the file', async () => {
  writerThatTakes(Number.POSITIVE_INFINITY);
  expect(await ingested(40, 2 ** 20)).toMatchObject({ spans: 40, mapped: 40 });
  expect(batches).toEqual([15, 15, 10]);
});

it('halves, where what they became is too large all the same', async () => {
  writerThatTakes(3);
  const { mapped, records } = await ingested(20, 10);
  expect(mapped).toBe(20);
  expect(records.tool_invoked).toBe(20);
  expect(batches.reduce((sum, each) => sum + each, 0)).toBe(20);
});

it('and no half of one', async () => {
  writerThatTakes(0);
  await expect(ingested(2, 10)).rejects.toThrow(RangeError);
});
