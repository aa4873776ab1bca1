import { describe, expect, it } from 'vitest';
import { actions, asked, modelSpan, Settled, span, told, toolSpan, user } from '../support/spans.ts';

const patient = (id = 'P-1') => ({
  args: { patient_id: id },
  result: { status: 'ok', allergies: ['latex'] },
});

describe('a tool execution', () => {
  it('seen to its end is an outcome; seen to start and end, an intent and an outcome', () => {
    const settled = new Settled();
    const tool = toolSpan('list_files', { call: 't1' });
    expect(settled.take(tool, { phase: 'intent' })).toMatchObject([
      { action: 'tool_invoked', phase: 'intent', occurred_at: '2026-03-01T11:59:58.000000000Z' },
    ]);
    expect(settled.records[0]).not.toHaveProperty('outcome');
    expect(settled.take(tool)).toMatchObject([
      {
        action: 'tool_invoked',
        phase: 'outcome',
        occurred_at: '2026-03-01T11:59:59.500000000Z',
        tool: { name: 'list_files', call_id: 't1', evidence: 'executed' },
        outcome: { status: 'success', duration_ms: 1_500 },
      },
    ]);
  });

  it('tells what was taken out of it, by place, and never what', () => {
    const args = { to: 'jane@example.org', password: 'hunter2', ssn: '123-45-6789' };
    const said = { call: 't1', args, result: { id: '4111 1111 1111 1111' } };
    const [invoked] = new Settled().take(toolSpan('run', said));
    expect(invoked?.details?.redactions).toEqual([
      { count: 1, kind: 'email', pointer: '/tool/arguments/to', rule: 'pattern' },
      { count: 1, kind: 'secret', pointer: '/tool/arguments/password', rule: 'name' },
      { count: 1, kind: 'card', pointer: '/tool/result/id', rule: 'pattern' },
    ]);
    const failed = toolSpan('run', { args: { pin: 1 } }, {}, { error: 'token=hunter2 refused' });
    const [refused] = new Settled().take(failed);
    expect(refused?.details?.redactions).toEqual([
      { count: 1, kind: 'secret', pointer: '/tool/arguments/pin', rule: 'name' },
      { count: 1, kind: 'secret', pointer: '/outcome/error_message', rule: 'name' },
    ]);
    expect(JSON.stringify([invoked, refused])).not.toMatch(/hunter2|jane|4111/);
    const [clean] = new Settled().take(toolSpan('run', { call: 't1', args: { ssn: '1' } }));
    expect(clean?.details).not.toHaveProperty('redactions');
  });

  it('accesses one resource per id, with its outcome and never with its intent', () => {
    const settled = new Settled();
    const tool = toolSpan('get_patient', { call: 't1', args: { patient_ids: ['P-1', 'P-2', 'P-1'] } });
    expect(actions(settled.take(tool, { phase: 'intent' }))).toEqual(['tool_invoked']);
    const records = settled.take(tool);
    expect(actions(records)).toEqual(['tool_invoked', 'data_accessed', 'data_accessed']);
    expect(records.slice(1).map(({ resource }) => resource)).toMatchObject([
      { type: 'patient', id: 'P-1' },
      { type: 'patient', id: 'P-2' },
    ]);
    expect(records[1]).toMatchObject({
      phase: 'event',
      tool: { name: 'get_patient', call_id: 't1', evidence: 'executed' },
      domains: ['hipaa'],
      retention_class: 'hipaa',
      data_classification: 'restricted',
      outcome: { status: 'success' },
    });
    expect(records[1]?.tool).not.toHaveProperty('arguments');
  });

  it('names the fields that were read, or given to be changed, and the person as a pseudonym', () => {
    const settled = new Settled();
    const [, read] = settled.take(toolSpan('get_patient', patient()));
    expect(read).toMatchObject({ action: 'data_accessed', details: { fields: ['status', 'allergies'] } });
    expect(read?.resource?.subject).toMatch(/^hmac:k1:[\w-]{22}$/);
    const change = { args: { patient_id: 'P-1', dose: '5 mg' } };
    const [, changed] = settled.take(toolSpan('update_treatment', change, {}, { id: '2' }));
    expect(changed).toMatchObject({ action: 'data_modified', details: { fields: ['patient_id', 'dose'] } });
    expect(changed?.resource?.subject).toBe(read?.resource?.subject);
  });

  it.each([
    ['failed', { error: 'timeout' }, 'failure'],
    ['denied', { error: 'permission_denied' }, 'denied'],
  ])('that %s is an access all the same, without fields', (_, result, status) => {
    const records = new Settled().take(toolSpan('get_patient', { ...patient(), result }));
    expect(actions(records)).toEqual(['tool_invoked', 'data_accessed']);
    expect(records.map(({ outcome }) => outcome?.status)).toEqual([status, status]);
    expect(records[1]?.details?.fields).toBeUndefined();
  });

  it('that nobody has a rule for is confidential, and says so', () => {
    const [record] = new Settled().take(toolSpan('frobnicate', { args: { patient_id: 'P-1' } }));
    expect(record).toMatchObject({
      data_classification: 'confidential',
      retention_class: 'default',
      details: { unclassified: true },
    });
    expect(record).not.toHaveProperty('domains');
  });

  it("says on its own span which resource it touches, over the registry's word", () => {
    const declared = { 'audit.resource.type': 'chart', 'audit.resource.id': 'C-9' };
    const records = new Settled().take(toolSpan('get_patient', patient(), declared));
    expect(records[1]?.resource).toMatchObject({ type: 'chart', id: 'C-9' });
    const modifies = { ...declared, 'audit.action': 'data_modified' };
    expect(actions(new Settled().take(toolSpan('get_patient', patient(), modifies)))).toEqual([
      'tool_invoked',
      'data_modified',
    ]);
  });

  it('keeps no secret of its arguments and result', () => {
    const records = new Settled().take(
      toolSpan('list_files', {
        args: { password: 'hunter2', note: 'card 4111 1111 1111 1111' },
        result: { status: 'ok', api_key: 'k-123456', rows: [{ ssn: '123-45-6789' }] },
      }),
    );
    expect(records[0]?.tool?.result).toEqual({ status: 'ok', rows_count: 1 });
    expect(JSON.stringify(records)).not.toMatch(/hunter2|4111|k-123456|6789/);
  });
});

describe('a tool result that only a model call reports', () => {
  const history = (id: string, result: unknown = { status: 'ok' }) => [
    user('go'),
    asked(id, 'get_patient', { patient_id: 'P-1' }),
    told(id, result),
  ];
  const invoked = (settled: Settled) => settled.records.filter(({ action }) => action === 'tool_invoked');

  it('is recorded as reported, with name and arguments from the request, and accesses nothing', () => {
    const settled = new Settled();
    const records = settled.take(modelSpan(history('t1')));
    expect(actions(records)).toEqual(['tool_invoked', 'agent_response_generated']);
    expect(records[0]).toMatchObject({
      phase: 'outcome',
      tool: { name: 'get_patient', call_id: 't1', evidence: 'reported', arguments: { patient_id: 'P-1' } },
      outcome: { status: 'success' },
      retention_class: 'hipaa',
    });
  });

  it('is recorded once, though histories repeat in later calls and other traces', () => {
    const settled = new Settled();
    settled.take(modelSpan(history('t1')));
    settled.take(modelSpan(history('t1'), {}, { trace: '2', id: '2' }));
    expect(invoked(settled)).toHaveLength(1);
    settled.take(modelSpan(history('t2'), {}, { trace: '2', id: '3' }));
    expect(invoked(settled)).toHaveLength(2);
  });

  it('is not recorded when an answer of the model stands after it', () => {
    const settled = new Settled();
    settled.take(modelSpan([...history('t1'), { role: 'assistant', content: 'done' }, user('next')]));
    expect(invoked(settled)).toEqual([]);
  });

  it('is not recorded after the execution itself', () => {
    const settled = new Settled();
    settled.take(toolSpan('get_patient', { call: 't1', ...patient() }));
    settled.take(modelSpan(history('t1'), {}, { id: '2' }));
    expect(invoked(settled).map(({ tool }) => tool?.evidence)).toEqual(['executed']);
  });

  it('stays beside the execution that arrives later', () => {
    const settled = new Settled();
    settled.take(modelSpan(history('t1')));
    const later = settled.take(toolSpan('get_patient', { call: 't1', ...patient() }, {}, { id: '2' }));
    expect(actions(later)).toEqual(['tool_invoked', 'data_accessed']);
    expect(invoked(settled).map(({ tool }) => tool?.evidence)).toEqual(['reported', 'executed']);
  });

  it('of another service is another call', () => {
    const settled = new Settled();
    settled.take(toolSpan('get_patient', { call: 't1', ...patient() }, {}, { service: 'other' }));
    settled.take(modelSpan(history('t1'), {}, { id: '2' }));
    expect(invoked(settled)).toHaveLength(2);
  });

  describe('without a call id', () => {
    const result = { role: 'tool', name: 'get_patient', content: '{"status":"ok"}' };
    const call = {
      role: 'assistant',
      tool_calls: [{ name: 'get_patient', arguments: { patient_id: 'P-1' } }],
    };
    const turn = [user('go'), call, result];
    const traces = (settled: Settled) => invoked(settled).map(({ trace }) => trace?.trace_id.at(-1));

    it('is one per trace and place, however often it is shown', () => {
      const settled = new Settled();
      settled.take(modelSpan(turn, {}, { trace: 'a', id: '1' }));
      settled.take(modelSpan(turn, {}, { trace: 'a', id: '2' }));
      settled.take(modelSpan(turn, {}, { trace: 'b', id: '3' }));
      expect(traces(settled)).toEqual(['a', 'b']);
    });

    it('is another call when the model asks for the same again', () => {
      const settled = new Settled();
      settled.take(modelSpan(turn, {}, { trace: 'a', id: '1' }));
      settled.take(modelSpan([...turn, call, result], {}, { trace: 'a', id: '2' }));
      expect(traces(settled)).toEqual(['a', 'a']);
    });

    it('is known when a span of its own executed the same tool with the same arguments in its trace', () => {
      const settled = new Settled();
      settled.take(toolSpan('get_patient', { call: 't1', args: { patient_id: 'P-1' } }, {}, { id: '1' }));
      settled.take(modelSpan(turn, {}, { id: '2' }));
      expect(invoked(settled).map(({ tool }) => tool?.evidence)).toEqual(['executed']);
    });

    it('is named by the answer that asked for it', () => {
      const settled = new Settled();
      const question = [user('go')];
      settled.take(
        modelSpan(
          question,
          { 'gen_ai.output.messages': JSON.stringify([{ ...call, content: '' }]) },
          { trace: 'a', id: '1' },
        ),
      );
      const bare = [
        ...question,
        { role: 'assistant', content: '' },
        { role: 'tool', content: '{"status":"ok"}' },
      ];
      settled.take(modelSpan(bare, {}, { trace: 'b', id: '2' }));
      expect(invoked(settled)).toMatchObject([
        {
          tool: { name: 'get_patient', evidence: 'reported' },
          data_classification: 'restricted',
          retention_class: 'hipaa',
          details: { position: 0 },
        },
      ]);
    });
  });

  it('with an id is known when a span without one executed the same in its trace', () => {
    const settled = new Settled();
    settled.take(toolSpan('get_patient', { args: { patient_id: 'P-1' } }, {}, { id: '1' }));
    settled.take(modelSpan(history('t1'), {}, { id: '2' }));
    expect(invoked(settled).map(({ tool }) => tool?.evidence)).toEqual(['executed']);
  });

  it('with an id is known when a span with neither id nor arguments executed the tool in its trace', () => {
    const settled = new Settled();
    settled.take(toolSpan('get_patient', {}, {}, { id: '1' }));
    settled.take(modelSpan(history('t1'), {}, { id: '2' }));
    expect(invoked(settled)).toHaveLength(1);
  });

  it('that says it failed is a failure', () => {
    const settled = new Settled();
    settled.take(modelSpan(history('t1', { isError: true, message: 'no such patient' })));
    expect(invoked(settled)[0]?.outcome).toEqual({ status: 'failure', error_message: 'no such patient' });
  });
});

describe('a retrieval', () => {
  it('is an access to documents', () => {
    const attributes = { 'gen_ai.operation.name': 'retrieval', 'audit.resource.id': 'kb-7' };
    expect(new Settled().take(span('retrieval', attributes))).toMatchObject([
      {
        action: 'data_accessed',
        resource: { type: 'document', id: 'kb-7' },
        data_classification: 'confidential',
      },
    ]);
  });
});
