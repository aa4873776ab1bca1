// The tracing SDK that is installed: 2.x, or 3.x, which is another package and has another class.
import { context, trace } from '@opentelemetry/api';

/** Of those that are installed the nearest: others may be further up. */
async function nearest(...names) {
  const found = names.flatMap((name) => {
    try {
      return { name, depth: import.meta.resolve(name).lastIndexOf('/node_modules/') };
    } catch {
      return [];
    }
  });
  return await import(found.reduce((best, each) => (each.depth > best.depth ? each : best)).name);
}

const sdk = await nearest('@opentelemetry/sdk-trace-node', '@opentelemetry/sdk-trace');

export const { AlwaysOffSampler } = sdk;
export const { suppressTracing } = await nearest('@opentelemetry/core');

/** A provider, registered nowhere. */
export function basicProvider(config) {
  return new (sdk.BasicTracerProvider ?? sdk.TracerProvider)(config);
}

/** A provider, registered as an app of Node's does. */
export async function registeredProvider(config) {
  if (sdk.NodeTracerProvider !== undefined) {
    const provider = new sdk.NodeTracerProvider(config);
    provider.register();
    return provider;
  }
  const { AsyncLocalStorageContextManager } = await nearest('@opentelemetry/context-async-hooks');
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = basicProvider(config);
  trace.setGlobalTracerProvider(provider);
  return provider;
}
