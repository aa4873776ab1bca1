import { hash, randomBytes } from 'node:crypto';
import {
  type Anchor,
  type Anchored,
  type Checkpoint,
  mismatch,
  type ReceiptOf,
  refused,
  TIME_LIMIT_MS,
  textOf,
  unreachable,
  within,
} from './anchor.ts';
import { NoDer } from './der.ts';
import { ask } from './http.ts';
import { verifyToken } from './openssl.ts';
import { nonceOf, parseReply, parseToken, type TstInfo, timestampRequest } from './rfc3161.ts';

export interface TsaOptions {
  name: string;
  url: string;
  /** A PEM file: the roots that are believed for this authority, and nothing else on this machine. */
  ca: string;
  /** @default openssl */
  openssl?: string | undefined;
  /** 8 bytes. @default random ones */
  random?: (() => Uint8Array) | undefined;
  /** @default TIME_LIMIT_MS */
  timeLimitMs?: number | undefined;
}

/** A token has some kB with its certificates. */
const MAX_REPLY_BYTES = 256 * 1024;
const NONCE_BYTES = 8;

/**
 * A timestamp authority (RFC 3161): says that the checkpoint's text was there at its time. It keeps nothing, so the
 * token in the receipt is all there is of it.
 */
export class TsaAnchor implements Anchor {
  readonly kind = 'tsa';
  readonly name: string;
  readonly #options: TsaOptions;

  constructor(options: TsaOptions) {
    this.name = options.name;
    this.#options = options;
  }

  publish({ origin, size, root }: Checkpoint): Promise<ReceiptOf<'tsa'>> {
    const { ca, openssl, random = () => randomBytes(NONCE_BYTES) } = this.#options;
    return within(this.name, this.#options.timeLimitMs ?? TIME_LIMIT_MS, async (signal) => {
      const imprint = imprintOf({ origin, size, root });
      const nonce = nonceOf(random());
      const token = await this.#stamp(timestampRequest(imprint, nonce), signal);
      const said = tokenSaying(this.name, token);
      const wrong = wrongIn(said, imprint, nonce);
      if (wrong !== undefined) throw mismatch(this.name, wrong);
      const { genTime, policy, serial } = said;
      const check = await verifyToken({ token, imprint, genTime }, ca, openssl);
      if (check.status === 'bad')
        throw mismatch(
          this.name,
          `its token does not verify: ${check.why}`,
          `is ${ca} the root of this authority?`,
        );
      // Unchecked, its time is a claim of whoever answered.
      const attested = check.status === 'verified' ? { attested_at: genTime } : {};
      const proof = { token: token.toString('base64'), nonce, policy, serial };
      return { anchor: this.name, kind: this.kind, origin, size, root, ...attested, proof };
    });
  }

  list(): Promise<Anchored[]> {
    return Promise.resolve([]);
  }

  async #stamp(request: Buffer<ArrayBuffer>, signal: AbortSignal): Promise<Buffer> {
    const answer = await ask(this.name, {
      method: 'POST',
      url: this.#options.url,
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body: request,
      signal,
      maxBytes: MAX_REPLY_BYTES,
    });
    const reply = read(this.name, () => parseReply(answer.body));
    if (reply.status === 'granted') return reply.token;
    if (reply.isPassing) throw unreachable(this.name, `it rejected the request with ${reply.why}`);
    throw refused(
      this.name,
      `it rejected the request with ${reply.why}`,
      'does it stamp SHA-256 for everybody?',
    );
  }
}

/** What an authority is asked to stamp: the SHA-256 of the checkpoint's text, hex. */
export function imprintOf(checkpoint: Pick<Checkpoint, 'origin' | 'size' | 'root'>): string {
  return hash('sha256', textOf(checkpoint));
}

/** @throws SpanledgerError `anchor_mismatch` for what is no token */
export function tokenSaying(anchor: string, token: Buffer): TstInfo {
  return read(anchor, () => parseToken(token));
}

/** Why a token is not the answer to this question; undefined where it is. */
export function wrongIn(said: TstInfo, imprint: string, nonce: string): string | undefined {
  if (said.imprint !== imprint) return 'its token is of another digest';
  if (said.nonce === undefined) return 'its token has no nonce: it may be an old one';
  if (said.nonce !== nonce) return 'its token has another nonce: it was made for another request';
  return undefined;
}

function read<T>(anchor: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof NoDer)) throw error;
    throw mismatch(anchor, `what it answered is no timestamp: ${error.message}`);
  }
}
