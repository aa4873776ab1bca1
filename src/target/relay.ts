import type { SealedRecord, StoppedChain } from '../chain/seal.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { Batch } from './batch.ts';
import { lineOf } from './line.ts';
import type { Delivered, Delivery, Target } from './target.ts';

/** A sidecar's base URL, and the token it knows this app by. */
export interface RelayOptions {
  endpoint: string;
  token?: string | undefined;
  /** @default Node's own */
  fetch?: Fetch;
}

/** What of `fetch` is used. Follows no redirect, which would take the token elsewhere. */
export type Fetch = (
  url: string,
  init: { method: string; headers: { [name: string]: string }; body?: string; signal: AbortSignal },
) => Promise<{ status: number; text(): Promise<string> }>;

/** What a relay answers to entries. */
export interface RelayAnswer {
  chain_id: string;
  size: number;
  head: string;
  added: number;
  /** Sealed contents it took to the vault, where any were sent: a relay that knows none would leave refs to nothing. */
  contents?: number;
}

/** And what where a record has not its place: with 409, `added` counts what was sent all the same. */
export type RelayConflict = Required<Delivered>;

/** What an app that sends to it records by: `GET /v1/policy`. */
export interface RelayTerms {
  digest: string;
  ledger_id: string;
  /** The ledger's name in all that is signed. */
  origin: string;
  policy: PolicyDocument;
}

/** Entries of one request come to so many bytes, or are one. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** A sidecar as the target of a journal: it has the database, and keeps nothing of its own. */
export class RelayTarget implements Target {
  readonly #base: string;
  readonly #headers: { [name: string]: string };
  readonly #fetch: Fetch;

  constructor({ endpoint, token, fetch: given }: RelayOptions) {
    this.#fetch = given ?? ((url, init) => fetch(url, { ...init, redirect: 'error' }));
    this.#base = endpoint.replace(/\/$/, '');
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  async standing(chainId: string, seq: number): Promise<string[]> {
    const { body } = await this.#ask(`/v1/chains/${encodeURIComponent(chainId)}?seq=${seq}`);
    const { chain_id, standing } = body as { chain_id?: unknown; standing?: unknown };
    if (chain_id !== chainId || !isListOfText(standing)) throw noRelay(this.#base);
    return standing;
  }

  /** The ledger it is of, and its policy. */
  async terms(): Promise<RelayTerms> {
    const { body } = await this.#ask('/v1/policy');
    const { digest, ledger_id, origin, policy } = body as Partial<RelayTerms>;
    const isWhole =
      typeof digest === 'string' &&
      typeof ledger_id === 'string' &&
      typeof origin === 'string' &&
      policy?.version === 1;
    if (!isWhole) throw noRelay(this.#base);
    return { digest, ledger_id, origin, policy };
  }

  async deliver(batch: Batch, how: Delivery): Promise<Delivered> {
    let added = 0;
    let stopped: StoppedChain | undefined;
    for (const { lines, last, contents } of requestsOf(batch)) {
      const path = `/v1/entries${how === 'restored' ? '?restored=1' : ''}`;
      const { status, body } = await this.#ask(path, lines);
      if (status === 409) {
        const conflict = this.#conflictIn(body, last.chainId);
        added += conflict.added;
        stopped ??= conflict.stopped;
        if (how === 'restored') continue;
        break;
      }
      const answer = body as Partial<RelayAnswer>;
      // Whatever answers 200 is not a relay yet: what is acknowledged is the last record, by its hash.
      const isTaken = answer.chain_id === last.chainId && answer.head === last.recordHash;
      if (!isTaken || answer.size !== last.seq + 1) throw noRelay(this.#base);
      if (contents > 0 && answer.contents !== contents) throw noVault(this.#base);
      added += Number(answer.added);
    }
    return stopped === undefined ? { added } : { added, stopped };
  }

  #conflictIn(body: object, chainId: string): RelayConflict {
    const { stopped, added } = body as { stopped?: Partial<StoppedChain>; added?: unknown };
    const isWhole =
      stopped?.chainId === chainId &&
      (stopped.kind === 'fork' || stopped.kind === 'rollback') &&
      Number.isSafeInteger(stopped.seq) &&
      typeof stopped.expected === 'string' &&
      isListOfText(stopped.found);
    if (!isWhole || !Number.isSafeInteger(added)) throw noRelay(this.#base);
    return body as RelayConflict;
  }

  /** An answer that is a success or a conflict; GET without lines, else POST. */
  async #ask(path: string, lines?: string): Promise<{ status: number; body: object }> {
    let status: number;
    let text: string;
    try {
      const answer = await this.#fetch(this.#base + path, {
        method: lines === undefined ? 'GET' : 'POST',
        headers: {
          ...this.#headers,
          ...(lines === undefined ? {} : { 'content-type': 'application/x-ndjson' }),
        },
        ...(lines === undefined ? {} : { body: lines }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      status = answer.status;
      text = await answer.text();
    } catch (cause) {
      throw new SpanledgerError('store_unreachable', `the relay at ${this.#base}: ${reasonOf(cause)}`, {
        cause,
        hint: 'is the sidecar up, and is SPANLEDGER_ENDPOINT its address?',
      });
    }
    if (status === 200 || status === 409) {
      try {
        return { status, body: Object(JSON.parse(text)) as object };
      } catch {
        // told below
      }
    }
    throw refused(this.#base, status, text);
  }
}

function* requestsOf(batch: Batch): Generator<{ lines: string; last: SealedRecord; contents: number }> {
  let lines = '';
  let bytes = 0;
  let contents = 0;
  let last: SealedRecord = batch[0];
  for (const record of batch as readonly SealedRecord[]) {
    const line = lineOf(record);
    const size = Buffer.byteLength(line);
    if (lines !== '' && bytes + size > MAX_REQUEST_BYTES) {
      yield { lines, last, contents };
      lines = '';
      bytes = 0;
      contents = 0;
    }
    lines += line;
    bytes += size;
    contents += record.contents?.length ?? 0;
    last = record;
  }
  yield { lines, last, contents };
}

function isListOfText(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function noRelay(base: string): SpanledgerError {
  return new SpanledgerError('relay_refused', `what answers at ${base} is no relay`, {
    hint: 'is SPANLEDGER_ENDPOINT the OTLP/HTTP address of a spanledger sidecar?',
  });
}

function noVault(base: string): SpanledgerError {
  return new SpanledgerError('relay_refused', `the relay at ${base} did not take the contents of records`, {
    hint: 'bring the sidecar to this version: what it lacks is sent again',
  });
}

function refused(base: string, status: number, text: string): SpanledgerError {
  const message = `the relay at ${base} answered ${status}: ${text.slice(0, 500)}`;
  if (status === 429 || status >= 500) return new SpanledgerError('store_unreachable', message);
  const hint =
    status === 401 || status === 403
      ? 'is its token right, with the right `ingest`, and of this tenant?'
      : 'do both have the same ledger id?';
  return new SpanledgerError('relay_refused', message, { hint });
}

/** `fetch` says only that it failed; why is in the cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return messageOf(cause ?? error);
}
