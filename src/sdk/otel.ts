import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TraceAPI } from '@opentelemetry/api';

/** What of `@opentelemetry/api` is used: an app may have none, and then there are no spans but ours. */
export interface OtelApi {
  trace: TraceAPI;
}

let found: OtelApi | undefined | null = null;

/** The copy that the app's own code would get, else the one beside this package: what they hold is the same. */
export function otelApi(): OtelApi | undefined {
  if (found === null) {
    found = undefined;
    for (const from of [join(process.cwd(), 'index.js'), import.meta.url]) {
      try {
        found = createRequire(from)('@opentelemetry/api') as OtelApi;
        break;
      } catch {
        // the next may have it
      }
    }
  }
  return found;
}

/** The span that is active here, sampled or not. Undefined where there is none, or it has no ids. */
export function activeSpan(): { span: object; traceId: string; spanId: string } | undefined {
  const api = otelApi();
  const span = api?.trace.getActiveSpan();
  if (span === undefined) return undefined;
  const { traceId, spanId } = span.spanContext();
  return isId(traceId, 32) && isId(spanId, 16) ? { span, traceId, spanId } : undefined;
}

function isId(text: unknown, length: number): text is string {
  return typeof text === 'string' && text.length === length && !/^0+$/.test(text);
}
