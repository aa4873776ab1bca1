import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../src/record/record.ts';
import { appEnv, recordedIn, runApp, told } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const APP = 'test/instrumentation/apps/processes.mjs';

/** `place n`, of each call's phase. */
function callsIn(records: readonly AuditRecord[], phase: AuditRecord['phase']): string[] {
  return records
    .filter((record) => record.action === 'tool_invoked' && record.phase === phase)
    .map(({ tool }) => String(tool?.arguments).replace(',', ' '))
    .sort();
}

describe('every process, and every thread of it', () => {
  it('is recorded under NODE_OPTIONS: 4 cluster workers, 2 worker threads', async () => {
    const dir = temporaryFolder();
    const ran = await runApp(dir, [APP], {
      node: [],
      env: { NODE_OPTIONS: '--import spanledger/register' },
    });
    expect(ran.code, ran.stderr).toBe(0);
    const records = await recordedIn(dir);
    const places = ['cluster1', 'cluster2', 'cluster3', 'cluster4', 'thread1', 'thread2'];
    const all = ['main 0', ...places.flatMap((place) => [0, 1, 2, 3, 4].map((n) => `${place} ${n}`))].sort();
    expect(callsIn(records, 'intent')).toEqual(all);
    expect(callsIn(records, 'outcome')).toEqual(all);
    const ofThreads = records.filter(({ tool }) => JSON.stringify(tool?.arguments)?.includes('thread'));
    for (const record of ofThreads)
      expect(record).toMatchObject({ user: { id: 'nurse-17' }, conversation_id: 'c-1' });
    expect(records.filter(({ action }) => action === 'gap')).toEqual([]);
    const verified = await spanledger(['verify', '--dir', dir, '--json']);
    const { status, chains } = documentOf<{ status: string; chains: object[] }>(verified);
    expect(status).toBe('valid');
    expect(chains, 'one a process').toHaveLength(5);
  });

  it('is recorded under `npm run`, which itself is as it was, and opens no chain', async () => {
    const [dir, folder] = [temporaryFolder(), temporaryFolder()];
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(resolve('.'), join(folder, 'node_modules/spanledger'));
    const app =
      "import { auditTool } from 'spanledger'; console.log(await auditTool(async (n) => n + 1, { name: 'plus' })(1));";
    writeFileSync(join(folder, 'app.mjs'), `${app} process.exitCode = 3;`);
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "scripts": { "app": "node app.mjs" } }');
    const run = (env: NodeJS.ProcessEnv) =>
      spawnSync('npm', ['run', 'app'], { cwd: folder, env: appEnv(dir, env), encoding: 'utf8' });
    const [as, recorded] = [
      run({ SPANLEDGER_DISABLED: '1' }),
      run({ NODE_OPTIONS: '--import spanledger/register' }),
    ];
    expect(as).toMatchObject({ status: 3, stdout: expect.stringMatching(/2\n$/) });
    expect({ status: recorded.status, stdout: recorded.stdout }).toEqual({ status: 3, stdout: as.stdout });
    expect(recorded.stderr).not.toContain('Warning');
    expect(told(await recordedIn(dir))).toEqual(['tool_invoked intent plus', 'tool_invoked outcome plus']);
    const verified = await spanledger(['verify', '--dir', dir, '--json']);
    const { status, chains } = documentOf<{ status: string; chains: object[] }>(verified);
    expect(status).toBe('valid');
    expect(chains, "the app's alone").toHaveLength(1);
  });

  it('loses nothing of worker threads whose main thread stands still and ends the process', async () => {
    const dir = temporaryFolder();
    const ran = await runApp(dir, [APP, 'block']);
    expect(ran.code, ran.stderr).toBe(0);
    const all = ['thread1', 'thread2'].flatMap((place) => [0, 1, 2, 3, 4].map((n) => `${place} ${n}`));
    const records = await recordedIn(dir);
    expect(callsIn(records, 'intent')).toEqual(['main 0', ...all]);
    expect(callsIn(records, 'outcome')).toEqual(['main 0', ...all]);
  });
});
