import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../src/record/record.ts';
import { understand } from '../../src/understand.ts';
import { temporaryFolder } from '../support/cli.ts';
import { openJournal, POLICY, recordOf, unshippedOf, writerIn } from '../support/ledger-kit.ts';
import { actions, modelSpan, NOW, Settled } from '../support/spans.ts';

const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;

const instructions = (text: string) => ({ 'gen_ai.system_instructions': [{ type: 'text', content: text }] });

let made = 0;
/** A call of the agent, received and begun so long after NOW. */
function call(settled: Settled, after: number, said: { prompt?: string; model?: string; agent?: string }) {
  made += 1;
  const attributes = {
    'gen_ai.agent.name': said.agent ?? 'triage',
    ...(said.prompt === undefined ? {} : instructions(said.prompt)),
    ...(said.model === undefined ? {} : { 'gen_ai.request.model': said.model }),
  };
  const span = modelSpan(undefined, attributes, { id: String(made), start: BigInt(NOW + after) * 1_000n });
  return settled.take(span, { now: NOW + after });
}

const changesIn = (records: readonly AuditRecord[]) =>
  records
    .filter(({ action }) => /_changed$/.test(action))
    .map(({ action, details }) => [action, details?.changes]);

describe('a prompt that changes', () => {
  it('by its date only is the same', () => {
    const settled = new Settled();
    for (const day of ['2026-11-21', '2026-11-22', '2026-11-23'])
      call(settled, 0, { prompt: `You are kind. Today is ${day}.` });
    expect(actions(settled.records)).toEqual(Array(3).fill('agent_response_generated'));
    expect(new Set(settled.records.map(({ details }) => details?.prompt_digest)).size).toBe(1);
  });

  it('is told at once, and then once an hour with the number of changes between', () => {
    const settled = new Settled();
    call(settled, 0, { prompt: 'a' });
    const [first] = call(settled, MINUTE, { prompt: 'b' });
    expect(first).toMatchObject({ action: 'prompt_changed' });
    expect(first?.details).not.toHaveProperty('changes');
    for (const [i, prompt] of ['c', 'd', 'c', 'c'].entries())
      expect(changesIn(call(settled, (2 + i) * MINUTE, { prompt }))).toEqual([]);
    expect(changesIn(call(settled, 60 * MINUTE, { prompt: 'c' }))).toEqual([]);
    // Told though this call changes nothing, from what was told last to what it is now.
    const [later, answer] = call(settled, 61 * MINUTE, { prompt: 'c' });
    expect(later).toMatchObject({
      action: 'prompt_changed',
      details: {
        changes: 3,
        previous_prompt_digest: first?.details?.prompt_digest,
        prompt_digest: answer?.details?.prompt_digest,
      },
    });
    expect(changesIn(call(settled, 62 * MINUTE, { prompt: 'c' }))).toEqual([]);
    expect(changesIn(call(settled, 63 * MINUTE, { prompt: 'd' }))).toEqual([]);
    expect(changesIn(call(settled, 3 * HOUR, { prompt: 'e' }))).toEqual([['prompt_changed', 2]]);
    expect(changesIn(call(settled, 5 * HOUR, { prompt: 'f' }))).toEqual([['prompt_changed', undefined]]);
  });

  it('and back is told with its number, and without what was before', () => {
    const settled = new Settled();
    for (const [i, prompt] of ['a', 'b', 'a', 'b'].entries()) call(settled, i * MINUTE, { prompt });
    const [told] = call(settled, 2 * HOUR, {});
    expect(told).toMatchObject({ action: 'prompt_changed', details: { changes: 2 } });
    expect(told?.details).toHaveProperty('prompt_digest');
    expect(told?.details).not.toHaveProperty('previous_prompt_digest');
  });

  it('is counted for each agent alone', () => {
    const settled = new Settled();
    for (const agent of ['x', 'y']) call(settled, 0, { agent, prompt: 'a' });
    for (const agent of ['x', 'y'])
      expect(changesIn(call(settled, MINUTE, { agent, prompt: 'b' }))).toEqual([
        ['prompt_changed', undefined],
      ]);
  });

  it('over days that are received at once is told as it was', () => {
    const settled = new Settled();
    for (const [day, prompt] of ['a', 'b', 'c', 'd'].entries()) {
      const start = BigInt(NOW + day * 24 * HOUR) * 1_000n;
      settled.take(modelSpan(undefined, instructions(prompt), { id: `d${day}`, start }));
    }
    expect(changesIn(settled.records)).toEqual(Array(3).fill(['prompt_changed', undefined]));
  });
});

describe('a router between two models', () => {
  it('is told once an hour', () => {
    const settled = new Settled();
    for (let i = 0; i < 180; i++) call(settled, i * MINUTE, { prompt: 'a', model: `m-${i % 2}` });
    expect(changesIn(settled.records)).toEqual([
      ['model_changed', undefined],
      ['model_changed', 60],
      ['model_changed', 60],
    ]);
    expect(settled.records.find(({ action }) => action === 'model_changed')).toMatchObject({
      model: { request: 'm-1' },
      details: { previous_request: 'm-0' },
    });
  });

  it('is told by a call that names no model, with what it was last', () => {
    const settled = new Settled();
    for (const [i, model] of ['m-0', 'm-1', 'm-2'].entries()) call(settled, i * MINUTE, { model });
    const [told] = call(settled, 2 * HOUR, {});
    expect(told).toMatchObject({
      action: 'model_changed',
      model: { request: 'm-2' },
      details: { changes: 1, previous_request: 'm-1' },
    });
  });
});

it('every change is told or counted, and none twice, whenever the calls come', () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 50 }), fc.constantFrom('a', 'b', 'c'));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const settled = new Settled();
      let after = 0;
      let changes = 0;
      let last: string | undefined;
      for (const [minutes, prompt] of steps) {
        after += minutes * MINUTE;
        if (last !== undefined && last !== prompt) changes += 1;
        last = prompt;
        call(settled, after, { prompt });
      }
      call(settled, after + 2 * HOUR, {});
      const told = changesIn(settled.records).map(([, count]) => (count as number | undefined) ?? 1);
      expect(told.reduce((sum, count) => sum + count, 0)).toBe(changes);
    }),
    { numRuns: 200 },
  );
});

it('is known across a restart, and a first sight where no journal remembers it', async () => {
  const folder = join(temporaryFolder(), 'journal');
  let now = NOW;
  const run = async (at: string, prompts: string[]) => {
    const journal = openJournal(at);
    const writer = writerIn(journal, () => now);
    for (const prompt of prompts) {
      made += 1;
      now += MINUTE;
      const start = BigInt(now) * 1_000n;
      const attributes = { 'gen_ai.agent.name': 'triage', ...instructions(prompt) };
      await writer.append([understand(modelSpan(undefined, attributes, { id: `r${made}`, start }), POLICY)]);
    }
    await writer.close();
    const records = unshippedOf(journal)
      .map(recordOf)
      .filter(({ actor }) => actor.type === 'agent');
    await journal.close();
    return records.map(({ action, details, first_sight }) => [action, details?.changes ?? first_sight]);
  };
  const answer = 'agent_response_generated';
  const first = [
    [answer, true],
    ['prompt_changed', undefined],
    [answer, undefined],
    [answer, undefined],
  ];
  expect(await run(folder, ['a', 'b', 'c'])).toEqual(first);
  // Neither a new first sight nor a change; what was counted before is told after the hour.
  expect(await run(folder, ['c'])).toEqual([...first, [answer, undefined]]);
  now += HOUR;
  expect(await run(folder, ['c'])).toEqual([
    ...first,
    [answer, undefined],
    ['prompt_changed', 1],
    [answer, undefined],
  ]);
  expect(await run(join(temporaryFolder(), 'journal'), ['c'])).toEqual([[answer, true]]);
});
