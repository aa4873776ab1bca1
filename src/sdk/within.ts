import type { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Runs `fn` with a value of the storage. What it answers may run later, when somebody asks it for more, and does so
 * with that value too: a generator, a stream.
 */
export function within<Store, T>(storage: AsyncLocalStorage<Store>, value: Store, fn: () => T): T {
  const run = <R>(work: () => R): R => storage.run(value, work);
  return carried(run(fn), run) as T;
}

type Run = <R>(work: () => R) => R;

function carried(result: unknown, run: Run): unknown {
  if (isPromise(result)) return isPlainPromise(result) ? result.then((each) => carried(each, run)) : result;
  if (isGenerator(result)) return stepping(result, run);
  if (isWebStream(result))
    return steppingWebStream(result, {
      read: (read) => run(read),
      cancel: (cancel) => run(cancel),
    });
  if (isNodeReadable(result)) {
    const read = result._read;
    result._read = function (this: unknown, ...args) {
      return run(() => read.apply(this, args));
    };
  }
  return result;
}

/** The same object, so that whatever else it has stays: only what makes it go on is run by another. */
export function stepping(generator: AnyGenerator, run: (step: () => unknown) => unknown): AnyGenerator {
  for (const name of ['next', 'return', 'throw'] as const) {
    const method = generator[name];
    if (typeof method !== 'function') continue;
    Object.defineProperty(generator, name, {
      configurable: true,
      writable: true,
      value: (...args: unknown[]) => run(() => Reflect.apply(method, generator, args)),
    });
  }
  return generator;
}

/** What goes on when a stream is asked for more, or given up. */
interface StreamSteps {
  read<Result extends { done: boolean }>(read: () => Promise<Result>): Promise<Result>;
  cancel(cancel: () => Promise<void>): Promise<void>;
}

/** Of a stream of bytes, or of anything. */
interface Controller {
  enqueue(chunk: unknown): void;
  close(): void;
  readonly byobRequest?: { respond(bytes: number): void } | null | undefined;
}

/** Another stream of the same kind, read as it is read. */
export function steppingWebStream(stream: ReadableStream, steps: StreamSteps): ReadableStream {
  const isBytes = isByteStream(stream);
  const reader = stream.getReader();
  const source = {
    async pull(controller: Controller) {
      const { done, value } = await steps.read(() => reader.read());
      if (!done) return controller.enqueue(value);
      controller.close();
      // Whoever waits with a buffer of its own hears of the end by this.
      controller.byobRequest?.respond(0);
    },
    cancel: (reason: unknown) => steps.cancel(() => reader.cancel(reason)),
  };
  const strategy = { highWaterMark: 0 };
  return isBytes
    ? new ReadableStream({ ...source, type: 'bytes' }, strategy)
    : new ReadableStream(source, strategy);
}

/** A body of `fetch`, a file's: it can be read into a buffer of its reader's own, and nothing else tells. */
function isByteStream(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: 'byob' }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

export type AnyGenerator = { [name in 'next' | 'return' | 'throw']?: (...args: unknown[]) => unknown };

/** One that also has a class of its own (a query, a request) is left as it is. */
export function isPlainPromise(value: Promise<unknown>): boolean {
  return Object.getPrototypeOf(value) === Promise.prototype;
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return asked(() => typeof (value as { then?: unknown } | null | undefined)?.then === 'function');
}

/** What a generator function answers, and nothing else that can be iterated. One that is frozen cannot be followed. */
export function isGenerator(value: unknown): value is AnyGenerator {
  return asked(() => {
    const tag = Object.prototype.toString.call(value);
    return /^\[object (Async)?Generator\]$/.test(tag) && Object.isExtensible(value);
  });
}

/** One that nobody reads yet. Some test environments have no streams of the web. */
export function isWebStream(value: unknown): value is ReadableStream {
  return asked(
    () => typeof ReadableStream === 'function' && value instanceof ReadableStream && !value.locked,
  );
}

export interface NodeReadable {
  _read(...args: unknown[]): unknown;
}

export function isNodeReadable(value: unknown): value is NodeReadable {
  return asked(() => {
    const stream = value as { _read?: unknown; pipe?: unknown } | null | undefined;
    return typeof stream?._read === 'function' && typeof stream.pipe === 'function';
  });
}

/** What throws when it is asked what it is, as a strict proxy does, is nothing in particular. */
function asked(is: () => boolean): boolean {
  try {
    return is();
  } catch {
    return false;
  }
}
