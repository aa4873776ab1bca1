import { decodeLogsJson } from '../otlp/json-logs.ts';
import { decodeTracesJson } from '../otlp/json-traces.ts';
import { decodeLogsProtobuf } from '../otlp/protobuf-logs.ts';
import { decodeTracesProtobuf } from '../otlp/protobuf-traces.ts';
import type { Policy } from '../policy/policy.ts';
import { quarantine, type Understood, understand, understandLogs } from '../understand.ts';
import type { Encoding } from './answers.ts';

/** What one request of OTLP says, to be recorded. */
export interface BodyRead {
  items: Understood[];
  /** Spans in it, of agents or not, readable or not; log records are not counted. */
  spans: number;
}

/** The pure part of the way in: the same body, policy and tenant give the same items, whoever reads them. */
export interface Understanding {
  /**
   * Decodes and understands one request.
   *
   * @param body is not changed, and must not change before the answer.
   * @param tenant whose token it came under: it counts, whatever a span says of itself.
   * @throws SpanledgerError `otlp_undecodable`; `understanding_unavailable`: nothing is known of the body, and it
   * may be sent again.
   */
  read(
    signal: 'traces' | 'logs',
    encoding: Encoding,
    body: Uint8Array,
    tenant?: string | undefined,
  ): Promise<BodyRead>;

  /** Takes no more, and resolves when all that was taken is answered. */
  close(): Promise<void>;
}

/** In this thread. */
export function understandHere(policy: Policy): Understanding {
  return {
    read: async (signal, encoding, body, tenant) => understandBody(policy, signal, encoding, body, tenant),
    close: async () => undefined,
  };
}

/** @throws SpanledgerError `otlp_undecodable` */
export function understandBody(
  policy: Policy,
  signal: 'traces' | 'logs',
  encoding: Encoding,
  body: Uint8Array,
  tenant: string | undefined,
): BodyRead {
  const quarantined = (each: Parameters<typeof quarantine>[0]) => quarantine(each, policy);
  if (signal === 'logs') {
    const { logs, unreadable } =
      encoding === 'json' ? decodeLogsJson(textOf(body)) : decodeLogsProtobuf(body);
    return { items: [...understandLogs(logs, policy, tenant), ...unreadable.map(quarantined)], spans: 0 };
  }
  const { spans, unreadable } =
    encoding === 'json' ? decodeTracesJson(textOf(body)) : decodeTracesProtobuf(body);
  const items = spans.map((span) => understand(span, policy, 'end', tenant));
  return { items: [...items, ...unreadable.map(quarantined)], spans: spans.length + unreadable.length };
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
}
