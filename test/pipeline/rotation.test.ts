import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { Writer } from '../../src/pipeline.ts';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import type { MasterKey } from '../../src/policy/keyring.ts';
import { compilePolicy, type Policy } from '../../src/policy/policy.ts';
import { control } from '../../src/record/control.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import type { Span } from '../../src/span.ts';
import { quarantine, type Understood, understand } from '../../src/understand.ts';
import { temporaryFolder } from '../support/cli.ts';
import { brokenLinks, LEDGER_ID, openJournal, recordOf, unshippedOf } from '../support/ledger-kit.ts';
import { asked, modelSpan, span, told, toolSpan, user } from '../support/spans.ts';

const key = (id: number): MasterKey => ({ id: `k${id}`, secret: Buffer.alloc(32, id) });
const [FIRST, BOTH, SECOND] = [
  compilePolicy([key(1)]),
  compilePolicy([key(1), key(2)]),
  compilePolicy([key(2)]),
];

/** One journal, and a writer whose keys change. */
function recording(policy: Policy) {
  const journal = openJournal(join(temporaryFolder(), 'journal'));
  onTestFinished(() => journal.close());
  const newWriter = () =>
    new Writer({
      journal,
      policy: now,
      ledgerId: LEDGER_ID,
      clock: systemClock,
      writer: 'test',
      version: '0',
      origin: 'test.example/ledger',
    });
  let now = policy;
  let writer = newWriter();
  let seen = 0;
  const added = async (): Promise<AuditRecord[]> => {
    await writer.flush();
    const all = unshippedOf(journal);
    expect(brokenLinks(all)).toEqual([]);
    const records = all.slice(seen).map(recordOf);
    seen = all.length;
    return records;
  };
  return {
    get writer() {
      return writer;
    },
    turn(to: Policy) {
      now = to;
      writer.turn(to);
    },
    async restart(to: Policy) {
      await writer.close();
      now = to;
      writer = newWriter();
    },
    /** All records added since it was asked last. */
    added,
    /** Those that the spans added, but for what the chain says of itself. */
    async take(...spans: Span[]) {
      const receipt = await writer.append(spans.map((each) => understand(each, now)));
      const records = (await added()).filter(
        ({ action, control }) => control === undefined && action !== 'chain_closed',
      );
      return { ...receipt, records, actions: records.map(({ action }) => action) };
    },
  };
}

const patient = (call: string, id: string) =>
  toolSpan('get_patient', { call, args: { patient_id: 'P-1' } }, {}, { id });
const chat = (text: string, id: string, more: { [name: string]: unknown } = {}) =>
  modelSpan([user(text)], { 'gen_ai.conversation.id': 'c1', 'gen_ai.agent.name': 'triage', ...more }, { id });
const instructed = (text: string) => ({
  'gen_ai.system_instructions': [{ type: 'text', content: text }],
});

describe('a span of before a rotation that comes again', () => {
  it('is known, for as long as one of the keys it was seen under is live', async () => {
    const { take, turn } = recording(FIRST);
    await take(patient('t1', '1'), patient('t2', '2'));
    turn(BOTH);
    expect(await take(patient('t1', '1'))).toMatchObject({ duplicates: 1, conflicts: 0, actions: [] });
    expect((await take(patient('t3', '3'))).actions).toEqual(['tool_invoked', 'data_accessed']);
    turn(SECOND);
    // It came again in time, or after the rotation.
    for (const each of [patient('t1', '1'), patient('t3', '3')])
      expect(await take(each)).toMatchObject({ duplicates: 1, conflicts: 0, actions: [] });
  });

  it('is new once its key is retired, and in conflict with nothing', async () => {
    const { take, turn } = recording(FIRST);
    await take(patient('t1', '1'));
    turn(SECOND);
    const again = await take(patient('t1', '1'));
    expect(again).toMatchObject({ duplicates: 0, conflicts: 0, actions: ['tool_invoked', 'data_accessed'] });
    for (const { details } of again.records) expect(details?.conflicts_with).toBeUndefined();
    expect(await take(patient('t1', '1'))).toMatchObject({ duplicates: 1, actions: [] });
  });

  it('is in conflict where it says another thing, as ever', async () => {
    const { take, turn } = recording(FIRST);
    await take(patient('t1', '1'));
    turn(BOTH);
    const other = await take(patient('t2', '1'));
    expect(other).toMatchObject({ duplicates: 0, conflicts: 1 });
    for (const { details } of other.records) expect(details?.conflicts_with).toMatch(/^[0-9a-f]{32}:\d+$/);
  });

  it('is known in quarantine too, by its bytes or by what is kept of it', async () => {
    const partial = span('x', { 'gen_ai.prompt': 'secret words', ssn: '123-45-6789' });
    const unreadable = (raw: Uint8Array, policy: Policy): Understood =>
      quarantine({ reason: 'test', detail: '', raw, partial }, policy);
    for (const raw of [new Uint8Array(0), Buffer.from('some bytes')]) {
      const { writer, turn } = recording(FIRST);
      expect(await writer.append([unreadable(raw, FIRST)])).toMatchObject({ duplicates: 0 });
      turn(BOTH);
      expect(await writer.append([unreadable(raw, BOTH)])).toMatchObject({ duplicates: 1, records: {} });
      turn(SECOND);
      expect(await writer.append([unreadable(raw, SECOND)])).toMatchObject({ duplicates: 0 });
    }
  });
});

describe('what is compared across a rotation', () => {
  it('a prompt that is the same is no change, under another key or none', async () => {
    for (const to of [BOTH, SECOND]) {
      const { take, turn } = recording(FIRST);
      await take(chat('a', '1', instructed('be kind')));
      turn(to);
      const { records } = await take(chat('b', '2', instructed('be kind')));
      expect(records.map(({ action }) => action)).not.toContain('prompt_changed');
      const answer = records.find(({ action }) => action === 'agent_response_generated');
      expect(answer?.details?.prompt_digest).toMatch(/^hmac:k2:/);
      expect(answer).not.toHaveProperty('first_sight');
      const changed = (await take(chat('c', '3', instructed('be quick')))).records.find(
        ({ action }) => action === 'prompt_changed',
      );
      expect(changed?.details?.previous_prompt_digest).toMatch(/^hmac:k2:/);
    }
  });

  it('a prompt that is another is told of where the older key is live, and not guessed where it is not', async () => {
    for (const [to, told] of [
      [BOTH, true],
      [SECOND, false],
    ] as const) {
      const { take, turn } = recording(FIRST);
      await take(chat('a', '1', instructed('be kind')));
      turn(to);
      const { actions } = await take(chat('b', '2', instructed('be quick')));
      expect(actions.includes('prompt_changed')).toBe(told);
      expect((await take(chat('c', '3', instructed('be quick')))).actions).not.toContain('prompt_changed');
    }
  });

  it("a user's message is received once, in the conversation that has begun", async () => {
    const { take, turn } = recording(FIRST);
    expect((await take(chat('a', '1'))).actions).toEqual([
      'conversation_started',
      'user_message_received',
      'agent_response_generated',
    ]);
    turn(BOTH);
    expect((await take(chat('a', '2'))).actions).toEqual(['agent_response_generated']);
    expect((await take(chat('b', '3'))).actions).toEqual([
      'user_message_received',
      'agent_response_generated',
    ]);
  });

  it('a conversation whose id is a pseudonym goes on', async () => {
    const named = (text: string, id: string) =>
      chat(text, id, { 'gen_ai.conversation.id': `${'x'.repeat(600)} jane@example.org` });
    const { take, turn } = recording(FIRST);
    expect((await take(named('a', '1'))).records[0]?.conversation_id).toMatch(/^hmac:k1:/);
    turn(BOTH);
    const { actions, records } = await take(named('b', '2'));
    expect(actions).toEqual(['user_message_received', 'agent_response_generated']);
    expect(records[0]?.conversation_id).toMatch(/^hmac:k2:/);
    expect((await take(named('a', '3'))).actions).toEqual(['agent_response_generated']);
  });

  const result = (id: string, said: { trace?: string } = {}) =>
    modelSpan([user('go'), asked('', 'run', { n: 1 }), told('', 'done')], {}, { id, ...said });
  const isReported = ({ evidence }: NonNullable<AuditRecord['tool']>) => evidence === 'reported';

  it('a call that was executed without an id, by its arguments', async () => {
    const { take, turn } = recording(FIRST);
    await take(toolSpan('run', { args: { n: 1 } }, {}, { id: '1' }));
    turn(BOTH);
    const { records } = await take(result('2'));
    expect(records.filter(({ tool }) => tool !== undefined && isReported(tool))).toEqual([]);
    const elsewhere = await take(result('3', { trace: '9' }));
    expect(elsewhere.records.filter(({ tool }) => tool !== undefined && isReported(tool))).toHaveLength(1);
  });

  it('a call that was asked for before, executed after, and reported by its place alone', async () => {
    const question = [user('go')];
    const answer = { role: 'assistant', parts: [{ type: 'tool_call', name: 'run', arguments: { n: 1 } }] };
    const { take, turn } = recording(FIRST);
    await take(modelSpan(question, { 'gen_ai.output.messages': [answer] }, { id: '1' }));
    turn(BOTH);
    await take(toolSpan('run', { args: { n: 1 } }, {}, { id: '2' }));
    const nameless = { role: 'assistant', parts: [{ type: 'tool_call' }] };
    const reply = { role: 'tool', parts: [{ type: 'tool_call_response', response: 'done' }] };
    const { records } = await take(modelSpan([...question, nameless, reply], {}, { id: '3' }));
    expect(records.filter(({ tool }) => tool !== undefined && isReported(tool))).toEqual([]);
  });
});

describe('the chain after a rotation', () => {
  const changes = (records: readonly AuditRecord[]) =>
    records
      .filter(({ action }) => action === 'policy_changed')
      .map(({ actor, control }) => ({ actor, control }));
  const system = { type: 'system', id: 'spanledger' };
  const digest = expect.stringMatching(/^[0-9a-f]{64}$/) as string;

  it('tells the key that pseudonyms are under, once, whoever finds it changed and however', async () => {
    const one = recording(FIRST);
    await one.writer.append([understand(patient('t1', '1'), FIRST)]);
    expect(changes(await one.added())).toEqual([]);
    one.turn(BOTH);
    await one.writer.append([understand(patient('t2', '2'), BOTH)]);
    const told = await one.added();
    expect(told.map(({ action }) => action).slice(0, 3)).toEqual([
      'chain_closed',
      'chain_opened',
      'policy_changed',
    ]);
    expect(changes(told)).toEqual([
      { actor: system, control: { old: digest, new: digest, pseudonym_key: { old: 'k1', new: 'k2' } } },
    ]);
    const { old, new: now } = told[2]!.control as { old: string; new: string };
    expect(old).toBe(now);

    await one.restart(BOTH);
    one.writer.open();
    one.turn(SECOND);
    one.writer.open();
    expect(changes(await one.added())).toEqual([]);

    await one.restart(compilePolicy([key(2), key(3)], { ...BUILTIN_POLICY, keep: ['x'] }));
    one.writer.open();
    one.writer.open();
    const [changed, ...more] = changes(await one.added());
    expect(changed?.control).toEqual({
      old: now,
      new: expect.not.stringMatching(now),
      pseudonym_key: { old: 'k2', new: 'k3' },
    });
    expect(more).toEqual([]);
  });

  it('tells who declared it, once, and a key that is retired', async () => {
    const { writer, added } = recording(FIRST);
    writer.open();
    await added();
    const actor = { type: 'admin', id: 'ana' } as const;
    writer.turn(BOTH, { actor, reason: 'yearly' });
    writer.open();
    writer.turn(SECOND, { actor, reason: 'gone', retired: 'k1' });
    writer.tell(control('gap', {}, systemClock()));
    writer.turn(SECOND);
    writer.open();
    expect(changes(await added())).toEqual([
      {
        actor,
        control: { old: digest, new: digest, pseudonym_key: { old: 'k1', new: 'k2' }, reason: 'yearly' },
      },
      {
        actor,
        control: {
          old: digest,
          new: digest,
          pseudonym_key: { old: 'k2', new: 'k2', retired: 'k1' },
          reason: 'gone',
        },
      },
    ]);
  });
});
