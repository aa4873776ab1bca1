import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServeSettings } from '../../src/config/settings.ts';
import { parseSettings } from '../../src/config/settings.ts';
import { addressOf, certificatesOf, isLoopback, refuseOpen, textOf } from '../../src/server/listen.ts';
import { CA, CLIENT, certificatePath, FOREIGN, SERVER } from '../support/certificates.ts';
import { temporaryFolder } from '../support/cli.ts';
import { codeOf } from '../support/ledger-kit.ts';
import { startReceiver } from '../support/receiver.ts';

const settings = (more: Partial<ServeSettings> = {}): ServeSettings => ({
  ...parseSettings('version: 1', 'x').serve,
  ...more,
});
const TLS = { cert: 'a', key: 'b' };

describe('an address', () => {
  it.each([
    ['127.0.0.1:4318', '127.0.0.1', 4318],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65535],
  ])('%s is read', (text, host, port) => {
    expect(addressOf(text, 'x')).toEqual({ host, port });
    expect(textOf({ host, port })).toBe(text);
  });

  it.each([
    '',
    '4318',
    ':4318',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '::1:4318',
    '[]:1',
    '[::1]',
    '127.0.0.1:-1',
    '127.0.0.1:1e3',
    '127.0.0.1:4318\n',
  ])('%j is none', async (text) => {
    expect(await codeOf(() => addressOf(text, 'x'))).toBe('usage_invalid');
  });

  it('is read, or refused, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.stringMatching(/^[[\]:.0-9a-f]{0,12}:\d{1,6}$/)),
        async (text) => {
          const code = await codeOf(() => {
            const address = addressOf(text, 'x');
            expect(addressOf(textOf(address), 'x')).toEqual(address);
          });
          expect(['usage_invalid', 'no error']).toContain(code);
        },
      ),
    );
  });
});

describe('listening beyond this machine', () => {
  it.each(['127.0.0.1', '127.8.9.10', '::1', 'localhost'])('is not what %s does', (host) => {
    expect(isLoopback({ host, port: 1 })).toBe(true);
    refuseOpen({ host, port: 1 }, 'x', settings(), false);
  });

  it.each([
    '0.0.0.0',
    '::',
    '0',
    '*',
    '10.0.0.1',
    'example.org',
    '::ffff:127.0.0.1',
    '::ffff:0.0.0.0',
    '0:0:0:0:0:0:0:0',
    '127.0.0.256',
    '127.0.0.1.example.org',
    'localhost.example.org',
    'fe80::1%lo',
  ])('is what %s does: it needs tokens, and TLS or a word', async (host) => {
    const code = (serve: ServeSettings, hasTokens: boolean) =>
      codeOf(() => refuseOpen({ host, port: 1 }, 'x', serve, hasTokens));
    expect(await code(settings(), false)).toBe('usage_invalid');
    expect(await code(settings({ insecure: true, tls: TLS }), false)).toBe('usage_invalid');
    expect(await code(settings(), true)).toBe('usage_invalid');
    expect(await code(settings({ tls: TLS }), true)).toBe('no error');
    expect(await code(settings({ insecure: true }), true)).toBe('no error');
  });
});

describe('certificates', () => {
  it('that cannot be used are refused by the setting that names them', () => {
    const folder = temporaryFolder();
    const nonsense = join(folder, 'nonsense.pem');
    writeFileSync(nonsense, 'not a certificate');
    const [cert, key, ca] = ['server.pem', 'server.key', 'ca.pem'].map(certificatePath) as [
      string,
      string,
      string,
    ];
    expect(certificatesOf({ cert, key, client_ca: ca })).toMatchObject(SERVER);
    expect(() => certificatesOf({ cert: join(folder, 'none'), key })).toThrow(/serve\.tls\.cert: ENOENT/);
    expect(() => certificatesOf({ cert: nonsense, key })).toThrow(/serve\.tls\.cert and serve\.tls\.key/);
    expect(() => certificatesOf({ cert, key: certificatePath('client.key') })).toThrow(
      /serve\.tls\.cert and/,
    );
    expect(() => certificatesOf({ cert, key, client_ca: nonsense })).toThrow(/serve\.tls\.client_ca/);
  });
});

describe('HTTP over TLS', () => {
  interface Peer {
    ca?: Buffer;
    cert?: Buffer;
    key?: Buffer;
  }
  /** The status, or why there is none. */
  const ask = (url: string, peer: Peer): Promise<number | string | undefined> =>
    new Promise((resolve) => {
      const sent = request(
        `${url}/v1/traces`,
        { method: 'POST', headers: { 'content-type': 'application/json' }, agent: false, ...peer },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      sent.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      sent.end('{}');
    });

  it('is taken from clients who trust its certificate', async () => {
    const receiver = await startReceiver({ certificates: SERVER });
    expect(await ask(receiver.url, { ca: CA })).toBe(200);
    expect(await ask(receiver.url, {})).toMatch(/CERT|SIGNATURE/);
    expect(await fetch(receiver.url.replace('https', 'http')).catch(() => 'refused')).toBe('refused');
    await receiver.close();
  });

  it('with an authority for clients hears only those of it', async () => {
    const receiver = await startReceiver({ certificates: { ...SERVER, ca: CA } });
    expect(await ask(receiver.url, { ca: CA, ...CLIENT })).toBe(200);
    expect(await ask(receiver.url, { ca: CA })).toMatch(/^E/);
    expect(await ask(receiver.url, { ca: CA, ...FOREIGN })).toMatch(/^E/);
    await receiver.close();
  });

  it('ends though somebody holds a connection and says nothing', async () => {
    const receiver = await startReceiver({ certificates: SERVER });
    const socket = connect(Number(new URL(receiver.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    const gone = new Promise((resolve) => socket.once('close', resolve));
    // Accepted by the server once it answers somebody who came after.
    expect(await ask(receiver.url, { ca: CA })).toBe(200);
    await receiver.httpServer.close(50);
    await gone;
    await receiver.close();
  });
});
