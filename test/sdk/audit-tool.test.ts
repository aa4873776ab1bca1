import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { trace } from '@opentelemetry/api';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  AuditSpanProcessor,
  AuditUnavailableError,
  audit,
  auditContext,
  auditTool,
  runWithAuditContext,
  SpanledgerError,
  withAuditContext,
} from '../../src/index.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { type Hold, holdAudit } from '../../src/sdk/process-audit.ts';
import { processDoor } from '../../src/sdk/process-door.ts';
import { temporaryFolder } from '../support/cli.ts';
import { recordsIn } from '../support/sdk.ts';

let dir: string;
let hold: Hold;

beforeEach(() => {
  dir = temporaryFolder();
  hold = holdAudit({ dir, writer: 'medrec' });
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const processor of processors.splice(0)) await processor.shutdown();
  await hold.release().catch(() => undefined);
});

const processors: AuditSpanProcessor[] = [];
function processorHere(): AuditSpanProcessor {
  const processor = new AuditSpanProcessor({ dir, writer: 'medrec' });
  processors.push(processor);
  return processor;
}

async function records(): Promise<AuditRecord[]> {
  for (const processor of processors.splice(0)) await processor.shutdown();
  await hold.release();
  return (await recordsIn(dir)).filter(({ action }) => !action.startsWith('chain_'));
}

async function toolRecords(): Promise<AuditRecord[]> {
  return (await records()).filter(({ action }) => action === 'tool_invoked');
}

const shape = (list: AuditRecord[]) =>
  list.map(({ phase, tool, outcome }) => [phase, tool?.name, outcome?.status].filter(Boolean).join(' '));

describe('auditTool', () => {
  it('records intent and outcome without any OpenTelemetry, with all that is said of it', async () => {
    const find = auditTool(async ({ id }: { id: string; ssn: string }) => ({ id, name: 'Jane Roe' }), {
      name: 'find_patient',
      callId: 'call_7',
      resource: ({ id }) => ({ type: 'patient', id, subject: id }),
      purpose: 'TREAT',
      agent: 'medrec',
      action: 'data_accessed',
    });
    expect(await find({ id: 'P-1', ssn: '078-05-1120' })).toEqual({ id: 'P-1', name: 'Jane Roe' });
    const [intent, outcome, accessed] = await records();
    expect(intent).toMatchObject({
      action: 'tool_invoked',
      phase: 'intent',
      tool: { name: 'find_patient', type: 'function', call_id: 'call_7', evidence: 'executed' },
      resource: { type: 'patient', id: 'P-1' },
      purpose: 'TREAT',
      agent: { name: 'medrec' },
      source: { scope: 'spanledger/function' },
    });
    expect(JSON.stringify(intent)).not.toContain('078-05-1120');
    expect(outcome).toMatchObject({ phase: 'outcome', outcome: { status: 'success' } });
    expect(outcome?.trace).toEqual(intent?.trace);
    expect(accessed).toMatchObject({ action: 'data_accessed', resource: { type: 'patient', id: 'P-1' } });
  });

  it('keeps the function as it is: its answer, its this, its name, what it throws', async () => {
    const error = Object.assign(new Error('no such patient'), { code: 'ENOENT' });
    const on = {
      base: 40,
      add: auditTool(function add(this: { base: number }, n: number) {
        if (n < 0) throw error;
        return this.base + n;
      }),
    };
    expect(on.add(2)).toBe(42);
    expect(on.add.name).toBe('add');
    expect(on.add.length).toBe(1);
    expect(() => on.add(-1)).toThrow(error);
    const [, success, , failure] = await toolRecords();
    expect(success?.outcome?.status).toBe('success');
    expect(failure?.outcome).toMatchObject({
      status: 'failure',
      error_type: 'ENOENT',
      error_message: 'no such patient',
    });
  });

  it('ends with a generator or a stream, and with what it yielded last', async () => {
    const pages = auditTool(async function* pages() {
      yield { status: 'reading' };
      yield { status: 'done', count: 2 };
    });
    const stream = auditTool(function stream() {
      return Readable.from(['a', 'b']);
    });
    const web = auditTool(function web() {
      return new Response('abc').body!;
    });
    const seen: unknown[] = [];
    for await (const page of pages()) seen.push(page);
    expect(seen).toHaveLength(2);
    expect(await stream().toArray()).toEqual(['a', 'b']);
    expect(await new Response(web()).text()).toBe('abc');
    const list = await toolRecords();
    expect(shape(list)).toEqual([
      'intent pages',
      'outcome pages success',
      'intent stream',
      'outcome stream success',
      'intent web',
      'outcome web success',
    ]);
    expect(list[1]?.tool?.result).toMatchObject({ status: 'done', count: 2 });
  });

  it('runs a query that begins at each `then` as often as its caller waits for it', async () => {
    class Query {
      runs = 0;
      fails = false;
      // biome-ignore lint/suspicious/noThenProperty: what query builders have
      then<A, B>(answer: (rows: string[]) => A, refuse: (error: unknown) => B): Promise<A | B> {
        this.runs += 1;
        const answered = this.fails ? Promise.reject(new Error('locked')) : Promise.resolve(['row']);
        return answered.then(answer, refuse);
      }
    }
    for (const isSync of [true, false])
      for (const failClosed of [true, false]) {
        const query = new Query();
        const run = auditTool(() => query, { name: 'query', isSync, failClosed });
        expect(await run()).toEqual(['row']);
        expect(query.runs).toBe(1);
      }
    const update = auditTool(() => Object.assign(new Query(), { fails: true }), { name: 'update' });
    await expect(update()).rejects.toThrow('locked');
    const frozen = auditTool(() => Object.freeze(new Query()), { name: 'frozen' });
    expect(Object.isFrozen(frozen())).toBe(true);
    const list = await toolRecords();
    expect(shape(list)).toEqual([
      ...Array.from({ length: 4 }, () => ['intent query', 'outcome query success']).flat(),
      'intent update',
      'outcome update failure',
      'intent frozen',
      'outcome frozen success',
    ]);
    expect(list[1]?.tool?.result).toEqual({ count: 1 });
  });

  it('answers what the tool did, whatever it throws when it is looked at, and each stream as its kind', async () => {
    const refuses = (): never => {
      throw new Error('no such member');
    };
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const read = new Response('abc').body!;
    read.getReader();
    const odd = {
      strict: new Proxy({ a: 1 }, { get: refuses }),
      revoked: revoked.proxy,
      tag: Object.defineProperty({}, Symbol.toStringTag, { get: refuses }),
      generator: Object.freeze(Object.assign({}, { next: () => ({}), [Symbol.toStringTag]: 'Generator' })),
      read,
    };
    for (const [name, answer] of Object.entries(odd)) {
      expect(Object.is(auditTool(() => answer, { name })(), answer), name).toBe(true);
      expect(
        Object.is(
          withAuditContext({ user: 'lee' }, () => answer),
          answer,
        ),
        name,
      ).toBe(true);
    }
    const bytes = (text: string) => new Response(text).body!;
    for (const body of [
      auditTool(bytes, { name: 'bytes' })('abc'),
      withAuditContext({ user: 'lee' }, () => bytes('abc')),
    ]) {
      const reader = body.getReader({ mode: 'byob' });
      const { value } = await reader.read(new Uint8Array(8));
      expect(Buffer.from(value!).toString()).toBe('abc');
      expect(await reader.read(new Uint8Array(8))).toMatchObject({ done: true });
    }
    const names = [...Object.keys(odd), 'bytes'];
    expect(shape(await toolRecords())).toEqual(
      names.flatMap((name) => [`intent ${name}`, `outcome ${name} success`]),
    );
  });

  it('records where timers are fake and streams are missing, as in the tests of an app', async () => {
    vi.useFakeTimers();
    vi.stubGlobal('ReadableStream', undefined);
    try {
      for (const failClosed of [false, true])
        expect(auditTool(() => ({ n: 1 }), { name: 'tested', failClosed })()).toEqual({ n: 1 });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
      vi.unstubAllGlobals();
    }
    const each = ['intent tested', 'outcome tested success'];
    expect(shape(await toolRecords())).toEqual([...each, ...each]);
  });

  it('leaves an intent alone for what never came to its end', async () => {
    void auditTool(() => new Promise(() => {}), { name: 'hangs', isSync: false })();
    expect(shape(await toolRecords())).toEqual(['intent hangs']);
  });

  it('takes arguments and results of any kind', async () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const odd = auditTool((..._: unknown[]) => ({ loop, at: new Date(0), big: 2n ** 70n, fn: () => 1 }), {
      name: 'odd',
    });
    odd(loop, new Map([['a', new Set([1])]]), Symbol('x'), {
      get secret() {
        throw new Error('no');
      },
    });
    auditTool((_: unknown) => 1, { name: 'hears' })({ samples: new Float32Array([1]) });
    const list = await toolRecords();
    expect(shape(list)).toEqual([
      'intent odd',
      'outcome odd success',
      'intent hears',
      'outcome hears success',
    ]);
    expect(list[2]?.tool?.arguments).toEqual({ samples: 'AACAPw==' });
  });

  it('calls the same again after a failure a retry, and says that this is inferred', async () => {
    let tries = 0;
    const flaky = auditTool(
      (id: string) => {
        if (++tries === 1) throw new Error('timeout');
        return id;
      },
      { name: 'fetch_lab' },
    );
    withAuditContext({ conversationId: 'c-1', user: 'nurse-17' }, () => {
      expect(() => flaky('P-1')).toThrow();
      flaky('P-1');
      withAuditContext({ trigger: 'proactive' }, () => flaky('P-1'));
    });
    withAuditContext({ conversationId: 'c-1', user: 'nurse-17' }, () => flaky('P-2'));
    const triggers = (await toolRecords()).map(({ trigger, trigger_basis }) => `${trigger} ${trigger_basis}`);
    expect(triggers).toEqual([
      ...Array(2).fill('user_request inferred'),
      ...Array(2).fill('retry inferred'),
      ...Array(2).fill('proactive declared'),
      ...Array(2).fill('follow_up inferred'),
    ]);
  });
});

describe('withAuditContext', () => {
  const who = {
    user: 'nurse-17',
    role: 'nurse',
    clientIp: '10.0.0.9',
    conversationId: 'c-9',
    purpose: 'TREAT',
  };
  const tool = auditTool(async function lookup() {});

  it('reaches tool calls through promises, timers, generators and streams, and another thread by its carrier', async () => {
    await withAuditContext(who, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await tool();
    });
    const generator = withAuditContext(who, async function* () {
      yield await tool();
    });
    for await (const _ of generator);
    const stream = withAuditContext(
      who,
      () =>
        new ReadableStream({
          async pull(controller) {
            await tool();
            controller.close();
          },
        }),
    );
    await stream.getReader().read();
    const node = withAuditContext(
      who,
      () =>
        new Readable({
          read() {
            void tool();
            this.push(null);
          },
        }),
    );
    await node.toArray();
    const carrier = structuredClone(withAuditContext(who, auditContext));
    expect(auditContext()).toBeUndefined();
    await runWithAuditContext(carrier, tool);
    const list = await toolRecords();
    expect(list).toHaveLength(10);
    for (const record of list)
      expect(record).toMatchObject({
        user: { id: 'nurse-17', role: 'nurse', client_ip: '10.0.0.9' },
        conversation_id: 'c-9',
        purpose: 'TREAT',
      });
  });

  it('adds to the context around it', async () => {
    await withAuditContext(who, () => withAuditContext({ purpose: 'HPAYMT', user: undefined }, tool));
    const [intent] = await toolRecords();
    expect(intent).toMatchObject({ user: { id: 'nurse-17' }, purpose: 'HPAYMT' });
  });

  it('is recorded with spans that begin in it, and stands on none of them', async () => {
    const processor = processorHere();
    expect(processor.audit).toBe(hold.audit);
    const provider = new BasicTracerProvider({ spanProcessors: [processor] });
    const span = withAuditContext({ ...who, subject: 'P-1042' }, () =>
      provider.getTracer('x').startSpan('chat', { attributes: { 'gen_ai.operation.name': 'chat' } }),
    );
    span.end();
    expect((span as unknown as { attributes: object }).attributes).toEqual({
      'gen_ai.operation.name': 'chat',
    });
    const answer = (await records()).find(({ action }) => action === 'agent_response_generated');
    expect(answer).toMatchObject({ user: { id: 'nurse-17' }, conversation_id: 'c-9', purpose: 'TREAT' });
  });
});

describe('audit.event', () => {
  it('records what is no span, with who agreed to it', async () => {
    withAuditContext({ conversationId: 'c-1', user: 'dr-lee' }, () => {
      audit.event({
        action: 'prompt_changed',
        actor: { type: 'admin', id: 'ops-1' },
        approver: 'dr-lee',
        reason: 'shorter',
      });
      audit.event({ action: 'conversation_ended' });
    });
    const [, changed, ended] = await records();
    expect(changed).toMatchObject({
      action: 'prompt_changed',
      actor: { type: 'admin', id: 'ops-1' },
      details: { approver: 'dr-lee', reason: 'shorter', declared: true },
    });
    expect(ended).toMatchObject({
      action: 'conversation_ended',
      actor: { type: 'user', id: 'dr-lee' },
      conversation_id: 'c-1',
    });
  });
});

describe('one call, told twice', () => {
  const attributes = (name: string, id?: string) => ({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name,
    ...(id === undefined ? {} : { 'gen_ai.tool.call.id': id }),
  });

  function tracer() {
    const processor = processorHere();
    return new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('framework');
  }

  it("by a framework's span inside ours", async () => {
    const spans = tracer();
    const call = processDoor().startTool({ name: 'a', callId: 'call_1', scope: 'x' });
    call.run(() => {
      spans.startSpan('tool', { attributes: attributes('a', 'call_1') }).end();
      spans.startSpan('tool', { attributes: attributes('b', 'call_2') }).end();
    });
    call.end({ ok: true });
    expect(shape(await toolRecords())).toEqual([
      'intent a',
      'intent b',
      'outcome b success',
      'outcome a success',
    ]);
  });

  it("by a framework's span around ours, which goes on as that span", async () => {
    const spans = tracer();
    const around = spans.startSpan('tool', { attributes: attributes('a') });
    // No context manager is registered here: what is active is said.
    const active = vi.spyOn(trace, 'getActiveSpan').mockReturnValue(around);
    const call = processDoor().startTool({
      name: 'a',
      callId: 'call_1',
      arguments: { id: 'P-1' },
      scope: 'x',
    });
    active.mockRestore();
    expect(call.spanId).toBe(around.spanContext().spanId);
    call.end('done');
    around.end();
    const list = await toolRecords();
    expect(shape(list)).toEqual(['intent a', 'outcome a success']);
    expect(list[1]?.tool).toMatchObject({ call_id: 'call_1', arguments: { id: 'P-1' } });
  });

  it('by two adapters, and not by a tool that calls itself', async () => {
    const door = processDoor();
    door.tool({ name: 'a', callId: 'call_1', scope: 'ai' }, () =>
      door.tool({ name: 'a', scope: 'mcp' }, () => door.tool({ name: 'a', scope: 'ai' }, () => 1)),
    );
    expect(shape(await toolRecords())).toEqual([
      'intent a',
      'intent a',
      'outcome a success',
      'outcome a success',
    ]);
  });
});

describe('fail modes', () => {
  function full(): () => void {
    const transact = vi.spyOn(hold.audit.writer.journal, 'transact').mockImplementation(() => {
      throw new SpanledgerError('journal_full', 'full');
    });
    return () => transact.mockRestore();
  }

  it('open: the call goes through, and a gap is told as soon as there is room', async () => {
    const empty = full();
    expect(auditTool(() => 1, { name: 'a' })()).toBe(1);
    empty();
    await vi.waitFor(
      () =>
        expect(
          [...hold.audit.writer.journal.unshipped()].map(({ record }) => record.payload).join(),
        ).toContain('"gap"'),
      10_000,
    );
    const [gap] = await records();
    expect(gap?.control).toMatchObject({ spans: 1, reason: 'journal_full' });
  });

  it.each([true, false])('closed: the tool is not called, and the app is told (sync: %s)', async (isSync) => {
    const fn = vi.fn(() => 1);
    const closed = auditTool(fn, { name: 'a', failClosed: true, isSync });
    const empty = full();
    const error = await (async () => closed())().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AuditUnavailableError);
    expect(error).toMatchObject({ code: 'audit_unavailable', hint: expect.stringContaining('room') });
    expect(fn).not.toHaveBeenCalled();
    empty();
    expect(await closed()).toBe(1);
    expect(hold.audit.writer.journal.refusal).toBeUndefined();
    expect(shape(await toolRecords())).toEqual(['intent a', 'outcome a success']);
  });

  it('closed: a tool that wants a purpose is not called without one', async () => {
    await hold.release();
    const rule = { match: ['read_chart'], purpose: 'required' };
    writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify({ version: 1, policy: { tools: [rule] } }));
    hold = holdAudit({ dir, writer: 'medrec' });
    const fn = vi.fn(() => 1);
    const read = auditTool(fn, { name: 'read_chart', failClosed: true });
    const error = await (async () => read())().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'purpose_required', hint: expect.stringContaining('audit.purpose') });
    expect(fn).not.toHaveBeenCalled();
    expect(await withAuditContext({ purpose: 'TREAT' }, () => read())).toBe(1);
    expect(shape(await toolRecords())).toEqual([
      'intent read_chart',
      'outcome read_chart denied',
      'intent read_chart',
      'outcome read_chart success',
    ]);
  });

  it('closed: waits for the flush, and not for ever', async () => {
    const { journal } = hold.audit.writer;
    const never = vi.spyOn(journal, 'flush').mockReturnValue(new Promise(() => {}));
    vi.stubEnv('SPANLEDGER_FAIL_WAIT_MS', '20');
    const { ProcessDoor } = await import('../../src/sdk/process-door.ts');
    const fn = vi.fn();
    const error = await Promise.resolve(
      new ProcessDoor().tool({ name: 'a', failClosed: true }, fn) as unknown,
    ).catch((thrown: unknown) => thrown);
    vi.unstubAllEnvs();
    expect(error).toMatchObject({ code: 'audit_unavailable' });
    expect(fn).not.toHaveBeenCalled();
    never.mockRestore();
    expect(shape(await toolRecords())).toEqual(['intent a', 'outcome a denied']);
  });

  it('does not begin where its chain could not be signed, and says which file to see to', async () => {
    auditTool(() => 1, { name: 'before' })();
    const left = hold.audit.writer.journal.dir;
    const key = join(left, 'key');
    await hold.release();
    const seed = readFileSync(key, 'utf8');
    for (const [text, mode, found] of [
      ['garbled', 0o600, 'it is no key'],
      [seed, 0o660, 'can be read by others'],
    ] as const) {
      writeFileSync(key, text);
      chmodSync(key, mode);
      expect(() => holdAudit({ dir, writer: 'medrec' })).toThrow(found);
      const again = await vi.waitUntil(() => Journal.open(left));
      await again.close();
    }
    chmodSync(key, 0o600);
    hold = holdAudit({ dir, writer: 'medrec' });
    expect(hold.audit.writer.journal.dir).toBe(left);
  });

  it('refuses a mode it does not know, fail-closed', async () => {
    vi.stubEnv('SPANLEDGER_FAIL_MODE', 'closd');
    const { ProcessDoor } = await import('../../src/sdk/process-door.ts');
    const call = new ProcessDoor().startTool({ name: 'a' });
    vi.unstubAllEnvs();
    expect(call.failClosed).toBe(true);
    await expect(call.admit()).rejects.toMatchObject({ code: 'audit_unavailable' });
  });
});
