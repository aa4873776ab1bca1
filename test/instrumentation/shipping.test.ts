import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { recordedIn, runApp, told } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { serve } from '../support/serve.ts';

const AGENT = 'test/instrumentation/apps/agent.mjs';
const TOOL = [
  'conversation_started event',
  'data_accessed event find',
  'tool_invoked intent find',
  'tool_invoked outcome find',
];

interface Row {
  action: string;
  phase: string;
  tool_name: string;
}

async function storedIn(dir: string): Promise<string[]> {
  const rows = documentOf<Row[]>(
    await spanledger([
      'sql',
      "SELECT action, phase, tool_name FROM spanledger.audit_records WHERE actor_type != 'system'",
      '--dir',
      dir,
      '--json',
    ]),
  );
  return rows
    .map(({ action, phase, tool_name }) => [action, phase, ...(tool_name ? [tool_name] : [])].join(' '))
    .sort();
}

describe('an app with SPANLEDGER_ENDPOINT', () => {
  it("is of its relay's ledger, records by its policy, and ships to it while it runs", async () => {
    const [relay, dir] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(
      join(relay, 'spanledger.yaml'),
      'version: 1\npolicy:\n  tools:\n    - match: [find]\n      resource: { type: person, id: [arguments.id] }\n      domains: []\n      classification: restricted\n',
    );
    const sidecar = await serve(relay);
    const env = { SPANLEDGER_ENDPOINT: sidecar.otlp };
    const ran = await runApp(dir, [AGENT, 'http+node+tool+flush'], { env });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain(`the relay at ${new URL(sidecar.otlp).host}`);
    expect(ran.stderr).not.toContain('Warning');
    expect(JSON.parse(ran.stdout), 'no span of our own traffic').toMatchObject({ spans: [] });
    expect(await storedIn(relay)).toEqual(TOOL);
    const [{ c, t }] = documentOf<[{ c: string; t: string }]>(
      await spanledger([
        'sql',
        "SELECT data_classification c, resource_type t FROM spanledger.audit_records WHERE phase = 'intent'",
        '--dir',
        relay,
        '--json',
      ]),
    );
    expect({ c, t }).toEqual({ c: 'restricted', t: 'person' });

    // The relay is away: what comes waits in the journal, and its heir ships it.
    expect(await sidecar.stop('SIGTERM')).toBe(0);
    const away = await runApp(dir, [AGENT, 'tool'], { env });
    expect(away.code, away.stderr).toBe(0);
    expect(told(await recordedIn(dir))).toEqual(TOOL.slice(1));
    const again = await serve(relay);
    const heir = await runApp(dir, [AGENT, 'flush'], { env: { SPANLEDGER_ENDPOINT: again.otlp } });
    expect(heir.code, heir.stderr).toBe(0);
    expect(await recordedIn(dir)).toEqual([]);
    expect(await storedIn(relay)).toEqual([...TOOL, ...TOOL.slice(1)].sort());
    expect(await again.stop('SIGTERM')).toBe(0);
    const verified = await spanledger(['verify', '--dir', relay, '--json']);
    expect(documentOf(verified)).toMatchObject({ status: 'valid' });
  });

  it('is not held up by a relay that does not answer, nor kept running', async () => {
    const dir = temporaryFolder();
    await runApp(dir, [AGENT, 'tool']);
    const hanging = createServer(() => {}).listen(0, '127.0.0.1');
    onTestFinished(() => {
      hanging.closeAllConnections();
      hanging.close();
    });
    await once(hanging, 'listening');
    const { port } = hanging.address() as AddressInfo;
    const ran = await runApp(dir, [AGENT, 'tool'], {
      env: { SPANLEDGER_ENDPOINT: `http://127.0.0.1:${port}` },
    });
    expect(ran.code).toBe(0);
    expect(ran.stderr, 'it never answered, so that the ledger is not known').toContain('NOT RECORDING');
  });
});
