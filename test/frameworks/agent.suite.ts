import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../src/record/record.ts';
import { expectValid } from '../interop/same-ledger.ts';
import { runApp } from '../support/app.ts';
import { temporaryFolder } from '../support/cli.ts';
import { failClosedOnBadDisk, missing } from './bad-disk.ts';
import { ANSWER, callId, startModel } from './model-server.ts';
import type { Place } from './places.ts';
import { appIn, begun, type Format, recordedRun, toolCallsOf } from './run.ts';

/** A framework that runs tools for a model. */
export interface AgentFramework {
  /** Of `examples/` and of `apps/`. */
  name: string;
  adapter: string;
  formats: readonly Format[];
  /** It tells a tool which of the model's calls it is for. @default true */
  isIdKnown?: boolean;
  /** What the framework knows. */
  knows?: { agent?: { id?: string; name: string }; conversation_id?: string };
  /** Tool and status, of the steps as they stand in `steps`. */
  steps: { [step: string]: string | readonly string[] };
  /** What an app is told, fail-closed. */
  refused: RegExp;
  args?: readonly string[];
}

export function agentSuite(framework: AgentFramework, place: Place): void {
  if ('missing' in place) return void it.skip(place.missing);
  const { dir, exec } = place;
  const { name, adapter, formats, knows = {}, isIdKnown = true, steps, refused, args = [] } = framework;
  let model: Awaited<ReturnType<typeof startModel>>;
  beforeAll(async () => {
    model = await startModel();
  });
  afterAll(() => model.stop());
  const env = (more: NodeJS.ProcessEnv = {}) => ({
    ...more,
    OPENAI_BASE_URL: `${model.url}/v1`,
    OPENAI_API_KEY: 'none',
    OPENAI_AGENTS_DISABLE_TRACING: '1',
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: 'none',
    GOOGLE_GEMINI_BASE_URL: model.url,
    GEMINI_API_KEY: 'none',
    MASTRA_TELEMETRY_DISABLED: '1',
  });
  const example = join('examples', name, 'app.mjs');
  const app = (format: Format = 'esm') =>
    appIn(dir, `test/frameworks/apps/${name}.mjs`, { format, beside: ['steps.mjs'] });

  const LOOKUP = {
    tool: {
      name: 'lookup_patient',
      type: 'function',
      ...(isIdKnown ? { call_id: callId('lookup_patient') } : {}),
      evidence: 'executed',
      arguments: { patient_id: 'P-1042' },
      result: { patient_id: 'P-1042', allergies_count: 1 },
    },
    outcome: { status: 'success' },
    trace: { trace_id: expect.any(String) },
    source: { scope: `spanledger/${adapter}` },
  };

  /** All of it that is known before the tool is called. */
  const { outcome: _, ...BEFORE } = { ...LOOKUP, tool: withoutResult(LOOKUP.tool) };

  describe.each(formats)('the example, %s', (format) => {
    it('is recorded as it is', async () => {
      const {
        records,
        stdout,
        dir: ledger,
      } = await recordedRun([appIn(dir, example, { format })], { exec, env: env() });
      expect(stdout).toBe(ANSWER);
      const calls = toolCallsOf(records);
      expect(calls).toMatchObject([{ ...LOOKUP, ...knows }]);
      expect(intentsOf(records)).toMatchObject([{ ...BEFORE, ...knows }]);
      expect(calls[0]).not.toHaveProperty('user');
      if (knows.conversation_id !== undefined)
        expect(begun(records)).toMatchObject([{ details: { unattributed: true } }]);
      await expectValid(ledger);
    });

    it('is recorded on behalf of whom one line more says', async () => {
      const audited = appIn(dir, example, { format, isAudited: true });
      const { records } = await recordedRun([audited], { exec, env: env() });
      const [conversation] = begun(records);
      expect(conversation).toMatchObject({ actor: { type: 'user', id: 'nurse-17' } });
      expect(conversation!.details?.unattributed).toBeUndefined();
      expect(toolCallsOf(records)).toMatchObject([
        { ...LOOKUP, ...knows, user: { id: 'nurse-17' }, purpose: 'TREAT', conversation_id: 'visit-9' },
      ]);
    });
  });

  it('answers, fails and throws as without us, and each call is recorded once', async () => {
    const run = [app(), Object.keys(steps).join('+'), ...args];
    const plain = await runApp(temporaryFolder(), run, { exec, node: [], env: env() });
    expect(plain.code, plain.stderr).toBe(0);
    const { records, stdout, dir: ledger } = await recordedRun(run, { exec, env: env() });
    expect(JSON.parse(stdout)).toEqual(JSON.parse(plain.stdout));
    const calls = toolCallsOf(records);
    expect(calls.map(({ tool, outcome }) => `${tool!.name} ${outcome!.status}`)).toEqual(
      Object.values(steps).flat(),
    );
    if (isIdKnown) {
      for (const { tool } of calls)
        expect([callId(tool!.name), callId(tool!.name, 1)]).toContain(tool!.call_id);
      expect(new Set(calls.map(({ tool }) => tool!.call_id)).has(callId('lookup_patient', 1))).toBe(
        'parallel' in steps,
      );
    }
    if (knows.agent !== undefined) for (const { agent } of calls) expect(agent).toEqual(knows.agent);
    await expectValid(ledger);
  });

  it.skipIf(missing)('fail-closed, calls no tool that cannot be recorded, and says so', async () => {
    const run = [app(), 'lookup_patient', ...args];
    const { stdout } = await recordedRun(run, { exec, env: env(failClosedOnBadDisk()) });
    const said = JSON.parse(stdout) as { lookup_patient: string; calls: string[] };
    expect(said.calls).toEqual([]);
    expect(said.lookup_patient).toMatch(refused);
  });
}

function withoutResult<T extends { result: unknown }>({ result: _, ...tool }: T): Omit<T, 'result'> {
  return tool;
}

function intentsOf(records: readonly AuditRecord[]): AuditRecord[] {
  return records.filter(({ action, phase }) => action === 'tool_invoked' && phase === 'intent');
}
