import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { Refusal } from './answers.ts';
import type { Holding } from './budget.ts';

/** Bytes that one request may have, as sent and as inflated. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

const INFLATE: {
  [encoding: string]: (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;
} = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/** A request's body, and the bytes it came in. */
export interface Body {
  sent: Buffer;
  encoding: string;
  inflated: Buffer;
}

/**
 * A request's whole body, inflated. Its bytes are held from the moment they come.
 *
 * @throws Refusal 413 beyond the limit, before or after inflating; 415 for an encoding nobody asked us to know;
 * 400 for one that does not inflate, or ends early; 429 when there is no room for it now.
 */
export async function readBody(
  request: IncomingMessage,
  holding: Holding,
  limit = MAX_BODY_BYTES,
): Promise<Body> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() || 'identity';
  if (encoding !== 'identity' && !Object.hasOwn(INFLATE, encoding))
    throw new Refusal(415, 'the content encoding is neither gzip, deflate nor identity');
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  const sent = await collect(request, holding, limit);
  return { sent, encoding, inflated: await inflated(sent, encoding, holding, limit) };
}

/** @throws Refusal as `readBody` */
async function inflated(sent: Buffer, encoding: string, holding: Holding, limit: number): Promise<Buffer> {
  if (encoding === 'identity') return sent;
  let body: Buffer;
  try {
    body = await INFLATE[encoding]!(sent, { maxOutputLength: limit });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit);
    throw new Refusal(400, `the body is no ${encoding}`);
  }
  holding.take(body.length);
  return body;
}

async function collect(request: IncomingMessage, holding: Holding, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      holding.take(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'the request was cut off');
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(limit: number): Refusal {
  return new Refusal(413, `a request may have ${limit} bytes, inflated`);
}
