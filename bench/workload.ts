import { randomBytes } from 'node:crypto';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

/** Spans in one OTLP request. */
export const REQUEST_SPANS = 500;

/** Every id begins with it, then comes the round, so that the same requests can be sent again as others. */
const MARK = 'c0ffee';
const ROUND_BYTES = 2;
const id = (bytes: number) => MARK + '0'.repeat(ROUND_BYTES * 2) + randomBytes(bytes - 5).toString('hex');
const SYSTEM = JSON.stringify([
  { type: 'text', content: 'You are a medical records assistant. Never reveal social security numbers.' },
]);

/** Spans made once; more of them are these again, under other ids. */
const DISTINCT_SPANS = 50_000;

/**
 * OTLP/protobuf requests of an agent's day: per turn one invocation, three model calls with their history, two
 * tools and three steps, as Vercel AI 7 and others emit them. Nine spans, of which six leave records.
 */
export function* requests(spans: number): Generator<Uint8Array> {
  const bodies = distinct(Math.min(spans, DISTINCT_SPANS));
  for (let sent = 0, round = 0; sent < spans; round++) {
    for (const { body, marks } of bodies) {
      if (sent >= spans) return;
      yield inRound(body, marks, round);
      sent += REQUEST_SPANS;
    }
  }
}

interface Made {
  body: Buffer;
  /** Where the round of an id is, in bytes or in hex digits. */
  marks: { at: number; inHex: boolean }[];
}

function distinct(spans: number): Made[] {
  const made: Made[] = [];
  let batch: ReadableSpan[] = [];
  for (let n = 0; n < spans; ) {
    for (const span of turn(n)) {
      batch.push(span);
      n += 1;
      if (batch.length < REQUEST_SPANS) continue;
      const body = Buffer.from(ProtobufTraceSerializer.serializeRequest(batch)!);
      const marks = [
        ...found(body, Buffer.from(MARK, 'hex'), false),
        ...found(body, Buffer.from(MARK), true),
      ];
      made.push({ body, marks });
      batch = [];
    }
  }
  return made;
}

function* found(body: Buffer, mark: Buffer, inHex: boolean): Generator<Made['marks'][number]> {
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + 1))
    yield { at: at + mark.length, inHex };
}

function inRound(body: Buffer, marks: Made['marks'], round: number): Uint8Array {
  const copy = Buffer.from(body);
  const hex = round.toString(16).padStart(ROUND_BYTES * 2, '0');
  for (const { at, inHex } of marks) {
    if (inHex) copy.write(hex, at, 'latin1');
    else copy.writeUIntBE(round, at, ROUND_BYTES);
  }
  return copy;
}

export function turn(n: number): ReadableSpan[] {
  const traceId = id(16);
  const conversation = `conv-${n % 997}`;
  const root = id(8);
  const patient = `P-${n % 5_003}`;
  const user = {
    role: 'user',
    parts: [
      {
        type: 'text',
        content: `Look up patient ${patient}, tell them their labs are in, and write a short note for the record.`,
      },
    ],
  };
  const messages: unknown[] = [user];
  const spans: ReadableSpan[] = [];
  const tools = [
    [
      'access_patient_record',
      { patient_id: patient, patient_name: `Jane Roe ${n}`, fields: ['allergies', 'medications'] },
      { allergies: ['penicillin'], medications: ['metformin'], id: patient },
    ],
    [
      'send_message',
      {
        to: patient,
        template: 'labs-are-in',
        body: 'Your results are in. Please call the office if you have any questions about them.',
      },
      { success: true, message_id: id(6) },
    ],
  ] as const;
  for (let step = 0; step < 3; step++) {
    const stepId = id(8);
    const tool = tools[step];
    const call = tool && { type: 'tool_call', id: `call_${id(8)}`, name: tool[0], arguments: tool[1] };
    const answer = {
      role: 'assistant',
      parts: [
        call ?? { type: 'text', content: 'The labs are in, the patient was told, and the note is written.' },
      ],
    };
    spans.push(
      span(traceId, stepId, `chat gpt-4o-mini`, 2, {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.conversation.id': conversation,
        'gen_ai.system_instructions': SYSTEM,
        'gen_ai.input.messages': JSON.stringify(messages),
        'gen_ai.output.messages': JSON.stringify([answer]),
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.response.finish_reasons': [call ? 'tool_call' : 'stop'],
        'gen_ai.usage.input_tokens': 310,
        'gen_ai.usage.output_tokens': 27,
      }),
    );
    messages.push(answer);
    if (tool && call) {
      spans.push(
        span(traceId, stepId, `execute_tool ${tool[0]}`, 0, {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': tool[0],
          'gen_ai.tool.call.id': call.id,
          'gen_ai.tool.type': 'function',
          'gen_ai.tool.call.arguments': JSON.stringify(tool[1]),
          'gen_ai.tool.call.result': JSON.stringify(tool[2]),
        }),
      );
      messages.push({
        role: 'tool',
        parts: [{ type: 'tool_call_response', id: call.id, response: tool[2] }],
      });
    }
    spans.push(span(traceId, root, `step ${step + 1}`, 0, { 'gen_ai.operation.name': 'agent_step' }, stepId));
  }
  const who = {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'medrec',
    'gen_ai.conversation.id': conversation,
    'user.id': `u-${n % 211}`,
  };
  spans.push(span(traceId, undefined, 'invoke_agent medrec', 0, who, root));
  return spans;
}

const resource = {
  attributes: {
    'service.name': 'medrec',
    'service.version': '1.4.2',
    'deployment.environment.name': 'bench',
  },
};

function span(
  traceId: string,
  parent: string | undefined,
  name: string,
  kind: number,
  attributes: object,
  spanId = id(8),
): ReadableSpan {
  const now = Date.now();
  const time = (ms: number): [number, number] => [Math.floor(ms / 1000), (ms % 1000) * 1e6];
  const made = {
    name,
    kind,
    spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
    ...(parent === undefined ? {} : { parentSpanContext: { traceId, spanId: parent, traceFlags: 1 } }),
    startTime: time(now - 40),
    endTime: time(now),
    status: { code: 0 },
    attributes,
    links: [],
    events: [],
    duration: [0, 4e7],
    ended: true,
    resource,
    instrumentationScope: { name: 'gen_ai' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
  return made as unknown as ReadableSpan;
}
