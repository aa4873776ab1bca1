import type { IncomingMessage } from 'node:http';
import { CONTENT_TYPES, type Encoding, exportAnswer, Refusal, type Signal, statusAnswer } from './answers.ts';
import { readBody } from './body.ts';
import { type Budget, Holding } from './budget.ts';
import type { Forward } from './forward.ts';
import type { Answer, Call, Route } from './http.ts';
import type { Intake } from './intake.ts';

export interface OtlpOptions {
  intake: Intake;
  budget: Budget;
  forward?: Forward | undefined;
}

const SIGNALS: readonly Signal[] = ['traces', 'logs', 'metrics'];

/**
 * OTLP/HTTP: traces and logs, protobuf and JSON; metrics are taken and only sent on. Answers as the OTLP
 * specification says (https://opentelemetry.io/docs/specs/otlp/#otlphttp), success when all is durable.
 */
export function otlpRoutes(options: OtlpOptions): Route[] {
  return SIGNALS.map((signal) => ({
    method: 'POST',
    path: `/v1/${signal}`,
    rights: ['ingest'],
    answer: (call) => take(signal, call, options),
    refuse: ({ status, code, message, headers }, request) => {
      const encoding = encodingIn(request) ?? 'json';
      return {
        status,
        type: CONTENT_TYPES[encoding],
        body: statusAnswer(encoding, code, message),
        headers,
      };
    },
  }));
}

async function take(signal: Signal, { request, grant }: Call, options: OtlpOptions): Promise<Answer> {
  const { intake, budget, forward } = options;
  const encoding = encodingIn(request);
  if (encoding === undefined)
    throw new Refusal(415, 'the content type is neither application/x-protobuf nor application/json');
  const holding = new Holding(budget);
  try {
    const body = await readBody(request, holding);
    const { rejected, message } = await intake.take(signal, encoding, body.inflated, grant.tenant);
    forward?.send({
      path: `/v1/${signal}`,
      type: request.headers['content-type']!,
      encoding: body.encoding,
      body: body.sent,
    });
    const answer = exportAnswer(signal, encoding, rejected, message);
    return { status: 200, type: CONTENT_TYPES[encoding], body: answer };
  } finally {
    holding.release();
  }
}

function encodingIn(request: IncomingMessage): Encoding | undefined {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === CONTENT_TYPES.protobuf) return 'protobuf';
  return type === CONTENT_TYPES.json ? 'json' : undefined;
}
