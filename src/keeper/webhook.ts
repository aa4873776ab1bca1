import { lookup } from 'node:dns';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { WebhookSettings } from '../config/settings.ts';
import { messageOf, SpanledgerError } from '../errors.ts';

/** One call may take so long, in milliseconds, from the name's look-up to the answer's first line. */
const CALL_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
/** After so many calls it is given up; the next verification that finds the same tells it again. */
const CALLS = 5;

/** This machine, its network, and what is nobody's: who may write a settings file need not be who may reach these. */
const PRIVATE = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  PRIVATE.addSubnet(net, prefix);
for (const [net, prefix] of [
  ['::', 127],
  ['64:ff9b::', 32],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  PRIVATE.addSubnet(net, prefix, 'ipv6');

/** The address is of this machine, of a private network, or of nobody. */
export function isPrivate(address: string): boolean {
  const family = isIP(address);
  return family === 0 || PRIVATE.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Tells a webhook, until it has answered 2xx. Follows no redirect, and goes to no private address unless it may.
 *
 * @param pause resolves after so many milliseconds; false where it is not to be tried again.
 * @throws SpanledgerError `webhook_failed`: it has not been told.
 */
export async function tellWebhook(
  settings: WebhookSettings,
  told: object,
  pause: (milliseconds: number) => Promise<boolean>,
): Promise<void> {
  const body = JSON.stringify(told);
  for (let call = 1; ; call++) {
    try {
      const status = await post(settings, body);
      if (status >= 200 && status < 300) return;
      throw failed(settings, `it answered ${status}`);
    } catch (error) {
      const isOver = call === CALLS || !(await pause(FIRST_RETRY_MS * 4 ** (call - 1)));
      if (isOver) throw error instanceof SpanledgerError ? error : failed(settings, messageOf(error), error);
    }
  }
}

function post({ url, headers, allow_private }: WebhookSettings, body: string): Promise<number> {
  const { protocol, hostname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  // A look-up of its own, so that the address that was looked at is the one that is called. It is asked of names only.
  if (!allow_private && isIP(host) !== 0 && isPrivate(host)) return Promise.reject(refused(host));
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    ...(allow_private ? {} : { lookup: publicOnly }),
    signal: AbortSignal.timeout(CALL_MS),
  };
  return new Promise((resolve, reject) => {
    const sent = (protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (answer) => {
      // What it says beside is of no use, and may be endless.
      answer.destroy();
      resolve(answer.statusCode!);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

const publicOnly: LookupFunction = (hostname, options, found) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const hidden = addresses?.find(({ address }) => isPrivate(address));
    if (error !== null || hidden !== undefined) found(error ?? refused(hidden!.address), '');
    else if (options.all === true) found(null, addresses);
    else found(null, addresses[0]!.address, addresses[0]!.family);
  });
};

function refused(address: string): Error {
  return new Error(`its address is ${address}, of this machine or a private network`);
}

function failed({ url }: WebhookSettings, why: string, cause?: unknown): SpanledgerError {
  // A path often is the secret.
  return new SpanledgerError('webhook_failed', `the webhook at ${new URL(url).host} was not told: ${why}`, {
    cause,
    hint: 'look whether it is up; where it is on this machine or a private network, set keeper.webhook.allow_private: true',
  });
}
