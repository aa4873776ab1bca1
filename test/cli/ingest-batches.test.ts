import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { ingest } from '../../src/cli/ingest.ts';
import type { Output } from '../../src/cli/output.ts';
import { Writer } from '../../src/pipeline.ts';
import { temporaryFolder } from '../support/cli.ts';
import { id } from '../support/ledger-kit.ts';

/* How much is understood before it is appended; what one transaction takes of it is the writer's to say. */

afterEach(() => {
  vi.restoreAllMocks();
});

interface Summary {
  spans: number;
  mapped: number;
  records: { [action: string]: number };
}

async function ingested(spans: number): Promise<Summary> {
  const folder = temporaryFolder();
  const file = join(folder, 'traces.json');
  const attributes = Object.entries({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'list_files',
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

it('10,000 spans', async () => {
  const append = vi.spyOn(Writer.prototype, 'append');
  const { spans, mapped, records } = await ingested(10_001);
  expect([spans, mapped, records.tool_invoked]).toEqual([10_001, 10_001, 10_001]);
  expect(append.mock.calls.map(([batch]) => batch.length)).toEqual([10_000, 1]);
});
