import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { Environment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { packaged } from '../config/package.ts';
import type { ServeSettings, Settings } from '../config/settings.ts';
import { certificatesOf, DOORS, isLoopback, listensAt, refuseOpen, textOf } from '../server/listen.ts';
import { type Check, count, fail, failed, ok, skipped, warn } from './check.ts';

/** Days before its end that a certificate is warned of: enough to get another. */
const WARN_DAYS = 30;
const DAY_MS = 86_400_000;

/** What `serve` would make of its settings. */
export function settingsChecks(
  { settingsFile, settingsSchemaFile }: Layout,
  settings: Settings,
  source: string,
  env: Environment,
  now: number,
): Check[] {
  const { serve, tokens } = settings;
  const isThere = source !== settingsFile || existsSync(source);
  return [
    isThere
      ? ok('settings.file', `${source} holds no mistake; ${count(tokens.length, 'token')}`)
      : ok('settings.file', `there is no ${source}: the defaults hold`),
    schemaCheck(settingsSchemaFile),
    listenCheck(serve, tokens.length, env),
    ...tlsChecks(serve.tls, now),
    forwardCheck(serve.forward),
  ];
}

/** An editor believes it, and would underline what is right. */
function schemaCheck(file: string): Check {
  const check = 'settings.schema';
  if (!existsSync(file)) return skipped(check, `there is no ${file} for editors; spanledger init makes one`);
  return readFileSync(file, 'utf8') === packaged('deploy/spanledger.schema.json')
    ? ok(check, `${file} is this version's`)
    : warn(check, `${file} is another version's: editors judge the settings by it`, 'spanledger init');
}

function listenCheck(serve: ServeSettings, tokens: number, env: Environment): Check {
  const check = 'settings.listen';
  try {
    const names = Object.keys(DOORS) as (keyof typeof DOORS)[];
    const addresses = names.map((name) => {
      const address = listensAt(name, env, serve);
      refuseOpen(address, `--${name}`, serve, tokens > 0);
      return address;
    });
    const isOpen = addresses.some((address) => !isLoopback(address));
    const found = `serve listens at ${addresses.map(textOf).join(', ')}, ${isOpen ? 'open to other machines' : 'this machine alone'}`;
    if (isOpen && serve.tls === undefined)
      return warn(
        check,
        `${found}, without TLS (serve.insecure): tokens and spans can be read on the way, unless something in front has TLS`,
        'set serve.tls.cert and serve.tls.key in spanledger.yaml, and serve.insecure: false',
      );
    return ok(check, `${found}, ${count(tokens, 'token')}`);
  } catch (error) {
    return failed(check, error);
  }
}

function tlsChecks(tls: ServeSettings['tls'], now: number): Check[] {
  const check = 'settings.tls';
  if (tls === undefined) return [skipped(check, 'serve.tls is not set')];
  try {
    const { cert, ca } = certificatesOf(tls)!;
    return [
      expiryCheck('serve.tls.cert', tls.cert, cert, now),
      ...(ca === undefined ? [] : [expiryCheck('serve.tls.client_ca', tls.client_ca!, ca, now)]),
    ];
  } catch (error) {
    return [failed(check, error)];
  }
}

function expiryCheck(setting: string, path: string, pem: Buffer, now: number): Check {
  const check = 'settings.tls';
  const ends = Date.parse(new X509Certificate(pem).validTo);
  const days = Math.floor((ends - now) / DAY_MS);
  const date = new Date(ends).toISOString().slice(0, 10);
  const remedy = `put a new certificate at ${path}, and start spanledger serve again`;
  if (ends <= now) return fail(check, `${setting} ${path} ended on ${date}`, remedy);
  if (days < WARN_DAYS)
    return warn(check, `${setting} ${path} ends on ${date}, in ${count(days, 'day')}`, remedy);
  return ok(check, `${setting} ${path} ends on ${date}, in ${count(days, 'day')}`);
}

/** What is forwarded is the traffic as it came: nothing in it is redacted. */
function forwardCheck(forward: ServeSettings['forward']): Check {
  const check = 'settings.forward';
  if (forward === undefined) return skipped(check, 'serve.forward is not set');
  const { protocol, hostname, host } = new URL(forward.endpoint);
  const isHere = isLoopback({ host: hostname.replace(/^\[|\]$/g, ''), port: 0 });
  return protocol === 'https:' || isHere
    ? ok(check, `forwards to ${protocol}//${host}`)
    : warn(
        check,
        `forwards to ${protocol}//${host}: prompts and arguments can be read on the way`,
        `set serve.forward.endpoint to https://${host}`,
      );
}
