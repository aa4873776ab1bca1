import { isSpanKey, type SpanMemory } from '../record/memory.ts';
import type { WrappedKey } from '../vault/wrapped-key.ts';

/** What was erased, as a journal is asked to forget it. */
export interface Gone {
  has(chainId: string, seq: number): boolean;
  /** Data keys, hex. */
  keys: ReadonlySet<string>;
}

/**
 * What is left of an entry of memory: itself where it knows nothing of what is gone, null where nothing is left. Of a span
 * its keyed digests stay, without whom it was about, so that one sent again does not come back.
 */
export function leftOf(key: string, value: unknown, gone: Gone, traces: ReadonlySet<string>): unknown {
  if (key.startsWith('vault|')) {
    const { id } = (value ?? {}) as Partial<WrappedKey>;
    return id !== undefined && gone.keys.has(id) ? null : value;
  }
  if (!isSpanKey(key) || !traces.has(traceOf(key))) return value;
  const { who, ...rest } = (value ?? {}) as SpanMemory;
  return who === undefined ? value : rest;
}

/** Traces of which a record is gone: whom they were about stands at each of their spans. */
export function tracesOf(memory: Iterable<[string, unknown]>, gone: Gone): Set<string> {
  const traces = new Set<string>();
  for (const [key, value] of memory) {
    if (!isSpanKey(key)) continue;
    const { intent, end, content } = (value ?? {}) as SpanMemory;
    if ([intent, end, content].some((taken) => isGone(taken?.record, gone))) traces.add(traceOf(key));
  }
  return traces;
}

/** Of a span's key all but the span. */
function traceOf(key: string): string {
  return key.slice(0, key.lastIndexOf('|'));
}

function isGone(record: string | undefined, gone: Gone): boolean {
  const [, chainId, seq] = /^(.*):(\d+)$/.exec(record ?? '') ?? [];
  return chainId !== undefined && gone.has(chainId, Number(seq));
}
