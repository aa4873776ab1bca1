import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context, ContextAPI, ContextManager } from '@opentelemetry/api';
import type { OtelApi } from '../src/sdk/otel.ts';

const REGISTRY = Symbol.for('opentelemetry.js.api.1');

/**
 * What makes one span another's parent, in an app that has no provider and so nothing of the kind. Gives way to the
 * app's own as soon as it registers one.
 */
export class AsyncContextManager implements ContextManager {
  static readonly #used = new WeakSet<ContextAPI>();
  static readonly #heard = new WeakSet<ContextAPI>();
  /** Ours, as long as it is the one that is registered, and the copy of the API that it is registered by. */
  static #registered: ContextAPI | undefined;
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
    AsyncContextManager.giveWayTo(api);
    if (api.setGlobalContextManager(new AsyncContextManager(api.active())))
      AsyncContextManager.#registered = api;
  }

  /** Ours is gone before the app registers its own, by whichever copy of the API. */
  static giveWayTo(api: ContextAPI): void {
    if (AsyncContextManager.#heard.has(api)) return;
    AsyncContextManager.#heard.add(api);
    const theirs = api.setGlobalContextManager;
    api.setGlobalContextManager = function setGlobalContextManager(next) {
      AsyncContextManager.#leave();
      return theirs.call(api, next);
    };
  }

  /** Before the app registers anything else by a copy of the API that may be of another version than ours. */
  static leaveTo(api: ContextAPI): void {
    if (AsyncContextManager.#registered !== api) AsyncContextManager.#leave();
  }

  static #leave(): void {
    const ours = AsyncContextManager.#registered;
    if (ours === undefined) return;
    AsyncContextManager.#registered = undefined;
    ours.disable();
    // Where the copies meet stands the version of who came first, and any other is refused: nobody came yet.
    const place = globalThis as { [key: symbol]: object | undefined };
    if (Object.keys(place[REGISTRY] ?? {}).every((key) => key === 'version')) delete place[REGISTRY];
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
