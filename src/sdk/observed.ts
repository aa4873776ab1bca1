import type { Readable } from 'node:stream';
import { finished } from 'node:stream';
import { types } from 'node:util';
import type { ToolCall } from './door.ts';
import {
  type AnyGenerator,
  isGenerator,
  isNodeReadable,
  isPlainPromise,
  isPromise,
  isWebStream,
  stepping,
  steppingWebStream,
} from './within.ts';

/** Runs a call's tool, and ends the call with what the tool answers: at once, or when a promise or a stream ends. */
export function observed<T>(call: ToolCall, run: () => T): T {
  let result: T;
  try {
    result = call.run(run);
  } catch (error) {
    call.fail(error);
    throw error;
  }
  return answered(call, result) as T;
}

function answered(call: ToolCall, result: unknown): unknown {
  if (isPromise(result)) {
    if (!types.isPromise(result)) return watchedThenable(call, result);
    const told = result.then(
      (value) => answered(call, value),
      (error: unknown) => {
        call.fail(error);
        throw error;
      },
    );
    if (isPlainPromise(result)) return told;
    // It has methods of its own, which the caller may want: what comes of ours is only looked at.
    void Promise.resolve(told).catch(() => undefined);
    return result;
  }
  if (isGenerator(result)) return watchedGenerator(call, result);
  if (isWebStream(result)) return watchedWebStream(call, result);
  if (isNodeReadable(result)) {
    finished(result as unknown as Readable, { writable: false }, (error) =>
      error ? call.fail(error) : call.end(),
    );
    return result;
  }
  call.end(result);
  return result;
}

/** What it yields last is its result, unless it returns one: so frameworks take it. */
function watchedGenerator(call: ToolCall, generator: AnyGenerator): AnyGenerator {
  let last: unknown;
  const step = (result: unknown): unknown => {
    const { done, value } = Object(result) as { done?: boolean; value?: unknown };
    if (done === true) call.end(value ?? last);
    else last = value;
    return result;
  };
  const failed = (error: unknown): never => {
    call.fail(error);
    throw error;
  };
  return stepping(generator, (go) => {
    try {
      const result = go();
      return isPromise(result) ? result.then(step, failed) : step(result);
    } catch (error) {
      return failed(error);
    }
  });
}

function watchedWebStream(call: ToolCall, stream: ReadableStream): ReadableStream {
  return steppingWebStream(stream, {
    async read(read) {
      try {
        const result = await read();
        if (result.done) call.end();
        return result;
      } catch (error) {
        call.fail(error);
        throw error;
      }
    },
    cancel(cancel) {
      call.end();
      return cancel();
    },
  });
}

/**
 * A query of a builder's, say: each `then` runs it, so that none of ours may be called. It is looked at as its caller
 * waits for it; one that cannot be is not waited for.
 */
function watchedThenable(call: ToolCall, thenable: PromiseLike<unknown>): unknown {
  const { then } = thenable;
  const watched = (answer?: (value: unknown) => unknown, refuse?: (error: unknown) => unknown) =>
    call.run(() =>
      Reflect.apply(then, thenable, [
        (value: unknown) => {
          const told = answered(call, value);
          return answer ? answer(told) : told;
        },
        (error: unknown) => {
          call.fail(error);
          if (refuse) return refuse(error);
          throw error;
        },
      ]),
    );
  try {
    void Object.defineProperty(thenable, 'then', { value: watched, configurable: true, writable: true });
  } catch {
    call.end();
  }
  return thenable;
}
