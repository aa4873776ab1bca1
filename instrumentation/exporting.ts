import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TracerProvider } from '@opentelemetry/api';

type Exporting = TracerProvider & { forceFlush(): Promise<void> };
type Provider = new (config: { spanProcessors: unknown[]; resource?: unknown }) => Exporting;

/** The SDK's own: 3.x, and 2.x from 2.9 on, has another package, and other names and arguments in it. */
interface Sdk {
  BasicTracerProvider?: Provider;
  TracerProvider: Provider;
  BatchSpanProcessor: new (exporter: unknown) => unknown;
}

/**
 * An app without a provider whose environment names an OTLP endpoint: its ordinary spans go there, by the app's own
 * copy of the SDK. Undefined, with a warning, where there is none.
 */
export function exportingProvider(
  env: NodeJS.ProcessEnv,
  service: { [key: string]: string },
): Exporting | undefined {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none';
  if (endpoint === undefined || endpoint === '' || isOff) return undefined;
  try {
    const { BasicTracerProvider, TracerProvider, BatchSpanProcessor } = load(
      '@opentelemetry/sdk-trace',
      '@opentelemetry/sdk-trace-base',
    ) as Sdk;
    const { OTLPTraceExporter } = load('@opentelemetry/exporter-trace-otlp-http') as {
      OTLPTraceExporter: new () => unknown;
    };
    const { resourceFromAttributes } = load('@opentelemetry/resources') as {
      resourceFromAttributes(attributes: object): unknown;
    };
    const exporter = new OTLPTraceExporter();
    return new (BasicTracerProvider ?? TracerProvider)({
      resource: resourceFromAttributes(service),
      spanProcessors: [new BatchSpanProcessor(BasicTracerProvider === undefined ? { exporter } : exporter)],
    });
  } catch (error) {
    process.emitWarning(
      `OTEL_EXPORTER_OTLP_ENDPOINT is set, and the app registers no provider: its spans are recorded and go nowhere else (${String(error).split('\n')[0]}). Install @opentelemetry/sdk-trace, @opentelemetry/resources and @opentelemetry/exporter-trace-otlp-http`,
      { type: 'SpanledgerWarning', code: 'SPANLEDGER_EXPORT' },
    );
    return undefined;
  }
}

/** The first there is, of the app's own; else of those beside this package. */
function load(...names: string[]): unknown {
  let missing: unknown;
  for (const from of [join(process.cwd(), 'index.js'), import.meta.url])
    for (const name of names)
      try {
        return createRequire(from)(name) as unknown;
      } catch (error) {
        missing ??= error;
      }
  throw missing;
}
