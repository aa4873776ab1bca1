import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/record/canonical.ts';
import { Interruptions } from '../../src/verify/interruptions.ts';

const TRACE = 'a'.repeat(32);

function told(phase: string, span: number, minute: number): string {
  const trace = { trace_id: TRACE, span_id: String(span).padStart(16, '0'), parent_span_id: 'f'.repeat(16) };
  const recorded_at = new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
  return canonicalJson({ action: 'tool_invoked', phase, recorded_at, trace, tool: { name: 't' } });
}

const closed = canonicalJson({ action: 'chain_closed', phase: 'event' });
const never = () => false;

function found(payloads: readonly string[], hasSuccessor: (chain: string) => boolean = never): bigint[] {
  const interruptions = new Interruptions();
  for (const [seq, payload] of payloads.entries()) interruptions.hear('c', BigInt(seq), payload);
  return interruptions.found(hasSuccessor).map(({ seq }) => seq);
}

describe('an intent alone', () => {
  it('is under way, as long as its chain is', () => {
    expect(found([told('intent', 1, 0), told('intent', 2, 59)])).toEqual([]);
  });

  it('is interrupted once its chain is closed, another follows it, or an hour is over', () => {
    expect(found([told('intent', 1, 0), closed])).toEqual([0n]);
    expect(found([told('intent', 1, 0)], (chain) => chain === 'c')).toEqual([0n]);
    expect(found([told('intent', 1, 0), told('outcome', 2, 60)])).toEqual([0n]);
  });

  it('is none, where an outcome follows', () => {
    expect(
      found([
        told('intent', 1, 0),
        told('outcome', 1, 1),
        told('intent', 1, 2),
        told('outcome', 1, 3),
        closed,
      ]),
    ).toEqual([]);
    expect(found([told('intent', 1, 0), told('intent', 2, 0), told('outcome', 2, 1), closed])).toEqual([0n]);
  });
});
