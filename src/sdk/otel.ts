import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as api from '@opentelemetry/api';
import { sentrySuppress } from './sentry.ts';

/** An app may have none, and then there are no spans but ours. */
export interface OtelApi {
  readonly trace: api.TraceAPI;
  readonly context: api.ContextAPI;
  readonly INVALID_SPAN_CONTEXT: api.SpanContext;
  readonly createContextKey: (name: string) => symbol;
  isSuppressed(context: api.Context): boolean;
}

type Loaded = Omit<OtelApi, 'isSuppressed'>;

let found: OtelApi | undefined | null = null;

/** The copy that the app's own code would get, else the one beside this package: what they hold is the same. */
export function otelApi(): OtelApi | undefined {
  if (found === null) {
    found = undefined;
    for (const from of [join(process.cwd(), 'index.js'), import.meta.url]) {
      try {
        found = otelApiOf(createRequire(from)('@opentelemetry/api') as Loaded);
        break;
      } catch {
        // the next may have it
      }
    }
  }
  return found;
}

/** A copy of the API, with what its packages keep beside it. */
export function otelApiOf({ trace, context, INVALID_SPAN_CONTEXT, createContextKey }: Loaded): OtelApi {
  const key = suppressKey(createContextKey);
  const isSuppressed = (each: api.Context) => each.getValue(key) === true;
  return { trace, context, INVALID_SPAN_CONTEXT, createContextKey, isSuppressed };
}

/** The key by which every SDK knows it: keys of one name are one. */
function suppressKey(createContextKey: OtelApi['createContextKey']): symbol {
  return createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
}

/** The span that is active here, sampled or not. Undefined where there is none, or it has no ids. */
export function activeSpan(): { span: object; traceId: string; spanId: string } | undefined {
  const span = otelApi()?.trace.getActiveSpan();
  if (span === undefined) return undefined;
  const { traceId, spanId } = span.spanContext();
  return isId(traceId, 32) && isId(spanId, 16) ? { span, traceId, spanId } : undefined;
}

/** Runs our own traffic where no instrumentation makes a span of it. */
export function suppressed<T>(work: () => T): T {
  const inSentry = sentrySuppress();
  const otel = otelApi();
  if (otel === undefined) return inSentry === undefined ? work() : inSentry(work);
  const { context, createContextKey } = otel;
  const quiet = () => context.with(context.active().setValue(suppressKey(createContextKey), true), work);
  return inSentry === undefined ? quiet() : inSentry(quiet);
}

function isId(text: unknown, length: number): text is string {
  return typeof text === 'string' && text.length === length && !/^0+$/.test(text);
}
