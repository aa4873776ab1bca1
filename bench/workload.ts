import { randomBytes } from 'node:crypto';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

/** Spans in one OTLP request. */
export const REQUEST_SPANS = 500;

const id = (bytes: number) => randomBytes(bytes).toString('hex');
const SYSTEM = JSON.stringify([
  { type: 'text', content: 'You are a medical records assistant. Never reveal social security numbers.' },
]);

/**
 * OTLP/protobuf requests of an agent's day: per turn one invocation, three model calls with their history, two
 * tools and three steps, as Vercel AI 7 and others emit them. Nine spans, of which six leave records.
 */
export function requests(spans: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let batch: ReadableSpan[] = [];
  for (let made = 0; made < spans; ) {
    for (const span of turn(made)) {
      batch.push(span);
      made += 1;
      if (batch.length < REQUEST_SPANS) continue;
      bodies.push(ProtobufTraceSerializer.serializeRequest(batch)!);
      batch = [];
    }
  }
  return bodies;
}

function turn(n: number): ReadableSpan[] {
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
