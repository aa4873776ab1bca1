import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, SpanledgerError } from '../errors.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { MasterKey, MasterKeys } from '../policy/keyring.ts';
import { compilePolicy } from '../policy/policy.ts';
import type { Encoding } from './answers.ts';
import { type BodyRead, type Understanding, understandBody } from './understanding.ts';

/** A smaller body, of a span or two, costs this thread less to read than to send to another and hear of. */
const CROSSES_FROM_BYTES = 2 * 1024;
/** Bodies a thread is given at a time: it has the next at hand while this one's answer waits to be heard. */
const AT_HAND = 2;
/** Bodies that wait for a thread; beyond them a sender is to come again. */
const MAX_WAITING = 1_024;
/** Threads one body is given to. One that has ended two of them ends no third. */
const MAX_TRIES = 2;

/** No body takes so long: a thread that does is stuck, and ended. In milliseconds. */
const READ_WITHIN_MS = 60_000;

/** What a thread compiles its policy from. */
export interface PolicyGiven {
  /** One, or all that are live, oldest first. */
  master: MasterKey | MasterKeys;
  document: PolicyDocument;
}

export interface PoolOptions extends PolicyGiven {
  /** @default one a processor, but for the one that this thread needs */
  threads?: number;
  /** Starts a thread. Tests end what it gives. */
  start?: (policy: PolicyGiven) => Worker;
}

/** A body, as a thread is asked to read it. */
export interface Asked {
  id: number;
  signal: 'traces' | 'logs';
  encoding: Encoding;
  body: Uint8Array;
  tenant: string | undefined;
}

/** What a thread answers. An error crosses as what it is made of. */
export type Answer =
  | { id: number; read: BodyRead }
  | { id: number; refused: { code: ErrorCode; message: string; hint: string | undefined } }
  | { id: number; bug: string };

interface Request {
  /** Ends its thread when it takes too long. */
  timer?: NodeJS.Timeout;
  asked: Asked;
  tries: number;
  resolve: (read: BodyRead) => void;
  reject: (error: Error) => void;
}

interface Thread {
  worker: Worker;
  /** What it was given and has not answered, by id. */
  given: Map<number, Request>;
}

/**
 * Understanding in threads of its own, so that the one that writes the journal has time to. A thread is started
 * when there is work for it. Of one that dies, each body is given to another once more; then its sender is told to
 * come again. Every body taken is answered.
 */
export class UnderstandingPool implements Understanding {
  readonly #policy: ReturnType<typeof compilePolicy>;
  readonly #given: PolicyGiven;
  readonly #size: number;
  readonly #start: (policy: PolicyGiven) => Worker;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Request[] = [];
  #next = 0;
  #closed: Promise<void> | undefined;
  #drained = () => {};

  constructor({ master, document, threads, start = startThread }: PoolOptions) {
    this.#given = { master, document };
    this.#policy = compilePolicy(master, document);
    this.#size = threads ?? Math.max(1, availableParallelism() - 1);
    this.#start = start;
  }

  async read(
    signal: Asked['signal'],
    encoding: Encoding,
    body: Uint8Array,
    tenant?: string | undefined,
  ): Promise<BodyRead> {
    if (this.#closed !== undefined) throw unavailable('it is closing');
    if (body.length < CROSSES_FROM_BYTES) return understandBody(this.#policy, signal, encoding, body, tenant);
    if (this.#waiting.length >= MAX_WAITING) throw unavailable('too much waits for it');
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asked: { id, signal, encoding, body, tenant }, tries: 0, resolve, reject });
      this.#give();
    });
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      this.#tellIfDrained();
    });
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #tellIfDrained(): void {
    if (this.#waiting.length === 0 && [...this.#threads].every(({ given }) => given.size === 0))
      this.#drained();
  }

  /** Gives what waits to whoever has least to do, and starts another thread before anybody gets a second body. */
  #give(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#threadFor();
      if (thread === undefined) return;
      const request = this.#waiting.shift()!;
      thread.given.set(request.asked.id, request);
      request.tries += 1;
      request.timer = setTimeout(() => void thread.worker.terminate(), READ_WITHIN_MS).unref();
      // A copy of its own crosses, and nobody copies that: what is left of it here may be needed for another try,
      // and a body may share its memory with others.
      const body = new Uint8Array(request.asked.body);
      thread.worker.postMessage({ ...request.asked, body }, [body.buffer]);
    }
  }

  #threadFor(): Thread | undefined {
    let least: Thread | undefined;
    for (const thread of this.#threads)
      if (least === undefined || thread.given.size < least.given.size) least = thread;
    const isIdle = least !== undefined && least.given.size === 0;
    if (!isIdle && this.#threads.size < this.#size) return this.#startThread();
    return least !== undefined && least.given.size < AT_HAND ? least : undefined;
  }

  #startThread(): Thread {
    const worker = this.#start(this.#given);
    const thread: Thread = { worker, given: new Map() };
    this.#threads.add(thread);
    worker.on('message', (answer: Answer) => this.#hear(thread, answer));
    // An answer that cannot be read is one that never came.
    worker.once('messageerror', () => void worker.terminate());
    // Its end follows, and is all that matters.
    worker.once('error', () => undefined);
    worker.once('exit', () => this.#bury(thread));
    return thread;
  }

  #hear(thread: Thread, answer: Answer): void {
    const request = thread.given.get(answer.id);
    thread.given.delete(answer.id);
    clearTimeout(request?.timer);
    if ('read' in answer) request?.resolve(answer.read);
    else if ('bug' in answer) request?.reject(new Error(answer.bug));
    else request?.reject(errorOf(answer.refused));
    this.#give();
    this.#tellIfDrained();
  }

  #bury(thread: Thread): void {
    this.#threads.delete(thread);
    for (const request of thread.given.values()) {
      clearTimeout(request.timer);
      if (request.tries < MAX_TRIES) this.#waiting.unshift(request);
      else request.reject(unavailable('its thread died'));
    }
    this.#give();
    this.#tellIfDrained();
  }
}

function startThread(policy: PolicyGiven): Worker {
  return new Worker(WORKER, { name: 'spanledger understanding', workerData: policy });
}

/** Node runs no TypeScript in a thread: tests on the sources have the built one. */
const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/src/server/understanding-worker.js', import.meta.url)
  : new URL('./understanding-worker.js', import.meta.url);

function errorOf({
  code,
  message,
  hint,
}: {
  code: ErrorCode;
  message: string;
  hint: string | undefined;
}): SpanledgerError {
  return new SpanledgerError(code, message, hint === undefined ? {} : { hint });
}

function unavailable(why: string): SpanledgerError {
  return new SpanledgerError('understanding_unavailable', `what was sent could not be read: ${why}`, {
    hint: 'send it again',
  });
}
