import type { Context, Span, SpanOptions, Tracer, TracerProvider } from '@opentelemetry/api';
import type { OtelApi } from '../src/sdk/otel.ts';
import type { ReadableSpanLike } from '../src/sdk/readable-span.ts';
import { AsyncContextManager } from './async-context.ts';
import { OwnSpan, type SpanListener } from './own-span.ts';

/** What an own tracer is made for, and who provides a better one by the time a span begins. */
export interface OwnTracing {
  readonly listener: SpanListener;
  readonly resource: ReadableSpanLike['resource'];
  /** The app has registered a provider, and whatever makes one span another's parent is its own affair. */
  readonly hasProvider: boolean;
  /** The app's provider, once it has registered one; else one that only exports, where the environment asks for it. */
  provider(): TracerProvider | undefined;
}

/**
 * The tracer of an app that has no provider, yet or ever. It is registered nowhere, so that the app's own can be at
 * any time, and from then on it is only a way to that one.
 */
export class OwnTracer implements Tracer {
  readonly #name: string;
  readonly #version: string | undefined;
  readonly #options: { schemaUrl?: string } | undefined;
  readonly #tracing: OwnTracing;
  readonly #api: OtelApi;

  /** @param api the copy of it that the app asks by */
  constructor(
    name: string,
    version: string | undefined,
    options: { schemaUrl?: string } | undefined,
    tracing: OwnTracing,
    api: OtelApi,
  ) {
    this.#name = name;
    this.#version = version;
    this.#options = options;
    this.#tracing = tracing;
    this.#api = api;
  }

  startSpan(name: string, options: SpanOptions = {}, context?: Context): Span {
    const { listener, resource } = this.#tracing;
    const api = this.#api;
    const real = this.#real;
    if (real !== undefined) return real.startSpan(name, options, context);
    AsyncContextManager.use(api);
    const above = context ?? api.context.active();
    if (api.isSuppressed(above)) return api.trace.wrapSpanContext(api.INVALID_SPAN_CONTEXT);
    const parent = options.root === true ? undefined : api.trace.getSpanContext(above);
    const valid = parent !== undefined && api.trace.isSpanContextValid(parent) ? parent : undefined;
    const scope = { name: this.#name, version: this.#version };
    return new OwnSpan(name, options, { parent: valid, scope, resource }, listener);
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan(name: string, ...rest: unknown[]): unknown {
    const fn = rest.pop() as (span: Span) => unknown;
    const [options, given] = rest as [SpanOptions?, Context?];
    const api = this.#api;
    if (!this.#tracing.hasProvider) AsyncContextManager.use(api);
    const context = given ?? api.context.active();
    const span = this.startSpan(name, options, context);
    return api.context.with(api.trace.setSpan(context, span), fn, undefined, span);
  }

  get #real(): Tracer | undefined {
    return this.#tracing.provider()?.getTracer(this.#name, this.#version, this.#options);
  }
}
