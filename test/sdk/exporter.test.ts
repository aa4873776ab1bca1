import { BasicTracerProvider, BatchSpanProcessor, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it, vi } from 'vitest';
import { AuditSpanExporter, type ReadableSpanLike, SpanledgerError } from '../../src/index.ts';
import { temporaryFolder } from '../support/cli.ts';
import { codeOf } from '../support/ledger-kit.ts';
import { recordsIn } from '../support/sdk.ts';
import { richSpans } from '../support/sdk-spans.ts';

const TOOL = {
  'gen_ai.operation.name': 'execute_tool',
  'gen_ai.tool.name': 'send_email',
  'gen_ai.tool.call.id': 'call_1',
};

function exported(
  exporter: AuditSpanExporter,
  spans: ReadableSpanLike[],
): Promise<{ code: number; error?: Error }> {
  return new Promise((resolve) => exporter.export(spans, resolve));
}

describe('AuditSpanExporter', () => {
  it('says once what it cannot promise', async () => {
    const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve));
    const exporter = new AuditSpanExporter({ dir: temporaryFolder() });
    expect(await warned).toMatchObject({ code: 'SPANLEDGER_EXPORTER' });
    await exporter.shutdown();
  });

  for (const Processor of [SimpleSpanProcessor, BatchSpanProcessor]) {
    it(`records outcomes, without intents, behind a ${Processor.name}`, async () => {
      const dir = temporaryFolder();
      const provider = new BasicTracerProvider({
        spanProcessors: [new Processor(new AuditSpanExporter({ dir }))],
      });
      provider.getTracer('x').startSpan('execute_tool', { attributes: TOOL }).end();
      await provider.forceFlush();
      await provider.shutdown();
      const tools = (await recordsIn(dir)).filter((record) => record.action === 'tool_invoked');
      expect(tools).toHaveLength(1);
      expect(tools[0]).toMatchObject({ phase: 'outcome', tool: { name: 'send_email', call_id: 'call_1' } });
    });
  }

  it('loses one span that cannot be read, and not its batch', async () => {
    const dir = temporaryFolder();
    const exporter = new AuditSpanExporter({ dir });
    const [child, root] = richSpans();
    const good = (span: ReadableSpanLike) => Object.create(span, { attributes: { value: TOOL } });
    const bad = Object.create(child!, {
      attributes: {
        get: () => {
          throw new Error('token=abcd1234');
        },
      },
    });
    const result = await exported(exporter, [good(child!), bad, good(root!)]);
    expect(result.code).toBe(0);
    await exporter.shutdown();
    const records = await recordsIn(dir);
    expect(records.filter(({ action }) => action === 'tool_invoked')).toHaveLength(2);
    expect(records.find(({ action }) => action === 'gap')?.control).toMatchObject({
      spans: 1,
      reason: 'not_understood',
    });
    expect(JSON.stringify(records)).not.toContain('abcd1234');
  });

  it('tells in the chain what it could not record, and of each batch at once', async () => {
    const dir = temporaryFolder();
    const exporter = new AuditSpanExporter({ dir });
    const [child, root] = richSpans();
    const tools = [child!, root!].map((span) => Object.create(span, { attributes: { value: TOOL } }));
    const other = Object.create(child!, { attributes: { value: { 'http.request.method': 'GET' } } });
    const full = vi.spyOn(exporter.audit.writer.journal, 'transact').mockImplementation(() => {
      throw new SpanledgerError('journal_full', 'full');
    });
    const result = await exported(exporter, [...tools, other]);
    expect(result).toMatchObject({ code: 1, error: { code: 'journal_full' } });
    expect(await codeOf(() => exporter.forceFlush())).toBe('journal_full');
    full.mockRestore();
    await exporter.forceFlush();
    await exporter.shutdown();
    const gaps = (await recordsIn(dir)).filter(({ action }) => action === 'gap');
    expect(gaps.map(({ control }) => control)).toMatchObject([{ spans: 2, reason: 'journal_full' }]);
  });

  it('answers only when the spans are durable, and fails after shutdown', async () => {
    const exporter = new AuditSpanExporter({ dir: temporaryFolder() });
    await exporter.shutdown();
    expect(await exported(exporter, [])).toMatchObject({ code: 1, error: { code: 'journal_broken' } });
  });
});
