/**
 * What an app imports. Loads neither ClickHouse nor server code.
 *
 * @module spanledger
 */
export { type ErrorCode, SpanledgerError } from './errors.ts';
export type { AuditOptions } from './sdk/audit.ts';
export { AuditSpanExporter } from './sdk/exporter.ts';
export { AuditSpanProcessor } from './sdk/processor.ts';
export type { ReadableSpanLike } from './sdk/readable-span.ts';
