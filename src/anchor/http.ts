import { mismatch, refused, unreachable } from './anchor.ts';

/** What of `fetch` is used. */
export interface Question {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST';
  url: string;
  headers?: { [name: string]: string };
  body?: Uint8Array<ArrayBuffer> | string;
  signal: AbortSignal;
  /** Of the answer, at most. */
  maxBytes: number;
  /** Statuses the caller understands, beside 200. */
  knows?: readonly number[];
  /** What of a refusal's body may be told: it may quote the request. @default nothing */
  told?: (body: string) => string;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/** 408, 429 and 5xx pass: again later. */
const isPassing = (status: number) => status === 408 || status === 429 || status >= 500;

/**
 * Asks an anchor. Follows no redirect: who was configured is who must answer, and a signed request is for nobody else.
 *
 * @throws SpanledgerError `anchor_unreachable`, `anchor_refused`, or `anchor_mismatch` for more than an answer has;
 *   or what `fetch` throws
 */
export async function ask(anchor: string, question: Question): Promise<Answer> {
  const { method, url, headers = {}, body, signal, maxBytes, knows = [], told } = question;
  const answer = await fetch(url, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    redirect: 'manual',
    signal,
  });
  const { status } = answer;
  if (status >= 300 && status < 400) {
    await answer.body?.cancel();
    throw refused(
      anchor,
      `it answered ${status}: a redirect, which is not followed`,
      'configure the address it really has',
    );
  }
  const bytes = await bodyOf(anchor, answer, maxBytes);
  if (status === 200 || knows.includes(status)) return { status, headers: answer.headers, body: bytes };
  const why = told === undefined ? '' : plain(told(bytes.toString('utf8')));
  const said = `it answered ${status}${why === '' ? '' : `: ${why}`}`;
  if (isPassing(status)) throw unreachable(anchor, said);
  throw refused(anchor, said, hintFor(status));
}

async function bodyOf(anchor: string, answer: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw mismatch(anchor, `its answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Somebody else's words, for one line of a terminal. */
function plain(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 300);
}

function hintFor(status: number): string {
  if (status === 401 || status === 403) return 'are its credentials right, and do they allow this?';
  if (status === 404) return 'is its address right, and does it know this ledger?';
  return 'is its address right, and is it an anchor of this kind?';
}
