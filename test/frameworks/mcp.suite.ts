import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectValid } from '../interop/same-ledger.ts';
import { recordedIn, runApp } from '../support/app.ts';
import { temporaryFolder } from '../support/cli.ts';
import { failClosedOnBadDisk, missing } from './bad-disk.ts';
import type { Place } from './places.ts';
import { appIn, begun, type Format, recordedRun, toolCallsOf } from './run.ts';

/** The SDK of the Model Context Protocol, of one version, as it is installed in a place. */
export function mcpSuite(version: '1' | '2', place: Place, { hasTasks = false } = {}): void {
  if ('missing' in place) return void it.skip(place.missing);
  const { dir } = place;

  /** The example, or the same with the names that version 1 has for everything. */
  function example(format: Format, isAudited = false): string {
    const app = appIn(dir, 'examples/mcp/client.mjs', { format, isAudited, beside: ['server.mjs'] });
    if (version === '1')
      for (const file of [app, join(app, '..', `server.${format === 'esm' ? 'mjs' : 'cjs'}`)]) {
        const v1 = readFileSync(file, 'utf8')
          .replace("'@modelcontextprotocol/client'", "'@modelcontextprotocol/sdk/client/index.js'")
          .replace("'@modelcontextprotocol/client/stdio'", "'@modelcontextprotocol/sdk/client/stdio.js'")
          .replace("'@modelcontextprotocol/server'", "'@modelcontextprotocol/sdk/server/mcp.js'")
          .replace("'@modelcontextprotocol/server/stdio'", "'@modelcontextprotocol/sdk/server/stdio.js'")
          .replace(
            'inputSchema: z.object({ patient_id: z.string() })',
            'inputSchema: { patient_id: z.string() }',
          );
        writeFileSync(file, v1);
      }
    return app;
  }

  const LOOKUP = {
    agent: { name: 'ward-agent', version: '1.2.0' },
    tool: {
      name: 'lookup_patient',
      type: 'extension',
      evidence: 'executed',
      arguments: { patient_id: 'P-1042' },
    },
    outcome: { status: 'success' },
    trace: { trace_id: expect.any(String) },
  };

  describe.each(['esm', 'cjs'] as const)('the example, %s', (format) => {
    it('is recorded by its client', async () => {
      const { records, stdout, dir: ledger } = await recordedRun([example(format)]);
      expect(stdout).toBe('{"patient_id":"P-1042","allergies":["penicillin"]}');
      const calls = toolCallsOf(records);
      expect(calls).toMatchObject([{ ...LOOKUP, source: { scope: 'spanledger/mcp-client' } }]);
      expect(calls[0]!.tool!.result).toMatchObject({ patient_id: 'P-1042' });
      expect(calls[0]).not.toHaveProperty('user');
      await expectValid(ledger);
    });

    it('is recorded on behalf of whom one line more says', async () => {
      const { records } = await recordedRun([example(format, true)]);
      const [conversation] = begun(records);
      expect(conversation).toMatchObject({ actor: { type: 'user', id: 'nurse-17' } });
      expect(conversation!.details?.unattributed).toBeUndefined();
      expect(toolCallsOf(records)).toMatchObject([
        { ...LOOKUP, user: { id: 'nurse-17' }, purpose: 'TREAT', conversation_id: 'visit-9' },
      ]);
    });

    it('counts a conversation that nobody is said to be behind', async () => {
      const app = example(format, true);
      writeFileSync(app, readFileSync(app, 'utf8').replace("user: 'nurse-17', ", ''));
      const { records } = await recordedRun([app]);
      expect(begun(records)).toMatchObject([{ conversation_id: 'visit-9', details: { unattributed: true } }]);
    });

    it('is recorded by its server, whatever its client is', async () => {
      const folder = temporaryFolder();
      const ran = await runApp(folder, [example(format), '--import', 'spanledger/register'], { node: [] });
      expect(ran.code, ran.stderr).toBe(0);
      expect(toolCallsOf(await recordedIn(folder))).toMatchObject([
        { ...LOOKUP, source: { scope: 'spanledger/mcp-server' } },
      ]);
    });
  });

  const app = () => appIn(dir, 'test/frameworks/apps/mcp.mjs');

  it('answers, fails and throws as without us, and each call is recorded once', async () => {
    const steps = 'lookup_patient+parallel+fail+deny+nothing+abort+raw';
    const args = [app(), version, hasTasks ? `${steps}+task` : steps];
    const plain = await runApp(temporaryFolder(), args, { node: [] });
    const { records, stdout, dir: ledger } = await recordedRun(args);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(plain.stdout));
    const calls = toolCallsOf(records);
    expect(calls.map(({ tool, outcome }) => `${tool!.name} ${outcome!.status}`)).toEqual([
      'lookup_patient success',
      'lookup_patient success',
      'lookup_patient success',
      'fail failure',
      'deny denied',
      'nothing failure',
      'hang interrupted',
      'lookup_patient success',
      'lookup_patient success',
      ...(hasTasks ? ['long success', 'lookup_patient success'] : []),
    ]);
    for (const { tool, outcome } of calls)
      if (outcome!.status === 'success') expect(tool!.result).toEqual({ patient_id: 'P-1042' });
    await expectValid(ledger);
  });

  it.skipIf(missing)('fail-closed, calls no tool that cannot be recorded, and says so', async () => {
    const { stdout } = await recordedRun([app(), version, 'lookup_patient'], { env: failClosedOnBadDisk() });
    const said = JSON.parse(stdout) as { lookup_patient: string; calls: string[] };
    expect(said.lookup_patient).toMatch(/^audit_unavailable: the tool lookup_patient was not called/);
    expect(said.calls).toEqual([]);
  });
}
