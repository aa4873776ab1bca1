/**
 * What an app imports. Loads neither ClickHouse nor server code.
 *
 * @module spanledger
 */
export { AuditUnavailableError, type ErrorCode, SpanledgerError } from './errors.ts';
export type { AuditOptions } from './sdk/audit.ts';
export { type AuditedTool, audit, auditTool } from './sdk/audit-tool.ts';
export {
  type AuditContext,
  type AuditContextCarrier,
  auditContext,
  runWithAuditContext,
  withAuditContext,
} from './sdk/context.ts';
export type { AuditEvent, ResourceSaid, ToolStart } from './sdk/door.ts';
export { AuditSpanExporter } from './sdk/exporter.ts';
export { AuditSpanProcessor } from './sdk/processor.ts';
export type { ReadableSpanLike } from './sdk/readable-span.ts';
