import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TracerProvider } from '@opentelemetry/api';

interface Sdk {
  BasicTracerProvider: new (config: {
    spanProcessors: unknown[];
    resource?: unknown;
  }) => TracerProvider & {
    forceFlush(): Promise<void>;
  };
  BatchSpanProcessor: new (exporter: unknown) => unknown;
}

/**
 * An app without a provider whose environment names an OTLP endpoint: its ordinary spans go there, by the app's own
 * copy of the SDK. Undefined, with a warning, where there is none.
 */
export function exportingProvider(
  env: NodeJS.ProcessEnv,
  service: { [key: string]: string },
): (TracerProvider & { forceFlush(): Promise<void> }) | undefined {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none';
  if (endpoint === undefined || endpoint === '' || isOff) return undefined;
  try {
    const { BasicTracerProvider, BatchSpanProcessor } = load('@opentelemetry/sdk-trace-base') as Sdk;
    const { OTLPTraceExporter } = load('@opentelemetry/exporter-trace-otlp-http') as {
      OTLPTraceExporter: new () => unknown;
    };
    const { resourceFromAttributes } = load('@opentelemetry/resources') as {
      resourceFromAttributes(attributes: object): unknown;
    };
    return new BasicTracerProvider({
      resource: resourceFromAttributes(service),
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
    });
  } catch (error) {
    process.emitWarning(
      `OTEL_EXPORTER_OTLP_ENDPOINT is set, and the app registers no provider: its spans are recorded and go nowhere else (${String(error).split('\n')[0]}). Install @opentelemetry/sdk-trace-base, @opentelemetry/resources and @opentelemetry/exporter-trace-otlp-http`,
      { type: 'SpanledgerWarning', code: 'SPANLEDGER_EXPORT' },
    );
    return undefined;
  }
}

function load(name: string): unknown {
  try {
    return createRequire(join(process.cwd(), 'index.js'))(name) as unknown;
  } catch {
    return createRequire(import.meta.url)(name) as unknown;
  }
}
