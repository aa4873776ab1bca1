import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { recordedIn, runApp, told } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { embeddedStore } from '../support/embedded-store.ts';
import { type Asked, ServedClickHouse } from '../support/served-clickhouse.ts';

const AGENT = 'test/instrumentation/apps/agent.mjs';
const TOOL = [
  'conversation_started event',
  'data_accessed event find',
  'tool_invoked intent find',
  'tool_invoked outcome find',
];

describe('an app with CLICKHOUSE_URL', () => {
  const server = embeddedStore();

  async function served(): Promise<ServedClickHouse> {
    const clickhouse = new ServedClickHouse(server.store);
    await clickhouse.listen();
    onTestFinished(() => clickhouse.leave());
    return clickhouse;
  }

  async function stored(): Promise<string[]> {
    const rows = await server.store.query<{ action: string; phase: string; tool_name: string }>(
      "SELECT action, phase, tool_name FROM spanledger.audit_records WHERE action NOT LIKE 'chain%'",
    );
    await server.store.command('TRUNCATE TABLE spanledger.audit_records');
    return rows.map((row) => [row.action, row.phase, row.tool_name].filter((each) => each).join(' ')).sort();
  }

  it('ships to it while it runs, makes no span of that, and ends when its work is done', async () => {
    const dir = temporaryFolder();
    const { url } = await served();
    const ran = await runApp(dir, [AGENT, 'http+node+tool+flush'], { env: { CLICKHOUSE_URL: url } });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).not.toContain('Warning');
    expect(JSON.parse(ran.stdout), 'no span of our own traffic').toMatchObject({ spans: [] });
    const verified = await spanledger(['verify', '--dir', dir, '--url', url, '--json']);
    expect(documentOf(verified), 'of signed chains whose ledger nobody here vouches for').toMatchObject({
      status: 'incomplete',
      trust: 'none',
      findings: [],
    });
    expect(await stored()).toEqual(TOOL);
  });

  it.each([
    ['anything', 'tool+flush', () => true],
    ['an insert, on a line that is used again', 'tool+flush', ({ step }: Asked) => step === 'insert'],
    ['anything, and stops to record', 'tool+flush+stop', () => true],
  ])('is not kept running by one that does not answer %s, and its heir ships it', async (_, steps, hangs) => {
    const dir = temporaryFolder();
    const clickhouse = await served();
    let hanging = 0;
    clickhouse.meddling = async (asked, work) => {
      if (!hangs(asked)) return { status: 200, text: await work() };
      hanging += 1;
      return await new Promise(() => {});
    };
    const ran = await runApp(dir, [AGENT, steps], { env: { CLICKHOUSE_URL: clickhouse.url } });
    expect(ran.code, ran.stderr).toBe(0);
    expect(hanging, 'asked, and not answered').toBe(1);
    expect(told(await recordedIn(dir))).toEqual(TOOL);
    await clickhouse.leave();

    const again = await served();
    const heir = await runApp(dir, [AGENT, 'flush'], { env: { CLICKHOUSE_URL: again.url } });
    expect(heir.code, heir.stderr).toBe(0);
    expect(await recordedIn(dir)).toEqual([]);
    const verified = await spanledger(['verify', '--dir', dir, '--url', again.url, '--json']);
    expect(documentOf(verified), 'of signed chains whose ledger nobody here vouches for').toMatchObject({
      status: 'incomplete',
      trust: 'none',
      findings: [],
    });
    expect(await stored()).toEqual(TOOL);
  });

  it('is not kept running by an address that takes no connection, and refuses none', async () => {
    const dir = temporaryFolder();
    const url = `http://127.0.0.1:${await silentPort()}`;
    const ran = await runApp(dir, [AGENT, 'tool+flush'], { env: { CLICKHOUSE_URL: url } });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain('no connection within 3000 ms');
    expect(told(await recordedIn(dir))).toEqual(TOOL);
  });
});

/** Of a process that stands still, with as many connections waiting for it as may. */
async function silentPort(): Promise<number> {
  const listening =
    "require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {";
  const child = spawn(process.execPath, ['-e', `${listening} console.log(String(this.address().port)) })`]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const port = Number(String((await once(child.stdout, 'data'))[0]));
  child.kill('SIGSTOP');
  const waiting = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  onTestFinished(() => {
    for (const each of waiting) each.destroy();
  });
  await Promise.all(waiting.slice(0, 2).map((each) => once(each, 'connect')));
  return port;
}
