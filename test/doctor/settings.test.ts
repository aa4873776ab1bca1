import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { readSettings } from '../../src/config/settings.ts';
import type { Check } from '../../src/doctor/check.ts';
import { settingsChecks } from '../../src/doctor/settings.ts';
import { certificatePath, SERVER } from '../support/certificates.ts';
import { temporaryFolder } from '../support/cli.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-21T00:00:00Z');
const ENDS = Date.parse(new X509Certificate(SERVER.cert).validTo);

/** Of a directory with these settings, and the test's certificates beside them. */
function checksOf(yaml: string, now = NOW, env = {}): Check[] {
  const layout = layoutOf(temporaryFolder());
  mkdirSync(join(layout.dir, 'tls'));
  for (const name of ['server.pem', 'server.key', 'client.key', 'ca.pem'])
    copyFileSync(certificatePath(name), join(layout.dir, 'tls', name));
  writeFileSync(layout.settingsFile, `version: 1\n${yaml}`);
  const settings = readSettings(layout.settingsFile);
  return settingsChecks(layout, settings, layout.settingsFile, env, now);
}

const of = (checks: readonly Check[], name: string) => checks.filter(({ check }) => check === name);
const TLS = (key = 'server.key') =>
  `serve: {tls: {cert: tls/server.pem, key: tls/${key}, client_ca: tls/ca.pem}}\n`;
const TOKEN = `tokens: [{subject: a, sha256: '${'ab'.repeat(32)}', rights: [ingest]}]\n`;

describe('settings, as doctor sees them', () => {
  it('are well by default', () => {
    expect(checksOf('').filter(({ status }) => status === 'warn' || status === 'fail')).toEqual([]);
  });

  it('say how long their certificates hold', () => {
    const said = (now: number) => of(checksOf(TLS(), now), 'settings.tls').map(({ status }) => status);
    expect(said(NOW)).toEqual(['ok', 'ok']);
    expect(said(ENDS - 31 * DAY)[0]).toBe('ok');
    expect(said(ENDS - 29 * DAY)[0]).toBe('warn');
    expect(said(ENDS)[0]).toBe('fail');
    const [ended] = of(checksOf(TLS(), ENDS + DAY), 'settings.tls');
    expect(ended).toMatchObject({ status: 'fail', remedy: expect.stringContaining('tls/server.pem') });
  });

  it.each([
    ['of another certificate', TLS('client.key')],
    ['that is not there', TLS('nobody.key')],
  ])('fail for a key %s', (_, yaml) => {
    const [check, ...more] = of(checksOf(yaml), 'settings.tls');
    expect(more).toEqual([]);
    expect(check).toMatchObject({ status: 'fail', remedy: expect.stringContaining('PEM') });
  });

  it.each([
    ['serve: {otlp_listen: 0.0.0.0:4318}', {}, 'fail', 'spanledger token'],
    [`${TOKEN}serve: {otlp_listen: 0.0.0.0:4318}`, {}, 'fail', 'serve.tls.cert'],
    [`${TOKEN}serve: {otlp_listen: 0.0.0.0:4318, insecure: true}`, {}, 'warn', 'serve.insecure: false'],
    ['', { SPANLEDGER_ADMIN_LISTEN: '10.0.0.1:4319' }, 'fail', 'spanledger token'],
    ['', { SPANLEDGER_ADMIN_LISTEN: 'nowhere' }, 'fail', '127.0.0.1:4318'],
    ['serve: {otlp_listen: "[::1]:4318"}', {}, 'ok', undefined],
  ])('%j with %j listens: %s', (yaml, env, status, remedy) => {
    const [check] = of(checksOf(yaml, NOW, env), 'settings.listen');
    expect(check!.status).toBe(status);
    if (remedy !== undefined) expect(check!.remedy).toContain(remedy);
  });

  it.each([
    ['http://127.0.0.1:14318', 'ok'],
    ['http://[::1]:14318', 'ok'],
    ['https://otel.example.com', 'ok'],
    ['http://otel.example.com:4318', 'warn'],
  ])('forwarding to %s: %s', (endpoint, status) => {
    const [check] = of(checksOf(`serve: {forward: {endpoint: "${endpoint}"}}`), 'settings.forward');
    expect(check!.status).toBe(status);
    if (status === 'warn') expect(check!.remedy).toContain('https://otel.example.com:4318');
  });
});
