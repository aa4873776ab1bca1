import { type Attributes, context, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOffSampler, BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditSpanProcessor, type ReadableSpanLike, SpanledgerError } from '../../src/index.ts';
import { claiming } from '../../src/sdk/claim.ts';
import { temporaryFolder } from '../support/cli.ts';
import { codeOf } from '../support/ledger-kit.ts';
import { recordsIn } from '../support/sdk.ts';

const TOOL: Attributes = {
  'gen_ai.operation.name': 'execute_tool',
  'gen_ai.tool.name': 'access_patient_record',
  'gen_ai.tool.call.id': 'call_1',
  'gen_ai.tool.call.arguments': '{"patient_id":"P-1042","ssn":"078-05-1120"}',
};

describe('AuditSpanProcessor on the real SDK', () => {
  let dir: string;
  let processor: AuditSpanProcessor;
  let tracer: Tracer;

  beforeEach(() => {
    dir = temporaryFolder();
    processor = new AuditSpanProcessor({ dir, writer: 'medrec' });
    const resource = resourceFromAttributes({ 'service.name': 'medrec' });
    tracer = new BasicTracerProvider({ resource, spanProcessors: [processor] }).getTracer('medrec');
  });

  it('writes the intent when a tool starts and the outcome when it ends', async () => {
    const span = tracer.startSpan('execute_tool', { attributes: TOOL });
    span.setAttribute('gen_ai.tool.call.result', '{"allergies":["penicillin"]}');
    span.end();
    await processor.shutdown();
    const [opened, intent, outcome, accessed, closed] = await recordsIn(dir);
    expect(opened).toMatchObject({ action: 'chain_opened', control: { writer: 'medrec', role: 'records' } });
    expect(intent).toMatchObject({
      action: 'tool_invoked',
      phase: 'intent',
      tool: { name: 'access_patient_record', call_id: 'call_1' },
    });
    expect(intent).not.toHaveProperty('outcome');
    expect(outcome).toMatchObject({
      action: 'tool_invoked',
      phase: 'outcome',
      outcome: { status: 'success' },
    });
    expect(outcome?.outcome?.duration_ms).toBeGreaterThanOrEqual(0);
    expect(outcome?.trace).toEqual(intent?.trace);
    expect(accessed).toMatchObject({ action: 'data_accessed', resource: { type: 'patient', id: 'P-1042' } });
    expect(closed).toMatchObject({ action: 'chain_closed' });
  });

  it('leaves a claimed intent to the call inside, and writes it with the outcome where none comes', async () => {
    const tools = new Set(['access_patient_record']);
    const claimed = (scope: string) =>
      claiming({ scope, tools }, () => tracer.startSpan('execute_tool', { attributes: TOOL }));
    const heard = claimed('another');
    const [left, never] = [claimed('medrec'), claimed('medrec')];
    left.end();
    await processor.shutdown();
    const calls = (await recordsIn(dir)).filter(({ action }) => action === 'tool_invoked');
    expect(calls.map(({ phase, trace }) => [phase, trace!.span_id])).toEqual([
      ['intent', heard.spanContext().spanId],
      ['intent', left.spanContext().spanId],
      ['outcome', left.spanContext().spanId],
    ]);
    expect(never.spanContext().spanId).not.toBe(left.spanContext().spanId);
  });

  it('has the intent in the journal before the tool could run', async () => {
    tracer.startSpan('execute_tool', { attributes: TOOL });
    await processor.shutdown();
    const records = await recordsIn(dir);
    expect(records.map(({ action, phase }) => [action, phase])).toEqual([
      ['chain_opened', 'event'],
      ['tool_invoked', 'intent'],
      ['chain_closed', 'event'],
    ]);
  });

  it('inherits conversation, user and agent from ancestors that are still running, set late or early', async () => {
    const root = tracer.startSpan('invoke_agent', {
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'medrec-agent' },
    });
    root.setAttributes({
      'gen_ai.conversation.id': 'conv-1',
      'user.id': 'nurse-17',
      'audit.purpose': 'TREAT',
    });
    const middle = tracer.startSpan('http', {}, trace.setSpan(context.active(), root));
    const span = tracer.startSpan(
      'execute_tool',
      { attributes: TOOL },
      trace.setSpan(context.active(), middle),
    );
    span.end();
    middle.end();
    root.end();
    await processor.shutdown();
    const tool = (await recordsIn(dir)).find((record) => record.action === 'tool_invoked');
    expect(tool).toMatchObject({
      actor: { type: 'agent', id: 'medrec-agent' },
      conversation_id: 'conv-1',
      user: { id: 'nurse-17' },
      purpose: 'TREAT',
    });
  });

  it.each([
    ['set anew', (root) => root.setAttribute('user.id', 'nurse-18'), { user: { id: 'nurse-18' } }],
    ['set besides', (root) => root.setAttribute('audit.purpose', 'BTG'), { purpose: 'BTG' }],
  ] satisfies [string, (root: Span) => void, object][])(
    'a child inherits what a running ancestor says by now: %s',
    async (_, set, inherited) => {
      const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'user.id': 'nurse-17' };
      const root = tracer.startSpan('invoke_agent', { attributes });
      const within = trace.setSpan(context.active(), root);
      for (const id of ['call_1', 'call_2', 'call_3']) {
        if (id === 'call_3') set(root);
        tracer
          .startSpan('execute_tool', { attributes: { ...TOOL, 'gen_ai.tool.call.id': id } }, within)
          .end();
      }
      root.end();
      await processor.shutdown();
      const intents = (await recordsIn(dir)).filter(({ phase }) => phase === 'intent');
      expect(intents.map(({ user }) => user?.id).slice(0, 2)).toEqual(['nurse-17', 'nurse-17']);
      expect(intents[1]).not.toMatchObject(inherited);
      expect(intents[2]).toMatchObject(inherited);
    },
  );

  it('records failures with their error', async () => {
    const span = tracer.startSpan('execute_tool', { attributes: TOOL });
    span.recordException(new Error('LIS timeout'));
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    await processor.shutdown();
    const outcome = (await recordsIn(dir)).find((record) => record.phase === 'outcome');
    expect(outcome?.outcome).toMatchObject({
      status: 'failure',
      error_type: 'Error',
      error_message: 'LIS timeout',
    });
  });

  it('leaves other spans alone', async () => {
    tracer.startSpan('GET /patients', { attributes: { 'http.request.method': 'GET' } }).end();
    await processor.shutdown();
    expect(await recordsIn(dir)).toEqual([]);
  });

  it('drops nothing in a burst of 10,000 spans', async () => {
    for (let i = 0; i < 10_000; i++) {
      tracer.startSpan('execute_tool', { attributes: { ...TOOL, 'gen_ai.tool.call.id': `call_${i}` } }).end();
    }
    await processor.shutdown();
    const outcomes = (await recordsIn(dir)).filter((record) => record.phase === 'outcome');
    expect(new Set(outcomes.map((record) => record.tool?.call_id)).size).toBe(10_000);
  });

  it('never throws into the app, and says what it lost', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const hostile = {
      get attributes(): never {
        throw new Error('hostile span');
      },
    };
    const span = Object.assign(Object.create(hostile), {
      spanContext: () => ({ traceId: 'a', spanId: 'b' }),
    });
    expect(() => processor.onStart(span)).not.toThrow();
    expect(() => processor.onEnd(span)).not.toThrow();
    expect((await warned).message).toContain('audit records are being lost');
    tracer.startSpan('execute_tool', { attributes: TOOL }).end();
    await processor.shutdown();
    const gap = (await recordsIn(dir)).find((record) => record.action === 'gap');
    expect(gap?.control, 'a span is one, though its start and its end were lost').toMatchObject({ spans: 1 });
  });

  it('never throws into the app, whatever a span is', async () => {
    const nothing = new Proxy({}, thrower()) as never;
    expect(() => processor.onStart(nothing)).not.toThrow();
    expect(() => processor.onEnd(nothing)).not.toThrow();
    expect(() => processor.onEnd(undefined as never)).not.toThrow();
    await processor.shutdown();
    expect((await recordsIn(dir)).map(({ action }) => action)).toEqual([
      'chain_opened',
      'gap',
      'chain_closed',
    ]);
  });

  it('tells of what it lost by a word, and not by what was in it', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const span = tracer.startSpan('execute_tool', { attributes: TOOL }) as unknown as ReadableSpanLike;
    const hostile = Object.create(span, {
      attributes: {
        get: () => {
          throw new Error('token=abcd1234 ssn 078-05-1120');
        },
      },
    });
    processor.onEnd(hostile);
    await processor.shutdown();
    const records = await recordsIn(dir);
    expect(records.find(({ action }) => action === 'gap')?.control).toMatchObject({
      spans: 1,
      reason: 'not_understood',
    });
    expect(JSON.stringify(records)).not.toContain('abcd1234');
    expect((await warned).message).toBe('audit records are being lost: not_understood');
  });

  it('does not let an ancestor that cannot be read cost its descendants anything', async () => {
    const root = tracer.startSpan('invoke_agent', { attributes: { 'user.id': 'nurse-17' } });
    Object.defineProperty(root, 'attributes', {
      get: () => {
        throw new Error('no');
      },
    });
    tracer.startSpan('execute_tool', { attributes: TOOL }, trace.setSpan(context.active(), root)).end();
    await processor.shutdown();
    const records = await recordsIn(dir);
    expect(records.filter(({ action }) => action === 'tool_invoked')).toHaveLength(2);
    expect(records.filter(({ action }) => action === 'payload_quarantined')).toEqual([]);
  });

  it('takes times with fractions, and none at all', async () => {
    tracer
      .startSpan('execute_tool', { attributes: TOOL, startTime: [1_760_000_000, 0.5] })
      .end([1_760_000_001, 0.4]);
    tracer
      .startSpan('execute_tool', { attributes: TOOL, startTime: [Number.NaN, 0] })
      .end([1_760_000_001, Number.POSITIVE_INFINITY]);
    await processor.shutdown();
    const records = await recordsIn(dir);
    expect(records.filter(({ action }) => action === 'gap')).toEqual([]);
    const [intent, outcome] = records.filter(({ action }) => action === 'tool_invoked');
    expect(intent!.occurred_at).toBe('2025-10-09T08:53:20.000000001Z');
    expect(outcome!.occurred_at).toBe('2025-10-09T08:53:21.000000000Z');
  });

  describe('on a journal that takes nothing', () => {
    const call = () => tracer.startSpan('execute_tool', { attributes: TOOL }).end();

    function fill(): () => void {
      const full = vi.spyOn(processor.audit.writer.journal, 'transact').mockImplementation(() => {
        throw new SpanledgerError('journal_full', 'full');
      });
      return () => full.mockRestore();
    }

    it('counts each span once, and tells it as soon as it can', async () => {
      const empty = fill();
      for (let i = 0; i < 50; i++) call();
      const running = tracer.startSpan('execute_tool', { attributes: TOOL });
      expect(await codeOf(() => processor.forceFlush())).toBe('journal_full');
      empty();
      await processor.forceFlush();
      running.end();
      await processor.shutdown();
      const records = await recordsIn(dir);
      expect(records.map(({ action }) => action).slice(0, 2)).toEqual(['chain_opened', 'gap']);
      const gaps = records.filter(({ action }) => action === 'gap');
      expect(gaps.map(({ control }) => control!.spans)).toEqual([51]);
    });

    it('lets go of it on shutdown all the same, and says that something was lost', async () => {
      call();
      const empty = fill();
      call();
      expect(await codeOf(() => processor.shutdown())).toBe('journal_full');
      expect(await codeOf(() => processor.shutdown()), 'whoever asks').toBe('journal_full');
      empty();
      expect((await recordsIn(dir)).map(({ action }) => action)).toContain('tool_invoked');
    });
  });

  it('warns of spans that come after shutdown, counts them, and rejects', async () => {
    const warnings: (Error & { code?: string })[] = [];
    const hear = (warning: Error) => void warnings.push(warning);
    process.on('warning', hear);
    const late = tracer.startSpan('execute_tool', { attributes: TOOL });
    await processor.shutdown();
    await processor.shutdown();
    await processor.forceFlush();
    expect(processor.missed).toBe(0);
    tracer.startSpan('GET /patients', { attributes: { 'http.request.method': 'GET' } }).end();
    expect(processor.missed, 'of agents alone').toBe(0);
    late.end();
    for (let i = 0; i < 3; i++) tracer.startSpan('execute_tool', { attributes: TOOL }).end();
    tracer.startSpan('chat', { attributes: { 'gen_ai.operation.name': 'chat' } }).end();
    processor.onEnd(Object.create(null));
    expect(processor.missed, 'each once').toBe(6);
    await expect(processor.forceFlush()).rejects.toMatchObject({ code: 'journal_broken' });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', hear);
    expect(warnings.map(({ code }) => code)).toEqual(['SPANLEDGER_CLOSED']);
    expect((await recordsIn(dir)).map(({ phase }) => phase)).toEqual(['event', 'intent', 'event']);
  });

  it('is a SpanProcessor, and hears nothing of what a sampler leaves out', async () => {
    const provider = new BasicTracerProvider({
      sampler: new AlwaysOffSampler(),
      spanProcessors: [processor satisfies SpanProcessor],
    });
    provider.getTracer('x').startSpan('execute_tool', { attributes: TOOL }).end();
    await provider.shutdown();
    expect(await recordsIn(dir)).toEqual([]);
  });
});

/** Whatever it is asked, it throws. */
function thrower(): ProxyHandler<object> {
  return {
    get: () => {
      throw new Error('no');
    },
  };
}
