import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Fetch } from '../target/relay.ts';

/** A line that is not there after so long is given up: until then it holds the process. In milliseconds. */
const CONNECT_WITHIN_MS = 3_000;

/**
 * As `fetch`, of an app whose guest we are: a request under way does not keep the process running, which would wait
 * for a relay that does not answer.
 */
export const guestFetch: Fetch = async (url, { method, headers, body, signal }) => {
  const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, { method, headers, signal });
  request.on('socket', asGuest);
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.end(body);
  });
  return { status: answer.statusCode ?? 0, text: () => text(answer) };
};

/** A line that holds no process: an address that takes no connection, and refuses none, does for 3 s. */
export function asGuest<T extends Duplex | null | undefined>(line: T): T {
  const socket = line as Partial<Socket> | null | undefined;
  socket?.unref?.();
  if (socket?.connecting !== true) return line;
  const late = setTimeout(() => {
    socket.destroy?.(
      Object.assign(new Error(`no connection within ${CONNECT_WITHIN_MS} ms`), { code: 'ETIMEDOUT' }),
    );
  }, CONNECT_WITHIN_MS).unref();
  const inTime = () => clearTimeout(late);
  socket.once?.('connect', inTime).once('close', inTime);
  return line;
}
