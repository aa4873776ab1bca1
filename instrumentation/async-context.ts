import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context, ContextAPI, ContextManager } from '@opentelemetry/api';
import type { OtelApi } from '../src/sdk/otel.ts';

/**
 * What makes one span another's parent, in an app that has no provider and so nothing of the kind. Gives way to the
 * app's own as soon as it registers one.
 */
export class AsyncContextManager implements ContextManager {
  static readonly #used = new WeakSet<ContextAPI>();
  readonly #storage = new AsyncLocalStorage<Context>();
  readonly #root: Context;

  private constructor(root: Context) {
    this.#root = root;
  }

  /** Registers one, where none is. */
  static use({ context: api, createContextKey }: Pick<OtelApi, 'context' | 'createContextKey'>): void {
    if (AsyncContextManager.#used.has(api)) return;
    AsyncContextManager.#used.add(api);
    const probe = createContextKey('spanledger probe');
    if (api.with(api.active().setValue(probe, true), () => api.active().getValue(probe)) === true) return;
    const manager = new AsyncContextManager(api.active());
    const theirs = api.setGlobalContextManager;
    if (!theirs.call(api, manager)) return;
    api.setGlobalContextManager = function setGlobalContextManager(next) {
      api.setGlobalContextManager = theirs;
      api.disable();
      return theirs.call(api, next);
    };
  }

  active(): Context {
    return this.#storage.getStore() ?? this.#root;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(context, () => Reflect.apply(fn, thisArg, args) as ReturnType<F>);
  }

  bind<T>(context: Context, target: T): T {
    if (typeof target !== 'function') return target;
    const manager = this;
    return function bound(this: unknown, ...args: unknown[]): unknown {
      return manager.#storage.run(context, () => Reflect.apply(target, this, args) as unknown);
    } as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}
