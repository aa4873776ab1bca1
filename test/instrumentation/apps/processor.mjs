// An app that had the processor before it had the flag.
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { AuditSpanProcessor } from 'spanledger';

new NodeTracerProvider({ spanProcessors: [new AuditSpanProcessor()] }).register();
