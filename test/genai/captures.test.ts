import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSpan } from '../../src/genai/dialects.ts';
import type { LogRecord } from '../../src/otlp/logs.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import type { Span } from '../../src/span.ts';
import { corpusCaptures, GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { logsIn, type Recording, spansIn, startRecording } from '../support/recording.ts';

/** What a capture must become: written by hand from its notes and the raw spans, not by running our code. */
interface Expected {
  capture: string;
  spans: number;
  mapped: number;
  not_agent: number;
  quarantined: number;
  logs?: { records: number; with_content: number };
  /** Records of actions from the spans themselves. */
  actions: { [action: string]: number };
  /** `agent_response_generated` with the content of a span, from log records. */
  content_records?: number;
  tools: ToolRow[];
  responses: { [status: string]: number };
  invocations: { [status: string]: number };
  users: string[];
  conversations: string[];
}

type ToolRow = [name: string, callId: string | null, evidence: string, status: string];

const expectedOf = (set: string): Expected =>
  JSON.parse(readFileSync(`test/golden/expected/${set}.json`, 'utf8'));

/** What a span that begins, or is asked by its descendants, is read for. */
const WHO = [
  'kind',
  'conversationId',
  'userId',
  'userRole',
  'clientIp',
  'userAgent',
  'agentName',
  'agentId',
  'agentVersion',
  'purpose',
  'trigger',
  'impliedTrigger',
] as const;

const FORMS = ['json', 'protobuf'] as const;

describe.each(GOLDEN_SETS.flatMap((set) => FORMS.map((form) => [set, form] as const)))(
  '%s in %s',
  (set, form) => {
    const expected = expectedOf(set);
    const capture = goldenCapture(set);
    const spans = spansIn(capture[form]);
    const logs = capture.logs === undefined ? [] : logsIn(capture.logs[form]);

    it('is told what its spans are, and whom they are about, without their messages', () => {
      for (const span of spans) {
        const [all, who] = [readSpan(span), readSpan(span, 'who')];
        for (const field of WHO) expect(who[field]).toEqual(all[field]);
      }
    });

    it('becomes the records it must', async () => {
      const recording = startRecording();
      const receipt = recording.commit(spans);
      const ofSpans = await recording.records();
      const fromLogs = recording.commitLogs(logs);
      const records = await recording.records();
      const contents = records.filter(isContent);
      expect(contents.filter(({ usage }) => usage !== undefined)).toEqual([]);
      const told = records.filter((record) => !isContent(record));
      const found: Expected = {
        capture: set,
        spans: spans.length,
        mapped: receipt.mapped,
        not_agent: receipt.notAgent,
        quarantined: receipt.quarantined,
        actions: countBy(told, (record) => record.action),
        tools: told.filter(isTool).map(toolRow).sort(inOrder),
        responses: statuses(told, 'agent_response_generated'),
        invocations: statuses(told, 'agent_invoked'),
        users: distinct(records.map((record) => record.user?.id)),
        conversations: distinct(records.map((record) => record.conversation_id)),
      };
      if (expected.logs !== undefined)
        found.logs = {
          records: logs.length,
          with_content: logs.filter(isGenAi).length,
        };
      if (expected.content_records !== undefined) found.content_records = contents.length;
      expect(found).toEqual({ ...expected, tools: expected.tools.sort(inOrder) });
      expect(receipt.mapped + receipt.notAgent + receipt.quarantined).toBe(spans.length);
      expect(receipt.records).toEqual(countBy(ofSpans, (record) => record.action));
      expect(receipt.duplicates + receipt.conflicts + receipt.unknown + fromLogs.conflicts).toBe(0);
    });

    it('adds nothing when it comes again', async () => {
      const recording = startRecording();
      recording.commit(spans);
      recording.commitLogs(logs);
      const before = await recording.records();
      const again = recording.commit(spans);
      expect(again).toMatchObject({ mapped: expected.mapped, duplicates: expected.mapped, records: {} });
      expect(recording.commitLogs(logs).records).toEqual({});
      expect(await recording.records()).toEqual(before);
    });
  },
);

describe.each(GOLDEN_SETS)('%s', (set) => {
  const capture = goldenCapture(set);

  it('is the same in JSON and protobuf', async () => {
    const [json, protobuf] = await Promise.all(
      FORMS.map(async (form) => {
        const recording = startRecording();
        recording.commit(spansIn(capture[form]));
        if (capture.logs !== undefined) recording.commitLogs(logsIn(capture.logs[form]));
        return (await recording.records()).map(({ salt: _, recorded_at: __, ...record }) => record);
      }),
    );
    expect(json).toEqual(protobuf);
  });

  it('gives each tool call with an id once of each evidence, in any order and any batches', async () => {
    const spans = spansIn(capture.protobuf);
    const logs = capture.logs === undefined ? [] : logsIn(capture.logs.protobuf);
    const expected = distinct(expectedOf(set).tools.map(([, id]) => id ?? undefined));
    await fc.assert(
      fc.asyncProperty(shuffled(spans), fc.integer({ min: 1, max: spans.length }), async (order, size) => {
        const recording = startRecording();
        commitInBatches(recording, order, size);
        recording.commitLogs(logs);
        const tools = (await recording.records())
          .filter(isTool)
          .filter(({ tool }) => tool.call_id !== undefined);
        const rows = tools.map(({ tool }) => `${tool.call_id} ${tool.evidence}`);
        expect(rows).toHaveLength(new Set(rows).size);
        expect(distinct(tools.map(({ tool }) => tool.call_id))).toEqual(expect.arrayContaining(expected));
      }),
      { numRuns: 8 },
    );
  });

  it('has a right ending and a plain cause for every tool call that failed or was denied', async () => {
    const recording = startRecording();
    recording.commit(spansIn(capture.json));
    if (capture.logs !== undefined) recording.commitLogs(logsIn(capture.logs.json));
    for (const { tool, outcome } of (await recording.records()).filter(isTool)) {
      if (outcome?.status === 'denied')
        expect(outcome.error_message).toMatch(
          /^(Policy POL-7 denies delete_record|Tool execution was not approved|permission_denied: POL-7)/,
        );
      else if (outcome?.status === 'failure')
        expect(outcome.error_message).toMatch(
          /^(LIS timeout|Error running tool \(non-fatal\)|boom|MCP error|.*nope)/,
        );
      else
        expect(['lookup_patient', 'send_email', 'process_payment', 'DynamicStructuredTool']).toContain(
          tool.name,
        );
    }
  });
});

describe('vercel_ai-6.0.326, whose spans say who and why', () => {
  it('carries user, agent, conversation, trigger and model on the records they belong to', async () => {
    const recording = startRecording();
    recording.commit(spansIn(goldenCapture('vercel_ai-6.0.326').json));
    const records = await recording.records();
    for (const record of records) {
      expect(record).toMatchObject({
        conversation_id: 'sess-7f3a',
        user: { id: 'nurse-17' },
        agent: { name: 'medrec-agent' },
        trigger: 'user_request',
        source: { service: 'medrec-assistant', dialect: 'vercel' },
      });
    }
    const answered = records.find(({ action }) => action === 'agent_response_generated');
    expect(answered).toMatchObject({
      actor: { type: 'agent', id: 'medrec-agent' },
      model: { provider: 'openai', request: 'gpt-4o-mini', response: 'gpt-4o-mini-2024-07-18' },
      usage: { input_tokens: 120, output_tokens: 24, cache_read_input_tokens: 64 },
      tool_calls: [{ id: 'call_00006eA9fQ2xK7mZ', name: 'lookup_patient' }],
    });
  });
});

describe('agents are inherited from ancestors in the same request', () => {
  it.each(['vercel_ai-7.0.173', 'arizeai_openinference-vercel-3.2.1_ai-7.0.173'])('%s', async (set) => {
    const recording = startRecording();
    recording.commit(spansIn(goldenCapture(set).json));
    const agents = (await recording.records()).map((record) => record.agent?.name);
    expect(distinct(agents)).toEqual(['medrec-agent']);
    expect(agents).not.toContain(undefined);
  });
});

describe.each(corpusCaptures().map((capture) => [capture.set, capture] as const))(
  '%s, of the corpus',
  (_, capture) => {
    it('loses no span, and needs no quarantine', async () => {
      const spans = spansIn(capture.protobuf);
      const recording = startRecording();
      const receipt = recording.commit(spans);
      expect(receipt.mapped + receipt.notAgent).toBe(spans.length);
      expect(receipt.quarantined).toBe(0);
      expect(recording.commit(spans)).toMatchObject({ duplicates: receipt.mapped, records: {} });
    });
  },
);

type ToolRecord = AuditRecord & { tool: NonNullable<AuditRecord['tool']> };

function isTool(record: AuditRecord): record is ToolRecord {
  return record.action === 'tool_invoked';
}

function isGenAi({ eventName, attributes }: LogRecord): boolean {
  return /^gen_ai\./.test(eventName || String(attributes.get('event.name') ?? ''));
}

function isContent({ details }: AuditRecord): boolean {
  return details?.content_of !== undefined;
}

function toolRow({ tool, outcome }: ToolRecord): ToolRow {
  return [tool.name, tool.call_id ?? null, tool.evidence, outcome?.status ?? ''];
}

function inOrder(a: ToolRow, b: ToolRow): number {
  return a.join(' ') < b.join(' ') ? -1 : 1;
}

function statuses(records: AuditRecord[], action: string): { [status: string]: number } {
  return countBy(
    records.filter((record) => record.action === action),
    (record) => record.outcome?.status ?? 'none',
  );
}

function countBy<T>(list: readonly T[], name: (each: T) => string): { [name: string]: number } {
  const counts: { [name: string]: number } = {};
  for (const each of list) counts[name(each)] = (counts[name(each)] ?? 0) + 1;
  return counts;
}

function distinct(list: readonly (string | undefined)[]): string[] {
  return [...new Set(list.filter((each) => each !== undefined))].sort((a, b) => (a < b ? -1 : 1));
}

function shuffled(spans: Span[]): fc.Arbitrary<Span[]> {
  return fc.shuffledSubarray(spans, { minLength: spans.length });
}

function commitInBatches(recording: Recording, spans: Span[], size: number): void {
  for (let i = 0; i < spans.length; i += size) recording.commit(spans.slice(i, i + size));
}
