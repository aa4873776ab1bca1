import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Store } from '../../src/store/client.ts';
import type { Host } from '../../src/store/guest.ts';
import { goldenCapture } from '../support/captures.ts';
import { certificatePath } from '../support/certificates.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { codeOf, fileFolder, openStore } from '../support/ledger-kit.ts';
import { serve } from '../support/serve.ts';
import { ServedClickHouse } from '../support/served-clickhouse.ts';
import { tokenOf } from '../support/tokens.ts';

const settingsIn = (dir: string, said: object) => {
  const path = join(dir, 'settings.yaml');
  writeFileSync(path, JSON.stringify({ version: 1, ...said }));
  return path;
};

describe('spanledger serve', () => {
  it.each(['otlp-listen', 'otlp-grpc-listen', 'admin-listen'])(
    'does not open --%s by accident',
    async (flag) => {
      const folder = temporaryFolder();
      const tokens = [tokenOf('a', ['ingest'])];
      const withTokens = settingsIn(folder, { tokens });
      const run = (host: string, args: string[] = []) =>
        spanledger(['serve', `--${flag}`, `${host}:0`, '--dir', join(folder, String(host.length)), ...args]);
      const [open, plain] = await Promise.all([run('[::]'), run('0.0.0.0', ['--config', withTokens])]);
      expect([open.code, plain.code]).toEqual([2, 2]);
      expect(open.stderr).toMatch(
        new RegExp(`--${flag} \\[::\\]:0 is open to other machines, and there are no tokens`),
      );
      expect(plain.stderr).toMatch(/without TLS/);
    },
  );

  it('takes a flag over a variable over the file', async () => {
    const folder = temporaryFolder();
    const config = settingsIn(folder, { serve: { otlp_listen: 'bad.file:99999', max_held_bytes: 33554432 } });
    const run = (env: NodeJS.ProcessEnv, args: string[] = []) =>
      spanledger(['serve', '--dir', join(folder, 'x'), ...args], {
        env: { SPANLEDGER_CONFIG: config, ...env },
      });
    const env = { SPANLEDGER_OTLP_LISTEN: 'bad.variable:99999' };
    const [file, variable, flag] = await Promise.all([
      run({}),
      run(env),
      run(env, ['--otlp-listen', 'bad.flag:99999']),
    ]);
    expect([file, variable, flag].map(({ code }) => code)).toEqual([2, 2, 2]);
    expect(file.stderr).toContain('bad.file:99999 is no address');
    expect(variable.stderr).toContain('bad.variable:99999 is no address');
    expect(flag.stderr).toContain('bad.flag:99999 is no address');
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });

  it('refuses certificates it cannot use', async () => {
    const folder = temporaryFolder();
    const tls = { cert: certificatePath('server.pem'), key: certificatePath('client.key') };
    const absolute = Object.fromEntries(
      Object.entries(tls).map(([name, path]) => [name, join(process.cwd(), path)]),
    );
    const config = settingsIn(folder, { serve: { tls: absolute } });
    const ran = await spanledger([
      'serve',
      '--dir',
      join(folder, 'x'),
      '--config',
      config,
      '--otlp-listen',
      '127.0.0.1:0',
    ]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/serve\.tls\.cert and serve\.tls\.key/);
  });

  it('lets the other commands in, a second serve not, and believes no serve.json of one that died', async () => {
    const dir = join(temporaryFolder(), 'served');
    const serving = await serve(dir);
    const { protobuf } = goldenCapture('vercel_ai-7.0.173');
    const headers = { 'content-type': 'application/x-protobuf', authorization: 'Bearer t0ken' };
    const sent = await fetch(`${serving.otlp}/v1/traces`, {
      method: 'POST',
      headers,
      body: protobuf as Buffer<ArrayBuffer>,
    });
    expect(sent.status).toBe(200);
    const left = readFileSync(join(dir, 'serve.json'), 'utf8');
    const run = (...args: string[]) => spanledger([...args, '--dir', dir, '--json']);
    const [first] = await Promise.all([
      run('query', 'by_tool'),
      run('verify').then(({ code }) => expect(code).toBe(0)),
      run('verify', '--engine', 'node').then(({ code }) => expect(code).toBe(0)),
      run('migrate').then(({ code }) => expect(code).toBe(0)),
      run('quarantine').then((ran) => expect(documentOf(ran)).toEqual([])),
      run('sql', `SELECT 1 INTO OUTFILE '${dir}/out'`).then(({ code }) => expect(code).toBe(2)),
      run('serve', '--otlp-listen', '127.0.0.1:0').then(({ code }) => expect(code).toBe(3)),
    ]);
    expect(documentOf<object[]>(first!).length).toBeGreaterThan(0);
    expect(readFileSync(join(dir, 'serve.json'), 'utf8')).toBe(left);
    expect(serving.log()).not.toMatch(/t0ken|weather/i);
    await serving.stop('SIGKILL');
    expect(readFileSync(join(dir, 'serve.json'), 'utf8')).toBe(left);
    expect((await run('verify')).code).toBe(0);
  });

  it('on a server answers the other commands of its directory for its journal, and no SQL', async () => {
    const store = await openStore(fileFolder());
    const served = new ServedClickHouse(store);
    await served.listen();
    onTestFinished(async () => {
      await served.leave();
      await store.close();
    });
    const dir = join(temporaryFolder(), 'served');
    const start = () => serve(dir, ['--url', served.url]);
    const run = (...args: string[]) => spanledger([...args, '--dir', dir, '--url', served.url, '--json']);
    let serving = await start();
    const spans = [{ traceId: 'no id', spanId: 'b'.repeat(16), name: 'x' }];
    const sent = await fetch(`${serving.otlp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
    });
    expect(await sent.json()).toMatchObject({ partialSuccess: { rejectedSpans: '1' } });
    const quarantined = async () => {
      const ran = await run('quarantine');
      expect(ran.code).toBe(0);
      return { found: documentOf<object[]>(ran).length, isTold: ran.stderr.includes('is held by another') };
    };
    expect(await quarantined()).toEqual({ found: 1, isTold: false });
    expect((await run('verify')).stderr).not.toContain('Warning');
    expect(await (await fetch(`${serving.admin}/metrics`)).text()).toMatch(/\{status="valid"\} 1/);

    const file = join(dir, 'serve.json');
    const host = JSON.parse(readFileSync(file, 'utf8')) as Host;
    expect(await codeOf(() => Store.through(host).query('SELECT 1'))).toBe('store_failed');
    // Another's, or one that is gone: the store is there all the same.
    for (const left of [{ ...host, token: 'another' }, { ...host, pid: 1 }, null]) {
      writeFileSync(file, JSON.stringify(left));
      expect(await quarantined()).toEqual({ found: 0, isTold: true });
      const { code, stderr } = await run('verify');
      expect(code).toBe(0);
      expect(stderr).toMatch(/Warning: the journal serve-\w{8} is held by another process \(\d+\)/);
    }
    await serving.stop('SIGKILL');
    writeFileSync(file, JSON.stringify(host));
    expect(await quarantined()).toEqual({ found: 1, isTold: false });
    serving = await start();
    expect(await quarantined()).toEqual({ found: 1, isTold: false });
    expect(await serving.stop('SIGTERM')).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  it('ends soon and well though somebody holds connections and says nothing', async () => {
    const serving = await serve(join(temporaryFolder(), 'served'));
    const sockets = [new URL(serving.otlp), new URL(`http://${serving.grpc}`)].map(({ hostname, port }) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      return socket;
    });
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(await serving.stop('SIGTERM')).toBe(0);
    for (const socket of sockets) socket.destroy();
  });
});
