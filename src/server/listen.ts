import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Environment } from '../config/deployment.ts';
import type { ServeSettings } from '../config/settings.ts';
import { messageOf, SpanledgerError } from '../errors.ts';

/** Where to listen. */
export interface Address {
  host: string;
  port: number;
}

/** Certificates as PEM; with `ca` clients must show one of it. */
export interface Certificates {
  cert: Buffer;
  key: Buffer;
  ca?: Buffer;
}

/**
 * @param what the setting, for the error.
 * @throws SpanledgerError `usage_invalid`
 */
export function addressOf(listen: string, what: string): Address {
  const [, bracketed, plain, text] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain;
  const port = Number(text);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new SpanledgerError('usage_invalid', `${what} ${listen} is no address`, {
    hint: 'write it as 127.0.0.1:4318; port 0 takes a free one',
  });
}

/** Where each door is by default, by its flag. */
export const DOORS = {
  'otlp-listen': '127.0.0.1:4318',
  'otlp-grpc-listen': '127.0.0.1:4317',
  'admin-listen': '127.0.0.1:4319',
} as const;

/**
 * Flags over variables over the file over defaults.
 *
 * @throws SpanledgerError `usage_invalid`
 */
export function listensAt(
  name: keyof typeof DOORS,
  env: Environment,
  serve: ServeSettings,
  flag?: string,
): Address {
  const setting = name.replaceAll('-', '_') as 'otlp_listen' | 'otlp_grpc_listen' | 'admin_listen';
  return addressOf(
    flag ?? env[`SPANLEDGER_${setting.toUpperCase()}`] ?? serve[setting] ?? DOORS[name],
    `--${name}`,
  );
}

export function textOf({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What is not an address but a name is looked up: `127.0.0.256` may be anywhere. */
export function isLoopback({ host }: Address): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/**
 * Whoever can reach a port can write records in anybody's name: beyond this machine there must be tokens, and
 * nobody on the way who reads them.
 *
 * @throws SpanledgerError `usage_invalid`
 */
export function refuseOpen(
  address: Address,
  what: string,
  settings: ServeSettings,
  hasTokens: boolean,
): void {
  if (isLoopback(address)) return;
  const open = `${what} ${textOf(address)} is open to other machines`;
  if (!hasTokens) {
    throw new SpanledgerError('usage_invalid', `${open}, and there are no tokens`, {
      hint: 'listen on 127.0.0.1, or list tokens in spanledger.yaml: `spanledger token` makes one',
    });
  }
  if (settings.tls === undefined && !settings.insecure) {
    throw new SpanledgerError('usage_invalid', `${open}, without TLS`, {
      hint: 'set serve.tls.cert and serve.tls.key in spanledger.yaml, or serve.insecure: true where something in front has TLS',
    });
  }
}

/** @throws SpanledgerError `config_invalid` */
export function certificatesOf(tls: ServeSettings['tls']): Certificates | undefined {
  if (tls === undefined) return undefined;
  const ca = tls.client_ca === undefined ? {} : { ca: read('serve.tls.client_ca', tls.client_ca) };
  const pair = { cert: read('serve.tls.cert', tls.cert), key: read('serve.tls.key', tls.key) };
  refuseUnusable('serve.tls.cert and serve.tls.key', () => createSecureContext(pair));
  // A context would pass over an authority it cannot read, and then trust nobody.
  if (ca.ca !== undefined) refuseUnusable('serve.tls.client_ca', () => new X509Certificate(ca.ca));
  return { ...pair, ...ca };
}

function refuseUnusable(setting: string, use: () => unknown): void {
  try {
    use();
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `${setting}: ${messageOf(cause)}`, {
      cause,
      hint: 'they are PEM files: a certificate, and the private key it was made for, without a passphrase',
    });
  }
}

function read(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `${setting}: ${messageOf(cause)}`, {
      cause,
      hint: 'it names a PEM file, relative to the folder of spanledger.yaml',
    });
  }
}
