import { clearTimeout, setTimeout } from 'node:timers';
import { BroadcastChannel, getEnvironmentData, threadId } from 'node:worker_threads';
import { isErrorCode, isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import type { Gap } from '../pipeline.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import type { Lineage } from '../record/lineage.ts';
import { keys, type SpanMemory } from '../record/memory.ts';
import type { Understood } from '../understand.ts';
import type { Recorder } from './recorder.ts';
import { channelOf, FLAG, type FromWorker, HELLO, type Listening, type ToWorker } from './thread-messages.ts';

/** A main thread that has not answered by then does not record, or by another policy. In milliseconds. */
const HEARD_WITHIN_MS = 5_000;
const MAX_ANCESTORS = 64;

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * A worker thread's way to its main thread's journal. What is said before that thread answers waits here; where it
 * never does, or the worker ends before, the worker opens a journal of its own.
 */
export class WorkerRecorder implements Recorder {
  committed = (): void => {};
  readonly #channel = new BroadcastChannel(channelOf(threadId));
  readonly #openOwn: () => Recorder;
  readonly #late: NodeJS.Timeout;
  #own: Recorder | undefined;
  readonly #listening: Listening | undefined;
  #isGreeted = false;
  #queue: FromWorker[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  /** @param of ledger, directory and policy: only a main thread of the same answers. */
  constructor(of: string, openOwn: () => Recorder) {
    this.#openOwn = openOwn;
    const listening = getEnvironmentData(HELLO) as unknown as Listening | undefined;
    this.#listening = listening?.of === of ? listening : undefined;
    this.#channel.onmessage = (event) => this.#hear((event as { data: ToWorker }).data);
    this.#channel.unref();
    const hello = new BroadcastChannel(HELLO);
    hello.postMessage({ hello: threadId, of });
    hello.close();
    this.#late = setTimeout(() => {
      try {
        if (!this.#isHeard) this.#alone();
      } catch (error) {
        process.emitWarning(`audit records wait: ${messageOf(error)}`, {
          type: 'SpanledgerWarning',
          code: 'SPANLEDGER_GAP',
        });
      }
    }, HEARD_WITHIN_MS);
    this.#late.unref();
  }

  commit(batch: readonly Understood[], ancestors?: Lineage): void {
    if (this.#own === undefined) this.#say({ batch, ancestors: ancestorsOf(batch, ancestors) });
    else this.#own.commit(batch, ancestors);
  }

  noteGap(spans: number, error: unknown, counted?: Gap): Gap {
    if (this.#own !== undefined) return this.#own.noteGap(spans, error, counted);
    if (counted !== undefined) return counted;
    const code = isSpanledgerError(error) ? error.code : undefined;
    this.#say({ gap: spans, code });
    const now = new Date().toISOString();
    return { spans, reason: code ?? 'not_understood', from: now, to: now };
  }

  durable(): Promise<void> {
    return this.#own?.durable() ?? this.#ask(false);
  }

  durableSync(within: number): void {
    // Who stands still cannot hear whether anybody listens.
    const own = this.#own ?? (this.#isHeard ? undefined : this.#alone());
    if (own !== undefined) {
      own.durableSync(within);
      return;
    }
    const flag = new Int32Array(new SharedArrayBuffer(4));
    this.#say({ durable: 0, flag, isFlush: false });
    Atomics.wait(flag, 0, FLAG.waiting, within);
    const answer = Atomics.load(flag, 0);
    if (answer === FLAG.durable) return;
    throw new SpanledgerError(
      'audit_unavailable',
      answer === FLAG.failed
        ? "the main thread's journal takes nothing"
        : `the main thread has not answered within ${within} ms`,
      { hint: 'does something block the main thread?' },
    );
  }

  flush(): Promise<void> {
    return this.#own?.flush() ?? this.#ask(true);
  }

  async close(): Promise<void> {
    if (this.#own === undefined) await this.#ask(true);
    this.#end();
    await this.#own?.close();
  }

  /** The thread ends: what nobody has taken is its own to record. */
  end(): void {
    if (this.#isHeard) this.#post();
    else if (this.#queue.length > 0) this.#alone();
    this.#own?.end();
    this.#end();
  }

  /** The main thread's end of the channel is open. */
  get #isHeard(): boolean {
    const { open } = this.#listening ?? {};
    // Of more threads than it has room for, the others wait to be greeted.
    this.#isGreeted ||= open !== undefined && threadId < open.length && Atomics.load(open, threadId) === 1;
    return this.#isGreeted;
  }

  #end(): void {
    clearTimeout(this.#late);
    if (this.#isGreeted) this.#channel.postMessage({ bye: true } satisfies FromWorker);
    this.#channel.close();
  }

  #say(message: FromWorker): void {
    this.#queue.push(message);
    if (this.#isHeard) this.#post();
  }

  #post(): void {
    clearTimeout(this.#late);
    for (const each of this.#queue.splice(0)) this.#channel.postMessage(each);
  }

  #ask(isFlush: boolean): Promise<void> {
    const durable = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(durable, { resolve, reject });
      this.#channel.ref();
      this.#say({ durable, isFlush });
    });
  }

  #hear(message: ToWorker): void {
    if ('ready' in message) {
      if (this.#own !== undefined) return;
      this.#isGreeted = true;
      this.#post();
      return;
    }
    const waiting = this.#waiting.get(message.durable);
    this.#waiting.delete(message.durable);
    if (this.#waiting.size === 0) this.#channel.unref();
    const { problem } = message;
    if (problem === undefined) waiting?.resolve();
    else
      waiting?.reject(
        new SpanledgerError(isErrorCode(problem.code) ? problem.code : 'audit_unavailable', problem.message),
      );
  }

  /** A journal of its own, with all that waits. */
  #alone(): Recorder {
    this.#own ??= this.#openOwn();
    const own = this.#own;
    clearTimeout(this.#late);
    for (const each of this.#queue.splice(0)) {
      try {
        if ('batch' in each) own.commit(each.batch, new Map(each.ancestors));
        else if ('gap' in each) own.noteGap(each.gap, undefined);
        else if ('durable' in each) {
          const waiting = this.#waiting.get(each.durable);
          this.#waiting.delete(each.durable);
          if (waiting !== undefined) void own.durable().then(waiting.resolve, waiting.reject);
        }
      } catch (error) {
        own.noteGap('batch' in each ? each.batch.length : 1, error);
      }
    }
    return own;
  }
}

/** What the main thread cannot know: spans that are running here. */
function ancestorsOf(batch: readonly Understood[], lineage: Lineage | undefined): [string, SpanMemory][] {
  const found = new Map<string, SpanMemory>();
  for (const each of batch) {
    if (each.what !== 'activity' || lineage === undefined) continue;
    const { trace, tenant = DEFAULT_TENANT } = each.facts;
    let parent = trace.parent_span_id;
    for (let i = 0; i < MAX_ANCESTORS && parent !== undefined; i++) {
      const key = keys.span(tenant, trace.trace_id, parent);
      const memory = lineage.get(key);
      if (memory === undefined) break;
      found.set(key, memory);
      parent = memory.parent;
    }
  }
  return [...found];
}
