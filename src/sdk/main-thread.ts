import { BroadcastChannel, receiveMessageOnPort, setEnvironmentData, type Worker } from 'node:worker_threads';
import { isErrorCode, isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import type { SpanMemory } from '../record/memory.ts';
import type { Recorder } from './recorder.ts';
import {
  channelOf,
  FLAG,
  type FromWorker,
  HELLO,
  type Hello,
  type Listening,
  MAX_THREADS,
  type ToWorker,
} from './thread-messages.ts';

/** A worker that this thread records for. */
interface Thread {
  channel: BroadcastChannel;
  /** Why something of its since the last answer stands in no record. */
  failure: unknown;
}

/**
 * Records for the worker threads of this process: one journal, one writer. What a worker has said is committed as
 * soon as this thread comes to it, and what is left as the process ends, before it has; a process that is killed
 * meanwhile loses it. Fail-closed, a worker waits for the answer.
 */
export class ThreadListener {
  readonly #recorder: Recorder;
  readonly #of: string;
  readonly #hello = new BroadcastChannel(HELLO);
  readonly #threads = new Map<number, Thread>();
  readonly #openThreads = new Int32Array(new SharedArrayBuffer(4 * MAX_THREADS));
  readonly #began = (worker: Worker) => {
    const { threadId } = worker;
    this.#open(threadId);
    worker.once('exit', () => {
      this.drain();
      this.#forget(threadId);
    });
  };

  constructor(recorder: Recorder, of: string) {
    this.#recorder = recorder;
    this.#of = of;
    this.#hello.onmessage = (event) => this.#greet((event as { data: Hello }).data);
    this.#hello.unref();
    setEnvironmentData(HELLO, { of, open: this.#openThreads } satisfies Listening);
    // Before it says anything: what it says at once, and dies, is heard too.
    process.on('worker', this.#began);
  }

  /** Takes what workers have said and this thread has not come to. */
  drain(): void {
    for (const thread of this.#threads.values())
      for (;;) {
        const left = receiveMessageOnPort(
          thread.channel as unknown as import('node:worker_threads').MessagePort,
        );
        if (left === undefined) break;
        this.#take(thread, left.message as FromWorker);
      }
  }

  close(): void {
    this.drain();
    process.off('worker', this.#began);
    this.#hello.close();
    setEnvironmentData(HELLO, undefined);
    for (const threadId of [...this.#threads.keys()]) this.#forget(threadId);
  }

  #forget(threadId: number): void {
    if (threadId < MAX_THREADS) Atomics.store(this.#openThreads, threadId, 0);
    this.#threads.get(threadId)?.channel.close();
    this.#threads.delete(threadId);
  }

  #greet({ hello, of }: Hello): void {
    if (of !== this.#of) return;
    this.#say(this.#open(hello), { ready: true });
  }

  #open(threadId: number): Thread {
    const known = this.#threads.get(threadId);
    if (known !== undefined) return known;
    const channel = new BroadcastChannel(channelOf(threadId));
    const thread: Thread = { channel, failure: undefined };
    channel.onmessage = (event) => {
      const message = (event as { data: FromWorker }).data;
      if ('bye' in message) this.#forget(threadId);
      else this.#take(thread, message);
    };
    channel.unref();
    this.#threads.set(threadId, thread);
    if (threadId < MAX_THREADS) Atomics.store(this.#openThreads, threadId, 1);
    return thread;
  }

  #take(thread: Thread, message: FromWorker): void {
    if ('batch' in message) this.#commit(thread, message.batch, new Map(message.ancestors));
    else if ('gap' in message) this.#recorder.noteGap(message.gap, coded(message.code));
    else if ('durable' in message) void this.#makeDurable(thread, message);
  }

  #commit(
    thread: Thread,
    batch: Parameters<Recorder['commit']>[0],
    ancestors: ReadonlyMap<string, SpanMemory>,
  ): void {
    try {
      this.#recorder.commit(batch, ancestors);
    } catch (error) {
      thread.failure ??= error;
      this.#recorder.noteGap(batch.length, error);
    }
  }

  async #makeDurable(
    thread: Thread,
    { durable, flag, isFlush }: Extract<FromWorker, { durable: number }>,
  ): Promise<void> {
    const failure = thread.failure;
    thread.failure = undefined;
    try {
      if (failure !== undefined) throw failure;
      await (isFlush ? this.#recorder.flush() : this.#recorder.durable());
      this.#answer(thread, flag, { durable });
    } catch (error) {
      const code = isSpanledgerError(error) ? error.code : undefined;
      this.#answer(thread, flag, { durable, problem: { code, message: messageOf(error) } });
    }
  }

  #answer(
    thread: Thread,
    flag: Int32Array | undefined,
    answer: Extract<ToWorker, { durable: number }>,
  ): void {
    if (flag === undefined) {
      this.#say(thread, answer);
      return;
    }
    Atomics.store(flag, 0, answer.problem === undefined ? FLAG.durable : FLAG.failed);
    Atomics.notify(flag, 0);
  }

  #say({ channel }: Thread, message: ToWorker): void {
    try {
      channel.postMessage(message);
    } catch {
      // Its thread has ended meanwhile.
    }
  }
}

function coded(code: string | undefined): unknown {
  return isErrorCode(code) ? new SpanledgerError(code, code) : undefined;
}
