import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AttributeValue, Span } from '../../src/span.ts';
import { quarantine, type Understood, understand } from '../../src/understand.ts';
import { fileFolder, openJournal, POLICY, recordOf, unshippedOf, writerIn } from '../support/ledger-kit.ts';
import { toolCall, toolSpan } from '../support/test-spans.ts';

const folder = fileFolder();
type Quarantined = Extract<Understood, { what: 'quarantine' }>;

function unreadable(attributes: { [name: string]: AttributeValue }, more: Partial<Span> = {}): Quarantined {
  const partial = { ...toolSpan(), attributes: new Map(Object.entries(attributes)), ...more };
  return quarantine({ reason: 'test', detail: '', raw: Buffer.alloc(0), partial }, POLICY) as Quarantined;
}

function keptOf(attributes: { [name: string]: AttributeValue }): { [name: string]: unknown } {
  return (unreadable(attributes).span as { attributes: { [name: string]: unknown } }).attributes;
}

/** An agent's span by the names of its attributes, which cannot be read: whoever asks for one gets `error`. */
function hostile(error: unknown, attributes: { [name: string]: AttributeValue } = {}): Span {
  const map = new Map(Object.entries(attributes));
  map.set('gen_ai.operation.name', 'execute_tool');
  map.get = () => {
    throw error;
  };
  return { ...toolSpan(), attributes: map };
}

const DIGESTED = { digest: expect.stringMatching(/^hmac:k1:[\w-]{22}$/), size: expect.any(Number) };

describe('a span that cannot be understood', () => {
  it.each<[string, { [name: string]: AttributeValue }]>([
    ['lone surrogates', { 'gen_ai.prompt': 'a\ud800b', note: '\udfff', '\ud800': 'x' }],
    ['a text of 12 MB', { note: 'x'.repeat(12 * 1024 * 1024) }],
    ['a name of 12 MB', { ['x'.repeat(12 * 1024 * 1024)]: 'note' }],
    [
      'values of no known kind',
      { a: (() => 1) as never, b: Symbol('b') as never, c: new Date(NaN) as never },
    ],
    [
      'a value that throws',
      {
        a: new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Error('no');
            },
          },
        ) as never,
      },
    ],
    ['a value in itself', { a: circular() }],
    ['a value 10,000 deep', { a: deep(10_000) }],
    ['numbers JSON has none for', { a: Number.NaN, b: Number.POSITIVE_INFINITY, c: 2n ** 70n }],
    ['a name that is a member of all objects', { ['__proto__']: 'x', constructor: 'y' }],
    [
      'ten thousand attributes',
      Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`name ${i}`, 'x'.repeat(100)])),
    ],
  ])('is kept, whatever it holds: %s', async (_, attributes) => {
    const understood = understand(hostile(new Error('no'), attributes), POLICY) as Quarantined;
    expect(understood).toMatchObject({ what: 'quarantine', reason: 'not_understood', detail: 'no' });
    expect(Buffer.byteLength(JSON.stringify(understood.span))).toBeLessThanOrEqual(32 * 1024);
    const journal = openJournal(join(folder, `journal-${Math.random()}`));
    expect(await writerIn(journal).append([understood, toolCall()])).toMatchObject({
      quarantined: 1,
      mapped: 1,
    });
    expect(unshippedOf(journal).map((record) => recordOf(record).action)).toEqual([
      'chain_opened',
      'payload_quarantined',
      'tool_invoked',
    ]);
    await journal.close();
  });

  it.each([
    ['no attributes at all', { attributes: undefined as never }],
    ['no resource', { resource: undefined as never }],
    ['no scope', { scope: undefined as never }],
    [
      'a name that is none',
      {
        name: {
          toString: () => {
            throw new Error('no');
          },
        } as never,
      },
    ],
    ['ids that are none', { traceId: 5 as never, spanId: undefined as never }],
  ])('is kept with %s', (_, more) => {
    const span = { ...hostile(new Error('no')), ...more };
    expect(understand(span, POLICY)).toMatchObject({ what: 'quarantine', reason: 'not_understood' });
  });

  it('is kept when nothing of it can be read', () => {
    const nothing = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no');
        },
      },
    ) as Span;
    expect(understand(nothing, POLICY)).toMatchObject({ what: 'quarantine', span: { attributes: {} } });
  });

  it.each([
    ['an error', new Error('password=hunter2secret of 078-05-1120')],
    ['a text', 'password=hunter2secret of 078-05-1120'],
    ['an error whose secret is cut', new Error(`${'x '.repeat(242)} password=hunter2secret of 078-05-1120`)],
  ])('says why without its secrets: %s', (_, thrown) => {
    const { detail } = understand(hostile(thrown), POLICY) as Quarantined;
    expect(detail).toContain('password=***');
    expect(detail).not.toMatch(/hunter2|078-05/);
    expect(detail.length).toBeLessThanOrEqual(500);
  });

  it.each([
    ['nothing', undefined],
    ['an object without a prototype', Object.create(null)],
    [
      'an error that throws when asked',
      Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new Error();
        },
      }),
    ],
  ])('is kept when what was thrown is %s', (_, thrown) => {
    expect(understand(hostile(thrown), POLICY)).toMatchObject({ what: 'quarantine' });
  });
});

describe('what is kept of a span in quarantine', () => {
  it('holds no words of people and models: a digest and the size', () => {
    const said = 'My name is Ann and I feel dizzy';
    const kept = keptOf({
      'gen_ai.input.messages': `[{"role":"user","content":"${said}"}]`,
      'gen_ai.prompt.0.content': said,
      'input.value': said,
      'ai.response.text': said,
      'gen_ai.tool.call.arguments': '{"name":"Ann"}',
      toolArgs: said,
      requestBody: { name: 'Ann' },
      'db.query.text': 'SELECT 1',
      'gen_ai.system_instructions': [said],
      note: 'x'.repeat(201),
      list: ['x'.repeat(150), 'y'.repeat(150)],
      wrapped: `{"a":[{"content":"${said}"}]}`,
      nested: { a: [{ message: said }] },
    });
    for (const [name, value] of Object.entries(kept)) expect(value, name).toEqual(DIGESTED);
    expect(JSON.stringify(kept)).not.toMatch(/Ann|dizzy|xxx/);
    expect(kept['input.value'], 'equal for equal text').toEqual(kept['ai.response.text']);
    expect(kept['input.value']).toMatchObject({ size: said.length });
  });

  it('keeps names and short values, redacted', () => {
    const kept = keptOf({
      'gen_ai.agent.name': 'triage',
      'server.port': 443,
      cached: true,
      stops: ['a', 'b'],
      password: 'hunter2',
      note: 'ssn 078-05-1120',
      api_key: { input: 'abc' },
    });
    expect(kept).toMatchObject({
      'gen_ai.agent.name': 'triage',
      'server.port': 443,
      cached: true,
      stops: ['a', 'b'],
      password: '***REDACTED***',
      api_key: '***REDACTED***',
    });
    expect(JSON.stringify(kept)).not.toMatch(/hunter2|078-05|abc"/);
  });

  it('knows the span by its ids, if they are such', () => {
    const { traceId, spanId } = toolSpan();
    expect(unreadable({}, { traceId, spanId }).span).toMatchObject({
      trace_id: traceId,
      span_id: spanId,
      name: 'execute_tool',
    });
    expect(unreadable({}, { traceId: 'password=hunter2' }).span).not.toHaveProperty('trace_id');
  });

  it('stays small, and says how much was left out', () => {
    const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`name.${i}`, 'x'.repeat(100)]));
    const { span } = unreadable(many);
    expect(Buffer.byteLength(JSON.stringify(span))).toBeLessThanOrEqual(32 * 1024);
    expect(span).toMatchObject({ left_out: expect.any(Number) });
  });

  it('differs when the spans do', () => {
    const [one, other] = ['a', 'b'].map((text) =>
      unreadable({ prompt: text }, { traceId: 'a', spanId: 'b' }),
    );
    expect(one!.digest).not.toBe(other!.digest);
    expect(unreadable({ prompt: 'a' }, { traceId: 'a', spanId: 'b' }).digest).toBe(one!.digest);
  });
});

describe('facts that cannot be recorded', () => {
  it('say why without their secrets', async () => {
    const understood = toolCall() as Extract<Understood, { what: 'activity' }>;
    const { recorded } = understood.facts.tool!;
    Object.defineProperty(recorded, 'arguments', {
      enumerable: true,
      get: () => {
        throw new Error(`${'x '.repeat(245)}password=hunter2secret of 078-05-1120`);
      },
    });
    const journal = openJournal(join(folder, 'not recorded'));
    expect(await writerIn(journal).append([understood])).toMatchObject({ quarantined: 1, mapped: 0 });
    const [, found] = unshippedOf(journal).map(recordOf);
    expect(found!.control).toMatchObject({
      reason: 'not_recorded',
      detail: expect.stringContaining('password='),
    });
    const kept = JSON.stringify([...journal.unshipped(), ...journal.quarantined()]);
    expect(kept).not.toMatch(/hunter2|078-05/);
    await journal.close();
  });
});

function circular(): AttributeValue {
  const value: { [name: string]: AttributeValue } = {};
  value.self = value;
  return value;
}

function deep(levels: number): AttributeValue {
  let value: AttributeValue = 'x';
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}
