import { setTimeout as wait } from 'node:timers/promises';
import type { ForwardSettings } from '../config/settings.ts';

/** One OTLP/HTTP request, as it came. */
export interface Forwarded {
  path: string;
  /** The content type, in the sender's own words. */
  type: string;
  /** Of its body: `identity`, `gzip` … */
  encoding: string;
  body: Buffer;
}

export interface ForwardCounts {
  sent: number;
  /** There was no room, or the backend refused for good. */
  dropped: number;
  retries: number;
}

/** Requests under way at once. */
const LANES = 4;
/** What waits costs so much beside its body: else requests without one would wait without end. */
const REQUEST_BYTES = 1_024;
const TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** A request that the backend never takes would hold up those behind it for ever. */
const GIVE_UP_MS = 5 * 60_000;
/** The OTLP specification's retryable answers. */
const RETRYABLE = new Set([429, 502, 503, 504]);

/**
 * Sends on, to another OTLP backend, what was recorded. It has a queue of its own in memory and never holds up
 * the audit path: what its queue has no room for is dropped and counted, as the ledger has it already.
 */
export class Forward {
  readonly counts: ForwardCounts = { sent: 0, dropped: 0, retries: 0 };
  readonly #settings: ForwardSettings;
  readonly #queue: Forwarded[] = [];
  readonly #stop = new AbortController();
  readonly #lanes = new Set<Promise<void>>();
  #bytes = 0;

  constructor(settings: ForwardSettings) {
    this.#settings = settings;
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  send(request: Forwarded): void {
    const bytes = request.body.length + REQUEST_BYTES;
    if (this.#stop.signal.aborted || this.#bytes + bytes > this.#settings.max_queue_bytes) {
      this.counts.dropped += 1;
      return;
    }
    this.#bytes += bytes;
    this.#queue.push(request);
    if (this.#lanes.size < LANES) this.#open();
  }

  /** Gives what is queued so long to leave, in milliseconds; what is left then is dropped and counted. */
  async close(within: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), within);
    while (this.#lanes.size > 0) await Promise.all(this.#lanes);
    clearTimeout(timer);
    this.#stop.abort();
    this.counts.dropped += this.#queue.length;
    this.#queue.length = 0;
  }

  #open(): void {
    const lane = this.#run().finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  }

  async #run(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const sent = await this.#deliver(next);
      this.counts[sent ? 'sent' : 'dropped'] += 1;
      this.#bytes -= next.body.length + REQUEST_BYTES;
      if (this.#stop.signal.aborted) return;
    }
  }

  async #deliver(request: Forwarded): Promise<boolean> {
    const until = performance.now() + GIVE_UP_MS;
    for (let failures = 0; !this.#stop.signal.aborted && performance.now() < until; failures++) {
      const status = await this.#post(request);
      if (status !== undefined && !RETRYABLE.has(status)) return status < 300;
      this.counts.retries += 1;
      const most = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
      await wait(Math.random() * most, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    return false;
  }

  /** Undefined when the backend cannot be reached. */
  async #post({ path, type, encoding, body }: Forwarded): Promise<number | undefined> {
    const compressed = encoding === 'identity' ? {} : { 'content-encoding': encoding };
    try {
      const answer = await fetch(this.#settings.endpoint.replace(/\/$/, '') + path, {
        method: 'POST',
        headers: { 'content-type': type, ...compressed, ...this.#settings.headers },
        body: body as Buffer<ArrayBuffer>,
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        redirect: 'error',
      });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return undefined;
    }
  }
}
