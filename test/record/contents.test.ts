import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLogsJson } from '../../src/otlp/json-logs.ts';
import { decodeTracesJson } from '../../src/otlp/json-traces.ts';
import { MAX_CONTENT_BYTES } from '../../src/record/contents.ts';
import type { Contents, Facts } from '../../src/record/facts.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { settle } from '../../src/record/settle.ts';
import type { Span } from '../../src/span.ts';
import { understand, understandLogs } from '../../src/understand.ts';
import { logsOfPerson, mark, tracesOfPerson, writtenParts } from '../support/person.ts';
import { asked, assistant, factsFrom, modelSpan, NOW, told, toolSpan, user } from '../support/spans.ts';
import { policyWith, VAULTING } from '../support/vault-kit.ts';

const SECRET = 'sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCD';

interface Sealed {
  record: AuditRecord;
  contents: Contents | undefined;
}

/** What a span's records would seal. */
const sealedOf = (span: Span, policy = VAULTING) => settled(factsFrom(span, 'end', policy), policy);

function settled(facts: Facts, policy = VAULTING): Sealed[] {
  const memory = new Map<string, unknown>();
  const place = {
    get: (key: string) => memory.get(key),
    set: (key: string, value: unknown) => void memory.set(key, value),
  };
  const { records, contents } = settle(facts, place, NOW, policy.registry);
  return records.map((record) => ({ record, contents: contents.get(record) }));
}

const contentsOf = (span: Span, policy = VAULTING) =>
  sealedOf(span, policy).flatMap(({ record, contents }) =>
    contents === undefined ? [] : [[record.action, contents] as const],
  );

describe('what is kept of a tool call', () => {
  const call = toolSpan('send_note', {
    args: { to: 'dr.lee', note: `the key is ${SECRET}`, password: 'hunter2' },
    result: 'Sent to 415-555-2671 as asked',
  });

  it('is its redacted arguments and result, and the record says how much they were', () => {
    const [[action, contents], ...more] = contentsOf(call) as [['tool_invoked', Contents]];
    expect(more).toEqual([]);
    expect(action).toBe('tool_invoked');
    expect(JSON.parse(contents.arguments!.text)).toMatchObject({ to: 'dr.lee', password: '***REDACTED***' });
    expect(contents.result!.text).toBe('Sent to ***REDACTED*** as asked');
    expect(JSON.stringify(contents)).not.toMatch(/hunter2|abcdefghij|555-2671/);
    const { record } = sealedOf(call)[0]!;
    expect(record.content).toEqual({
      arguments: { digest: record.details!.arguments_digest, size: expect.any(Number) },
      result: { digest: expect.stringMatching(/^hmac:/), size: 29 },
    });
  });

  it('is nothing without a policy that says so, and the record is as it always was', () => {
    const metadata = policyWith({});
    expect(contentsOf(call, metadata)).toEqual([]);
    for (const { record } of sealedOf(call, metadata)) expect(record).not.toHaveProperty('content');
  });

  it('is none of a word alone', () => {
    expect(contentsOf(toolSpan('unlock', { args: 'hunter2' }))).toEqual([]);
  });

  it('follows its rule and its domains: whoever says metadata is heard', () => {
    const rule = (content: object, domains: string[] = []) => ({ match: ['send_note'], domains, ...content });
    const vaulted = (settings: object) => contentsOf(call, policyWith(settings)).length === 1;
    expect(vaulted({ tools: [rule({ content: 'vault' })] })).toBe(true);
    expect(vaulted({ tools: [rule({ content: 'vault' }), rule({ content: 'metadata' })] })).toBe(false);
    expect(vaulted({ content: { tools: 'vault' }, tools: [rule({ content: 'metadata' })] })).toBe(false);
    const domains = {
      open: { classification: 'internal', retention: 'default', content: 'vault' },
      shut: { classification: 'internal', retention: 'default', content: 'metadata' },
    };
    expect(vaulted({ domains, tools: [rule({}, ['open'])] })).toBe(true);
    expect(vaulted({ domains, tools: [rule({}, ['open', 'shut'])] })).toBe(false);
    expect(vaulted({ domains, tools: [rule({ content: 'vault' }, ['shut'])] })).toBe(false);
  });
});

describe('what is kept of a model call', () => {
  const call = modelSpan(
    [
      user(`Mail jane@example.org, my key is ${SECRET}`),
      asked('c-1', 'send_note', { note: 'hello' }),
      told('c-1', 'sent to Jane'),
    ],
    {
      'gen_ai.output.messages': [assistant('Done, 415-555-2671 was told')],
      'gen_ai.system_instructions': [{ type: 'text', content: 'Be kind' }],
    },
  );

  it('is its input with the system prompt, its answer, and the results it reports', () => {
    const kept = contentsOf(call);
    expect(kept.map(([action, contents]) => [action, ...Object.keys(contents)])).toEqual([
      ['tool_invoked', 'arguments', 'result'],
      ['agent_response_generated', 'answer', 'prompt'],
    ]);
    const { answer, prompt } = kept[1]![1];
    expect(answer!.text).toBe('Done, ***REDACTED*** was told');
    expect(JSON.parse(prompt!.text)).toEqual([
      { role: 'system', text: 'Be kind' },
      { role: 'user', text: 'Mail ***REDACTED***, my key is ***REDACTED***' },
      { role: 'assistant', tool_calls: [{ id: 'c-1', name: 'send_note', arguments: { note: 'hello' } }] },
      { role: 'tool', tool_results: [{ id: 'c-1', name: 'send_note', result: 'sent to Jane' }] },
    ]);
  });

  it("tells digests of the tools' words where those are not vaulted", () => {
    const policy = policyWith({ content: { prompts: 'vault' } });
    const kept = contentsOf(call, policy);
    expect(kept.map(([action, contents]) => [action, ...Object.keys(contents)])).toEqual([
      ['agent_response_generated', 'prompt'],
    ]);
    const digest = { digest: expect.stringMatching(/^hmac:/), size: expect.any(Number) };
    expect(JSON.parse(kept[0]![1].prompt!.text).slice(2)).toEqual([
      { role: 'assistant', tool_calls: [{ id: 'c-1', name: 'send_note', arguments: digest }] },
      { role: 'tool', tool_results: [{ id: 'c-1', name: 'send_note', result: digest }] },
    ]);
  });

  it("is a user's message in the record of that message", () => {
    const [action, { prompt }] = contentsOf(modelSpan([user('What is it?')]))[0]!;
    expect([action, prompt!.text]).toEqual(['user_message_received', 'What is it?']);
  });
});

describe('of a person in every place of a trace', () => {
  it('nothing is kept, and what stood beside the person is', () => {
    const { spans } = decodeTracesJson(JSON.stringify(tracesOfPerson()));
    const { logs } = decodeLogsJson(JSON.stringify(logsOfPerson()));
    const facts = [...spans.map((span) => understand(span, VAULTING)), ...understandLogs(logs, VAULTING)]
      .filter((each) => each.what === 'activity')
      .map((each) => each.facts);
    const texts = facts.flatMap((each) =>
      settled(each).flatMap(({ contents }) => Object.values(contents ?? {})),
    );
    const kept = Buffer.from(texts.map(({ text }) => text).join('\n'));
    for (const { part, forms } of writtenParts())
      for (const form of forms) expect(kept.includes(form), part).toBe(false);
    for (const form of ['nested', 'json_in_json', 'percent', 'base64', 'backslashes'])
      expect(kept.includes(mark('call-arguments', form)), form).toBe(true);
  });
});

describe('a long content', () => {
  it('is cut at a mebibyte, at no half of a character, and says so', () => {
    fc.assert(
      fc.property(fc.constantFrom('é ', '😀 ', 'words '), fc.nat(3), (unit, shift) => {
        const text =
          'x'.repeat(shift) + unit.repeat(Math.ceil((MAX_CONTENT_BYTES + 10) / Buffer.byteLength(unit)));
        const [, { answer }] = contentsOf(
          modelSpan(undefined, { 'gen_ai.output.messages': [assistant(text)] }),
        )[0]!;
        expect(answer).toMatchObject({ truncated: true, size: text.length });
        const { length } = Buffer.from(answer!.text);
        expect(length).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
        expect(length).toBeGreaterThan(MAX_CONTENT_BYTES - 8);
        expect(answer!.text).not.toContain('\ufffd');
      }),
      { numRuns: 6 },
    );
  });

  it('of many members is kept beyond what a record shows of it', () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => ({
      row: i,
      text: 'y'.repeat(5_000 * Number(i === 0)),
    }));
    const [, { result }] = contentsOf(toolSpan('list_rows', { result: rows }))[0]!;
    expect(JSON.parse(result!.text)).toEqual(rows);
    expect(result).not.toHaveProperty('truncated');
  });
});
