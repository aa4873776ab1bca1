import fc from 'fast-check';
import { isSpanledgerError } from '../../src/errors.ts';
import { decodeLogsJson } from '../../src/otlp/json-logs.ts';
import { decodeTracesJson } from '../../src/otlp/json-traces.ts';
import { decodeLogsProtobuf } from '../../src/otlp/protobuf-logs.ts';
import { decodeTracesProtobuf } from '../../src/otlp/protobuf-traces.ts';
import { GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { anyMutations, mutate } from '../support/otlp-mutate.ts';

/** A body as some exporter sent it, and then not quite. */
export interface Mutated {
  path: '/v1/traces' | '/v1/logs';
  type: 'application/json' | 'application/x-protobuf';
  body: Buffer;
}

/** Every capture, in both encodings. */
function originals(): Mutated[] {
  return GOLDEN_SETS.map(goldenCapture).flatMap(({ json, protobuf, logs }) => [
    { path: '/v1/traces', type: 'application/json', body: json },
    { path: '/v1/traces', type: 'application/x-protobuf', body: protobuf },
    ...(logs === undefined
      ? []
      : ([
          { path: '/v1/logs', type: 'application/json', body: logs.json },
          { path: '/v1/logs', type: 'application/x-protobuf', body: logs.protobuf },
        ] as const)),
  ]);
}

const SAMPLE = 5_000;

/** So many mutated bodies, each original in its turn; the same seed gives the same. */
export function* mutated(count: number, seed: number): Generator<Mutated> {
  const bodies = originals();
  for (let done = 0; done < count; done += SAMPLE) {
    const numRuns = Math.min(SAMPLE, count - done);
    for (const [i, mutations] of fc.sample(anyMutations, { numRuns, seed: seed + done }).entries()) {
      const original = bodies[(done + i) % bodies.length]!;
      yield { ...original, body: mutate(original.body, mutations) };
    }
  }
}

/** What the decoder makes of a body: anything but a refusal with a code is thrown. */
export function decode({ path, type, body }: Mutated): 'read' | 'refused' {
  try {
    if (type === 'application/json')
      (path === '/v1/logs' ? decodeLogsJson : decodeTracesJson)(body.toString());
    else (path === '/v1/logs' ? decodeLogsProtobuf : decodeTracesProtobuf)(body);
    return 'read';
  } catch (error) {
    if (isSpanledgerError(error, 'otlp_undecodable')) return 'refused';
    throw error;
  }
}
