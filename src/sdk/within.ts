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
  if (result instanceof ReadableStream) return carriedWebStream(result, run);
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

function carriedWebStream(stream: ReadableStream, run: Run): ReadableStream {
  const reader = stream.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await run(() => reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => run(() => reader.cancel(reason)),
    },
    { highWaterMark: 0 },
  );
}

export type AnyGenerator = { [name in 'next' | 'return' | 'throw']?: (...args: unknown[]) => unknown };

/** One that also has a class of its own (a query, a request) is left as it is. */
export function isPlainPromise(value: Promise<unknown>): boolean {
  return Object.getPrototypeOf(value) === Promise.prototype;
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** What a generator function answers, and nothing else that can be iterated. */
export function isGenerator(value: unknown): value is AnyGenerator {
  const tag = Object.prototype.toString.call(value);
  return tag === '[object Generator]' || tag === '[object AsyncGenerator]';
}

export interface NodeReadable {
  _read(...args: unknown[]): unknown;
}

export function isNodeReadable(value: unknown): value is NodeReadable {
  const stream = value as { _read?: unknown; pipe?: unknown } | null | undefined;
  return typeof stream?._read === 'function' && typeof stream.pipe === 'function';
}
