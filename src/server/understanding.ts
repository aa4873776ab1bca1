import { decodeLogsJson } from '../otlp/json-logs.ts';
import { decodeTracesJson } from '../otlp/json-traces.ts';
import { decodeLogsProtobuf } from '../otlp/protobuf-logs.ts';
import { decodeTracesProtobuf } from '../otlp/protobuf-traces.ts';
import { quarantine, type Understood, understand, understandLogs } from '../pipeline.ts';
import type { Policy } from '../policy/policy.ts';
import type { Encoding } from './answers.ts';

/** What a body held, understood and redacted. */
export interface Read {
  items: Understood[];
  /** Spans in it, also those that could not be read. */
  spans: number;
}

/** The pure part of the way: bytes to facts. */
export interface Understanding {
  /**
   * Decodes and understands one OTLP body.
   *
   * @param tenant of the token it came under.
   * @throws SpanledgerError `otlp_undecodable`
   */
  read(signal: 'traces' | 'logs', encoding: Encoding, body: Uint8Array, tenant?: string): Promise<Read>;
  close(): Promise<void>;
}

/** In this thread. */
export function understandHere(policy: Policy): Understanding {
  return {
    read: async (signal, encoding, body, tenant) => readHere(policy, signal, encoding, body, tenant),
    close: async () => undefined,
  };
}

export function readHere(
  policy: Policy,
  signal: 'traces' | 'logs',
  encoding: Encoding,
  body: Uint8Array,
  tenant?: string,
): Read {
  const text = () => Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  if (signal === 'logs') {
    const { logs, unreadable } = encoding === 'json' ? decodeLogsJson(text()) : decodeLogsProtobuf(body);
    const items = [
      ...understandLogs(logs, policy, tenant),
      ...unreadable.map((each) => quarantine(each, policy)),
    ];
    return { items, spans: 0 };
  }
  const { spans, unreadable } = encoding === 'json' ? decodeTracesJson(text()) : decodeTracesProtobuf(body);
  const items = [
    ...spans.map((span) => understand(span, policy, 'end', tenant)),
    ...unreadable.map((each) => quarantine(each, policy)),
  ];
  return { items, spans: spans.length + unreadable.length };
}
