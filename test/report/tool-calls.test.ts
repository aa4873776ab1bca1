import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../src/otlp/logs.ts';
import type { Writer } from '../../src/pipeline.ts';
import { byTool, EVER, ofTool, type ToolUse } from '../../src/report/questions.ts';
import type { Span } from '../../src/span.ts';
import type { Store } from '../../src/store/client.ts';
import { understand, understandLogs } from '../../src/understand.ts';
import { GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { temporaryFolder } from '../support/cli.ts';
import { fileFolder, openJournal, openStore, POLICY, ship, writerIn } from '../support/ledger-kit.ts';
import { logsIn, spansIn } from '../support/recording.ts';
import { modelSpan, toolSpan, user } from '../support/spans.ts';

let store: Store;
beforeAll(async () => {
  store = await openStore(fileFolder());
});
afterAll(() => store.close());
beforeEach(() => store.command('TRUNCATE TABLE spanledger.audit_records'));

/** Records with one writer, in batches, and brings all of it to the store. */
async function recorded(work: (writer: Writer) => void): Promise<void> {
  const journal = openJournal(join(temporaryFolder(), 'journal'));
  const writer = writerIn(journal);
  try {
    work(writer);
    await writer.close();
    await ship(writer, store);
  } finally {
    await journal.close();
  }
}

const inBatches = (writer: Writer, spans: readonly Span[], size: number) => {
  for (let i = 0; i < spans.length; i += size)
    writer.commit(spans.slice(i, i + size).map((span) => understand(span, POLICY)));
};
const withLogs = (writer: Writer, logs: readonly LogRecord[]) => writer.commit(understandLogs(logs, POLICY));

/** Calls and successes by tool, as written by hand for the capture. */
function expectedUses(set: string): { [tool: string]: [calls: number, rate: number] } {
  const { tools } = JSON.parse(readFileSync(`test/golden/expected/${set}.json`, 'utf8')) as {
    tools: [name: string, id: string | null, evidence: string, status: string][];
  };
  const uses: { [tool: string]: [number, number] } = {};
  for (const name of new Set(tools.map(([tool]) => tool))) {
    const calls = tools.filter(([tool]) => tool === name);
    const good = calls.filter(([, , , status]) => status === 'success').length;
    uses[name] = [calls.length, Math.round((good / calls.length) * 1_000) / 1_000];
  }
  return uses;
}

async function uses(): Promise<{ [tool: string]: [number, number] }> {
  const found = await byTool(store, EVER);
  return Object.fromEntries(
    found.map((use) => [use.tool, [use.total_calls, (use as { success_rate: number }).success_rate]]),
  );
}

describe.each(GOLDEN_SETS)('%s', (set) => {
  const capture = goldenCapture(set);
  const spans = spansIn(capture.protobuf);
  const logs = capture.logs === undefined ? [] : logsIn(capture.logs.protobuf);
  const expected = expectedUses(set);

  it('has its tool calls, once', async () => {
    await recorded((writer) => {
      inBatches(writer, spans, spans.length);
      withLogs(writer, logs);
    });
    expect(await uses()).toEqual(expected);
  });

  it('has them when parents come last, each span by itself, after the logs', async () => {
    await recorded((writer) => {
      withLogs(writer, logs);
      inBatches(writer, parentsLast(spans), 1);
    });
    expect(await uses()).toEqual(expected);
  });

  it('has them when they come backwards', async () => {
    await recorded((writer) => {
      inBatches(writer, spans.toReversed(), 3);
      withLogs(writer, logs);
    });
    expect(await uses()).toEqual(expected);
  });

  it('has them when two writers hear all of it, in other orders', async () => {
    await recorded((writer) => {
      inBatches(writer, spans, 7);
      withLogs(writer, logs);
    });
    await recorded((writer) => {
      withLogs(writer, logs);
      inBatches(writer, spans.toReversed(), 5);
    });
    expect(await uses()).toEqual(expected);
  });

  it('has them in any order, split anyhow, and doubled', async () => {
    const doubled = fc.shuffledSubarray([...spans, ...spans], { minLength: spans.length * 2 });
    const property = fc.asyncProperty(
      doubled,
      fc.integer({ min: 1, max: 40 }),
      fc.nat(1),
      async (order, size, first) => {
        await store.command('TRUNCATE TABLE spanledger.audit_records');
        await recorded((writer) => {
          if (first === 0) withLogs(writer, logs);
          inBatches(writer, order, size);
          if (first === 1) withLogs(writer, logs);
          // Log records come apart from each other too.
          for (const log of logs) withLogs(writer, [log]);
        });
        expect(await uses()).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns: 4 });
  });
});

describe('calls that spans tell of in different words', () => {
  const args = { patient_id: 'P-1' };
  const ask = { role: 'assistant', tool_calls: [{ id: 't1', name: 'get_patient', arguments: args }] };
  const shown = modelSpan(
    [user('go'), ask, { role: 'tool', tool_call_id: 't1', content: '{"status":"ok"}' }],
    {},
    { id: '9' },
  );
  const scope = (name: string, span: Span): Span => ({ ...span, scope: { name, version: '' } });
  const count = async (spans: Span[]) => {
    await store.command('TRUNCATE TABLE spanledger.audit_records');
    await recorded((writer) => inBatches(writer, spans, 1));
    const { total_calls } = await ofTool(store, 'get_patient', EVER);
    return total_calls;
  };

  it.each([
    ['with its id', toolSpan('get_patient', { call: 't1', args }, {}, { id: '1' })],
    ['without an id', toolSpan('get_patient', { args }, {}, { id: '1' })],
    ['with neither id nor arguments', toolSpan('get_patient', {}, {}, { id: '1' })],
  ])('is one when a tool %s and a model tell it, in either order', async (_, executed) => {
    expect(await count([executed, shown])).toBe(1);
    expect(await count([shown, executed])).toBe(1);
  });

  it('is one when agent, MCP client and MCP server each have a span', async () => {
    const mcp = { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'get_patient' };
    const spans = [
      scope('server', toolSpan('get_patient', {}, mcp, { id: '3', parent: '2' })),
      scope('client', toolSpan('get_patient', { args }, mcp, { id: '2', parent: '1' })),
      scope('agent', toolSpan('get_patient', { call: 't1', args }, {}, { id: '1' })),
      shown,
    ];
    expect(await count(spans)).toBe(1);
    expect(await count(spans.toReversed())).toBe(1);
  });

  it('is two when one instrumentation saw it executed twice, with the same arguments', async () => {
    const twice = ['1', '2'].map((id) => toolSpan('get_patient', { args }, {}, { id }));
    expect(await count(twice)).toBe(2);
    expect(await count([...twice, shown])).toBe(2);
    expect(await count([...twice, ...twice])).toBe(2);
  });

  it('is one when its span has the arguments in other words', async () => {
    const positional = toolSpan('get_patient', { args: ['P-1'] }, {}, { id: '1' });
    expect(await count([positional, shown])).toBe(1);
    expect(await count([shown, positional])).toBe(1);
  });

  it('is one a conversation where the id only numbers the calls of an answer', async () => {
    const turn = (id: string, trace: string, n: string) => [
      modelSpan(
        [
          user(`go ${trace}`),
          { role: 'assistant', tool_calls: [{ id, name: 'get_patient', arguments: args }] },
          { role: 'tool', tool_call_id: id, content: '{"status":"ok"}' },
        ],
        {},
        { id: n, trace },
      ),
    ];
    for (const id of ['get_patient_0', 'functions.get_patient:0'])
      expect(await count([...turn(id, 'a', '1'), ...turn(id, 'b', '2')]), id).toBe(2);
  });

  it('is two when two ids say so', async () => {
    const twice = ['t1', 't2'].map((call, i) =>
      toolSpan('get_patient', { call, args }, {}, { id: String(i + 1) }),
    );
    expect(await count(twice)).toBe(2);
  });

  it('is one a trace, where nothing has an id', async () => {
    const each = ['a', 'b'].map((trace) => toolSpan('get_patient', { args }, {}, { id: '1', trace }));
    expect(await count(each)).toBe(2);
  });

  it('counts each span of zero ids', async () => {
    const zero = { ...toolSpan('get_patient', { args }), traceId: '0'.repeat(32), spanId: '0'.repeat(16) };
    expect(await count([zero, zero])).toBe(2);
  });
});

describe('by_tool', () => {
  it('has the fixed shape, and none for a tool nobody called', async () => {
    const at = (ms: number) => ({
      'gen_ai.tool.call.id': `t${ms}`,
      'user.id': ms > 10 ? 'nurse-17' : 'nurse-9',
    });
    await recorded((writer) =>
      inBatches(
        writer,
        [12.34, 5].map((ms, i) => {
          const span = toolSpan('send_email', { args: {} }, at(ms), { id: String(i + 1) });
          return { ...span, endTimeUnixNano: span.startTimeUnixNano + BigInt(Math.round(ms * 1e6)) };
        }),
        1,
      ),
    );
    const use: ToolUse = {
      tool: 'send_email',
      total_calls: 2,
      success_rate: 1,
      avg_duration_ms: 8.7,
      max_duration_ms: 12.3,
      unique_users: 2,
    };
    expect(await byTool(store, EVER)).toEqual([use]);
    expect(await ofTool(store, 'send_email', EVER)).toEqual(use);
    expect(await ofTool(store, "x' OR 1", EVER)).toEqual({ tool: "x' OR 1", total_calls: 0 });
    expect(await byTool(store, '2100-01-01T00:00:00Z')).toEqual([]);
  });
});

function parentsLast(spans: readonly Span[]): Span[] {
  const parents = new Map(spans.map((span) => [span.spanId, span.parentSpanId]));
  const depth = (span: Span) => {
    let of = 0;
    for (let at = span.parentSpanId; at !== undefined && of < 64; at = parents.get(at)) of += 1;
    return of;
  };
  return [...spans].sort((a, b) => depth(b) - depth(a));
}
