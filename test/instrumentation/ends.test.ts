import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appEnv, REGISTER, recordedIn, runApp, told } from '../support/app.ts';
import { Child } from '../support/child.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { mountMissing, smallDisk } from '../support/tmpfs.ts';

const APP = 'test/instrumentation/apps/ends.mjs';

describe('a process that ends in the middle', () => {
  it.each(['kill', 'term'])('leaves an intent without an outcome: %s', async (how) => {
    const dir = temporaryFolder();
    const { signal } = spawnSync(process.execPath, [...REGISTER, APP, how], { env: appEnv(dir) });
    expect(signal).toBe(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
    expect(told(await recordedIn(dir))).toEqual(['tool_invoked intent killed']);
    // Its heir goes on where it ended, and now nothing more can come of it.
    await runApp(dir, [APP, 'exit']);
    const verified = await spanledger(['verify', '--dir', dir, '--json']);
    expect(documentOf(verified)).toMatchObject({
      status: 'valid',
      findings: [{ code: 'interrupted', severity: 'info' }],
    });
  });

  it('has lost nothing on the next line after a call', async () => {
    const dir = temporaryFolder();
    await runApp(dir, [APP, 'exit']);
    expect(told(await recordedIn(dir))).toEqual(['tool_invoked intent done', 'tool_invoked outcome done']);
  });

  it('has lost nothing of 10,000 spans', async () => {
    const dir = temporaryFolder();
    await runApp(dir, [APP, 'burst']);
    const outcomes = (await recordedIn(dir)).filter(({ phase }) => phase === 'outcome');
    expect(new Set(outcomes.map(({ tool }) => tool?.call_id)).size).toBe(10_000);
  });
});

describe.skipIf(mountMissing() !== undefined)('a disk that is full', () => {
  async function onFullDisk(how: 'open' | 'closed') {
    const disk = temporaryFolder();
    smallDisk(disk, 'size=1m');
    const dir = join(disk, 'ledger');
    const child = new Child(
      [process.execPath, ...REGISTER, APP, how, join(disk, 'ballast')],
      appEnv(dir, { SPANLEDGER_FAIL_MODE: how }),
    );
    const [said] = await child.heard(1);
    child.process.stdin!.write('\n');
    const [, room] = await child.heard(2);
    child.process.stdin!.end();
    expect((await child.gone).code, child.stderr).toBe(0);
    return { said, room, records: await recordedIn(dir), stderr: child.stderr };
  }

  it('fail-closed: the tool is not called, and the app gets the error', async () => {
    const { said, room, records } = await onFullDisk('closed');
    const refused = { code: 'audit_unavailable', hint: true };
    expect(said).toMatchObject({ before: 'called', full: refused, again: refused, called: 0 });
    expect(room).toMatchObject({ room: 'called' });
    const { calls } = said as { calls: number };
    const outcomes = records.filter(
      ({ phase, outcome }) => phase === 'outcome' && outcome?.status === 'success',
    );
    expect(outcomes, 'each that was called').toHaveLength(calls + 1);
  });

  it('fail-open: the call goes through, and a gap follows when there is room', async () => {
    const { said, room, records, stderr } = await onFullDisk('open');
    expect(said).toMatchObject({ before: 'called', full: 'called', again: 'called', called: 1 });
    expect(room).toMatchObject({ room: 'called' });
    expect(stderr).toContain('audit records are being lost: journal_full');
    const gaps = records.filter(({ action }) => action === 'gap');
    expect(gaps).toHaveLength(1);
    const { calls } = said as { calls: number };
    const outcomes = records.filter(({ phase }) => phase === 'outcome').length;
    expect(Number(gaps[0]?.control?.spans) + outcomes, 'each told, or counted').toBeGreaterThanOrEqual(
      calls + 1,
    );
  });
});
