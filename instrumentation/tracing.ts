import type {
  Context,
  ProxyTracerProvider,
  Span,
  SpanContext,
  SpanOptions,
  Tracer,
  TracerProvider,
} from '@opentelemetry/api';
import type { OtelApi } from '../src/sdk/otel.ts';
import type { ReadableSpanLike } from '../src/sdk/readable-span.ts';
import { AsyncContextManager } from './async-context.ts';
import { OwnSpan, type SpanListener } from './own-span.ts';
import { OwnTracer, type OwnTracing } from './own-tracer.ts';

/**
 * Hears the spans of an app whose provider is none of ours, at the boundary of the API alone: `startSpan` of its
 * tracers, and `end` of its spans, where their classes have them (docs/decisions/0019).
 */
export class Tracing implements OwnTracing {
  readonly api: OtelApi;
  readonly listener: SpanListener;
  readonly resource: ReadableSpanLike['resource'];
  /** Makes spans go out though the app has no provider. Asked once, at the first of them. */
  readonly #exporting: () => TracerProvider | undefined;
  #exportingProvider: TracerProvider | undefined | null = null;
  #appProvider: TracerProvider | undefined;
  /** Begun and not ended: a span is heard once, whoever made it. */
  readonly #open = new WeakSet<object>();
  readonly #patched = new WeakSet<object>();
  readonly #undo: (() => void)[] = [];

  constructor(
    api: OtelApi,
    listener: SpanListener,
    resource: ReadableSpanLike['resource'],
    exporting: () => TracerProvider | undefined = () => undefined,
  ) {
    this.api = api;
    this.listener = listener;
    this.resource = resource;
    this.#exporting = exporting;
    this.boundary(api);
  }

  /** True once the app has registered a provider of its own. */
  get hasProvider(): boolean {
    return this.#appProvider !== undefined;
  }

  /** Looks at one copy of the API: an app may have several, which share what is registered. */
  boundary(api: OtelApi): void {
    const { trace } = api;
    if (this.#patched.has(trace)) return;
    this.#patched.add(trace);
    AsyncContextManager.giveWayTo(api.context);
    this.#wrap(trace, 'setGlobalTracerProvider', (original) => (provider) => {
      AsyncContextManager.leaveTo(api.context);
      const isSet = original(provider);
      if (isSet) this.#hear(provider, api);
      return isSet;
    });
    this.#wrap(trace, 'disable', (original) => () => {
      original();
      this.#appProvider = undefined;
      this.#lookAt(trace.getTracerProvider(), api);
    });
    this.#lookAt(trace.getTracerProvider(), api);
  }

  provider(): TracerProvider | undefined {
    if (this.#appProvider !== undefined) return this.#appProvider;
    if (this.#exportingProvider === null) {
      this.#exportingProvider = this.#exporting();
      if (this.#exportingProvider !== undefined) this.#hearTracersOf(this.#exportingProvider);
    }
    return this.#exportingProvider;
  }

  /** Leaves the app as it was. */
  stop(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  /** The API's own provider, with what the app has registered behind it, or nothing yet. */
  #lookAt(provider: TracerProvider, api: OtelApi): void {
    if (!isProxy(provider)) {
      this.#hear(provider, api);
      return;
    }
    if (!this.#patched.has(provider)) {
      this.#patched.add(provider);
      this.#wrap(
        provider,
        'getDelegateTracer',
        (original) => (name, version, options) =>
          original(name, version, options) ?? new OwnTracer(name, version, options, this, api),
      );
    }
    const delegate = provider.getDelegate();
    // Of none it says a provider that makes tracers of the API's own.
    if (hasOwnTracers(delegate, provider)) this.#hear(delegate, api);
  }

  #hear(provider: TracerProvider, api: OtelApi): void {
    if (isProxy(provider)) {
      this.#lookAt(provider, api);
      return;
    }
    this.#appProvider = provider;
    this.#hearTracersOf(provider);
  }

  #hearTracersOf(provider: TracerProvider): void {
    const tracer = provider.getTracer('spanledger');
    const owner = ownerOf(tracer, 'startSpan');
    this.#hearTracer(owner as Tracer);
    if (owner !== tracer) return;
    this.#wrap(provider, 'getTracer', (original) => (name, version, options) => {
      const each = original(name, version, options);
      this.#hearTracer(each);
      return each;
    });
  }

  /** A tracer, or what all tracers of its class have in common: also those the app got before. */
  #hearTracer(owner: Tracer): void {
    if (this.#patched.has(owner)) return;
    this.#patched.add(owner);
    const tracing = this;
    const original = owner.startSpan;
    owner.startSpan = function startSpan(
      this: Tracer,
      name: string,
      options?: SpanOptions,
      context?: Context,
    ) {
      const span = Reflect.apply(original, this, [name, options, context]) as Span;
      tracing.#begun(span, name, options, context);
      return span;
    };
    this.#undo.push(() => {
      owner.startSpan = original;
    });
  }

  #begun(span: Span, name: string, options: SpanOptions | undefined, context: Context | undefined): void {
    try {
      if (this.#open.has(span)) return;
      if (isReadable(span)) {
        this.#open.add(span);
        this.#hearEnd(span);
        this.listener.onStart(span);
      } else if (span.isRecording() || isAgents(options)) this.#mirror(span, name, options ?? {}, context);
    } catch {
      // The listener counts what it loses; this app's own tracing is none of ours to break.
    }
  }

  #hearEnd(span: Span): void {
    const owner = ownerOf(span, 'end') as Span;
    if (this.#patched.has(owner)) return;
    this.#patched.add(owner);
    const tracing = this;
    const original = owner.end;
    owner.end = function end(this: Span, endTime) {
      Reflect.apply(original, this, [endTime]);
      if (tracing.#open.delete(this)) tracing.listener.onEnd(this as Span & ReadableSpanLike);
    };
    this.#undo.push(() => {
      owner.end = original;
    });
  }

  /**
   * What a sampler left out is heard by what is said to it, and so is a span that is none of the SDK's (Sentry's). The
   * span itself is, and goes, as it would have.
   */
  #mirror(span: Span, name: string, options: SpanOptions, context: Context | undefined): void {
    const { trace } = this.api;
    const own = span.spanContext();
    if (!trace.isSpanContextValid(own)) return;
    const parent =
      options.root === true ? undefined : trace.getSpanContext(context ?? this.api.context.active());
    this.#open.add(span);
    const mirror = new OwnSpan(
      name,
      options,
      { parent: sameTrace(parent, own), context: own, scope: { name: '' }, resource: this.resource },
      this.listener,
    );
    for (const method of MIRRORED) {
      const original = span[method] as (...args: unknown[]) => unknown;
      if (typeof original !== 'function') continue;
      const mirrored = mirror[method] as (...args: unknown[]) => unknown;
      Object.defineProperty(span, method, {
        configurable: true,
        writable: true,
        value: (...args: unknown[]) => {
          try {
            Reflect.apply(mirrored, mirror, args);
          } catch {
            // What it takes is for the app's own span to say.
          }
          return Reflect.apply(original, span, args);
        },
      });
    }
  }

  #wrap<T extends object, K extends keyof T>(
    target: T,
    name: K,
    wrap: (original: T[K] & Method) => T[K],
  ): void {
    const own = Object.getOwnPropertyDescriptor(target, name);
    const original = (target[name] as Method).bind(target) as T[K] & Method;
    Object.defineProperty(target, name, { configurable: true, writable: true, value: wrap(original) });
    this.#undo.push(() => {
      if (own === undefined) delete target[name];
      else Object.defineProperty(target, name, own);
    });
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any method
type Method = (...args: any[]) => any;

const MIRRORED = [
  'setAttribute',
  'setAttributes',
  'addEvent',
  'addLink',
  'addLinks',
  'setStatus',
  'updateName',
  'recordException',
  'end',
] as const;

/** The object itself, or the nearest of what it inherits from, that has the method. */
function ownerOf(object: object, method: string): object {
  for (let at: object = object; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    if (Object.hasOwn(at, method)) return at;
    if (Object.getPrototypeOf(at) === null) break;
  }
  return object;
}

function isProxy(provider: TracerProvider): provider is ProxyTracerProvider {
  const { getDelegate, getDelegateTracer } = provider as Partial<ProxyTracerProvider>;
  return typeof getDelegate === 'function' && typeof getDelegateTracer === 'function';
}

/** Not the API's provider of nothing, whose spans are not recorded and have no ids: each copy has one of its own. */
function hasOwnTracers(provider: TracerProvider, proxy: ProxyTracerProvider): boolean {
  const nothing = new (proxy.constructor as new () => ProxyTracerProvider)().getDelegate();
  return startSpanOf(provider) !== startSpanOf(nothing);
}

/** What its tracers have their `startSpan` of. */
function startSpanOf(provider: TracerProvider): object {
  return ownerOf(provider.getTracer('spanledger'), 'startSpan');
}

/** As the SDK's recording spans are. Of what else implements the API only what is said to it can be heard. */
function isReadable(span: Span): span is Span & ReadableSpanLike {
  const { startTime, attributes, status, events, resource } = span as Partial<ReadableSpanLike>;
  return (
    Array.isArray(startTime) &&
    typeof attributes === 'object' &&
    typeof status === 'object' &&
    Array.isArray(events) &&
    typeof resource?.attributes === 'object'
  );
}

const AGENTS = /^(gen_ai|ai|mcp|llm|openinference|traceloop|langsmith|genkit|mastra|audit)[.:]/;

function isAgents(options: SpanOptions | undefined): boolean {
  for (const key in options?.attributes) if (AGENTS.test(key)) return true;
  return false;
}

function sameTrace(parent: SpanContext | undefined, own: SpanContext): SpanContext | undefined {
  return parent?.traceId === own.traceId && parent.spanId !== own.spanId ? parent : undefined;
}
