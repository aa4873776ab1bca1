import type { IncomingMessage } from 'node:http';
import { createGunzip, createInflate } from 'node:zlib';
import { Refusal } from './answers.ts';

/** Bytes that one request may have, as sent and as inflated. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/**
 * A request's whole body, inflated.
 *
 * @throws Refusal 413 beyond the limit, before or after inflating; 415 for an encoding nobody asked us to know;
 * 400 for one that does not inflate, or ends early.
 */
export async function readBody(request: IncomingMessage, limit = MAX_BODY_BYTES): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limit) throw tooLarge(limit);
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return collect(request, limit);
  const inflate = encoding === 'gzip' ? createGunzip() : encoding === 'deflate' ? createInflate() : undefined;
  if (inflate === undefined)
    throw new Refusal(415, 'the content encoding is neither gzip, deflate nor identity');
  let sent = 0;
  request.on('data', (chunk: Buffer) => {
    sent += chunk.length;
    if (sent > limit) inflate.destroy(tooLarge(limit));
  });
  request.once('error', (error) => inflate.destroy(error));
  request.once('aborted', () => inflate.destroy(new Refusal(400, 'the request was cut off')));
  request.pipe(inflate);
  try {
    return await collect(inflate, limit);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, `the body is no ${encoding}`);
  }
}

async function collect(stream: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(limit: number): Refusal {
  return new Refusal(413, `a request may have ${limit} bytes, inflated`);
}
