import type { IncomingMessage } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { Refusal } from './answers.ts';
import type { Holding } from './budget.ts';

/** Bytes that one request may have, as sent and as inflated. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

const INFLATE: { [encoding: string]: () => Transform } = { gzip: createGunzip, deflate: createInflate };

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
  const sent = await collect(request, holding, limit, 'the request was cut off');
  if (encoding === 'identity') return { sent, encoding, inflated: sent };
  // In a stream, so that what comes out is held as it comes.
  const inflating = Readable.from([sent]).pipe(INFLATE[encoding]!());
  return { sent, encoding, inflated: await collect(inflating, holding, limit, `the body is no ${encoding}`) };
}

/** @throws Refusal as `readBody`; 400 with `broken` where the stream fails. Leaving the loop destroys the stream. */
async function collect(
  stream: AsyncIterable<Buffer>,
  holding: Holding,
  limit: number,
  broken: string,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      holding.take(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, broken);
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(limit: number): Refusal {
  return new Refusal(413, `a request may have ${limit} bytes, inflated`);
}
