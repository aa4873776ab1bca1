import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { formatPrivateKey, parsePrivateKey } from '../../src/chain/signer.ts';
import type { Checkpointed } from '../../src/server/keeping.ts';
import type { Verification } from '../../src/verify/findings.ts';
import { REGISTER, runApp } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { told } from '../support/keeper-kit.ts';
import { fileFolder, LEDGER_ID, ORIGIN, openStore } from '../support/ledger-kit.ts';
import { serve } from '../support/serve.ts';
import { ServedClickHouse } from '../support/served-clickhouse.ts';
import { tokenOf } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const AGENT = 'test/instrumentation/apps/agent.mjs';
const ENROL_KEY = formatPrivateKey('writers.example', Buffer.alloc(32, 9));
/** Before anything of it is loaded: an app whose clock says it began when nobody has declared it for ten minutes. */
const ELEVEN_MINUTES_AGO = [
  '--import',
  'data:text/javascript,const now=Date.now;Date.now=()=>now()-660_000',
  ...REGISTER,
];

it('a keeper lists the apps of its relay and those that are enrolled, and a verifier with its key finds the one that is not', async () => {
  const store = await openStore(fileFolder());
  const clickhouse = new ServedClickHouse(store);
  await clickhouse.listen();
  onTestFinished(async () => {
    await clickhouse.leave();
    await store.close();
  });
  const folder = temporaryFolder();
  const [dir, worm, trust] = [join(folder, 'ledger'), join(folder, 'worm'), join(folder, 'trust-of-auditor')];
  for (const each of [dir, worm]) mkdirSync(each);
  const settings = {
    version: 1,
    origin: ORIGIN,
    tokens: [tokenOf('agent', ['ingest'])],
    keeper: { round_seconds: 3_600, writers: [parsePrivateKey(ENROL_KEY).vkey.text] },
    anchors: [{ kind: 'directory', name: 'worm', path: worm }],
  };
  writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify(settings));
  const ledger = { SPANLEDGER_LEDGER_ID: LEDGER_ID };
  const sidecar = await serve(dir, ['--url', clickhouse.url], ledger);
  const command = (name: string, ...args: string[]) =>
    spanledger([name, '--dir', dir, '--url', clickhouse.url, '--json', ...args], { env: ledger });

  /** Runs an app that calls a tool, and has shipped it; its chain's id. */
  const seen = new Set<string>();
  async function run(env: NodeJS.ProcessEnv, node: readonly string[] = REGISTER): Promise<string> {
    const before = new Set((await told(store, 'chain_opened')).map(({ id }) => id));
    const ran = await runApp(join(folder, `app-${seen.size}`), [AGENT, 'tool+flush'], { env, node });
    expect(ran.code, ran.stderr).toBe(0);
    const opened = (await told(store, 'chain_opened')).filter(
      ({ id, control }) => !before.has(id) && (control as { writer?: string }).writer === 'app',
    );
    expect(opened, ran.stderr).toHaveLength(1);
    const chain = opened[0]!.id.split(':')[0]!;
    seen.add(chain);
    return chain;
  }
  const direct = { ...ledger, CLICKHOUSE_URL: clickhouse.url, SPANLEDGER_ORIGIN: ORIGIN };
  const relayed = await run({ SPANLEDGER_ENDPOINT: sidecar.otlp, SPANLEDGER_TOKEN: 'agent' });
  const enrolled = await run({ ...direct, SPANLEDGER_ENROL_KEY: ENROL_KEY });
  const stranger = await run(direct);

  const listed = async () =>
    (await told(store, 'round')).flatMap(({ control }) => control.chains.map(({ chain_id }) => chain_id));
  const round = async () => {
    const made = await command('checkpoint');
    expect(made.code, made.stderr).toBe(0);
    expect(documentOf<Checkpointed>(made)).toMatchObject({ failed: [], anchors: [{ state: 'anchored' }] });
  };
  // What the relay says of a chain is shipped beside it.
  await until(async () => {
    await round();
    return (await listed()).includes(relayed);
  });
  expect(await listed()).toContain(enrolled);
  expect(await listed()).not.toContain(stranger);
  expect((await told(store, 'chain_enrolled')).map(({ control }) => control)).toMatchObject([
    { chain_id: relayed, subject: 'agent', vkey: expect.stringContaining(`${ORIGIN}/${relayed}+`) },
  ]);

  copyFileSync(join(dir, 'trust'), trust);
  const verify = () => command('verify', '--trust', trust);
  const before = await verify();
  expect(before.code, before.stdout).toBe(0);
  expect(documentOf(before)).toMatchObject({ status: 'valid', trust: 'given', unchecked: [] });
  expect(documentOf<Verification>(before).anchors_verified).toBeGreaterThan(0);

  const undeclared = await run(direct, ELEVEN_MINUTES_AGO);
  await run({ ...direct, SPANLEDGER_ENROL_KEY: ENROL_KEY });
  await round();
  expect(await listed()).not.toContain(undeclared);
  expect(await sidecar.stop('SIGTERM')).toBe(0);
  const after = await verify();
  expect(after.code).toBe(1);
  const { status, findings } = documentOf<Verification>(after);
  expect(status).toBe('tampered');
  expect(findings.filter(({ severity }) => severity === 'critical')).toMatchObject([
    { code: 'chain_undeclared', chain_id: undeclared },
  ]);
}, 180_000);
