import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Fetch } from '../target/relay.ts';

/**
 * As `fetch`, of an app whose guest we are: a request under way does not keep the process running, which would wait
 * for a relay that does not answer.
 */
export const guestFetch: Fetch = async (url, { method, headers, body, signal }) => {
  const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, { method, headers, signal });
  request.on('socket', (socket) => socket.unref());
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.end(body);
  });
  return { status: answer.statusCode ?? 0, text: () => text(answer) };
};
