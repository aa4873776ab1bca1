import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { goldenCapture } from '../support/captures.ts';
import { certificatePath } from '../support/certificates.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { serve } from '../support/serve.ts';
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
