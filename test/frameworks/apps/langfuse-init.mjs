// Another --import, as Langfuse's documentation has it, with the app's own sampler.
import { LangfuseSpanProcessor } from '@langfuse/otel';
import { NodeSDK } from '@opentelemetry/sdk-node';

globalThis.langfuse = new NodeSDK({ spanProcessors: [new LangfuseSpanProcessor()] });
globalThis.langfuse.start();
