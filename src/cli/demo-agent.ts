import {
  type Attributes,
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/**
 * A medical-records assistant with a scripted model and real tools on a make-believe hospital. Its spans are
 * those of the OpenTelemetry GenAI conventions, as an instrumented agent emits them; spanledger sees nothing
 * else.
 */

type Arguments = { [name: string]: unknown };

/** What the scripted model says next: it asks for tools, or answers. */
export type Reply = { ask: [tool: string, args: Arguments, attributes?: Attributes][] } | { answer: string };

export interface Visit {
  conversation: string;
  user: string;
  role: string;
  purpose: string;
  trigger: string;
  model?: string;
  instructions?: string;
  says: string;
  replies: Reply[];
}

interface Message {
  role: string;
  parts: Arguments[];
}

const AGENT = 'medrec-assistant';
const MODEL = 'gpt-4o-mini';
const INSTRUCTIONS = 'You are a medical records assistant. Never reveal social security numbers.';

export class MedicalRecordsAgent {
  readonly #tracer: Tracer;
  #calls = 0;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** One user message, and all the agent does about it. */
  async serve(visit: Visit): Promise<void> {
    const { conversation, user, role, purpose, trigger, model = MODEL, instructions = INSTRUCTIONS } = visit;
    const root = this.#tracer.startSpan(`invoke_agent ${AGENT}`, {
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.provider.name': 'openai',
        'gen_ai.agent.name': AGENT,
        'gen_ai.conversation.id': conversation,
        'user.id': user,
        'user.role': role,
        'audit.purpose': purpose,
        'audit.trigger': trigger,
      },
    });
    const within = trace.setSpan(context.active(), root);
    const messages: Message[] = [{ role: 'user', parts: [{ type: 'text', content: visit.says }] }];
    for (const reply of visit.replies) {
      messages.push(await this.#ask(reply, messages, model, instructions, within));
      if ('ask' in reply)
        for (const call of messages.at(-1)!.parts) messages.push(await this.#run(call, reply, within));
    }
    root.end();
  }

  /** An event that is nobody's tool call: the application tells it itself. */
  declare(attributes: Attributes): void {
    this.#tracer.startSpan('audit', { attributes }).end();
  }

  async #ask(
    reply: Reply,
    messages: Message[],
    model: string,
    instructions: string,
    within: Context,
  ): Promise<Message> {
    const span = this.#tracer.startSpan(
      `chat ${model}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'openai',
          'gen_ai.request.model': model,
        },
      },
      within,
    );
    await pause(4);
    const parts =
      'answer' in reply
        ? [{ type: 'text', content: reply.answer }]
        : reply.ask.map(([name, args]) => ({
            type: 'tool_call',
            id: `call_${++this.#calls}`,
            name,
            arguments: args,
          }));
    const answer: Message = { role: 'assistant', parts };
    span.setAttributes({
      'gen_ai.system_instructions': JSON.stringify([{ type: 'text', content: instructions }]),
      'gen_ai.input.messages': JSON.stringify(messages),
      'gen_ai.output.messages': JSON.stringify([answer]),
      'gen_ai.response.model': `${model}-2024-07-18`,
      'gen_ai.response.finish_reasons': ['answer' in reply ? 'stop' : 'tool_call'],
      'gen_ai.usage.input_tokens': (90 + JSON.stringify(messages).length / 4) | 0,
      'gen_ai.usage.output_tokens': (JSON.stringify(parts).length / 4) | 0,
    });
    span.end();
    return answer;
  }

  async #run(call: Arguments, reply: Reply, within: Context): Promise<Message> {
    const name = String(call.name);
    const args = call.arguments as Arguments;
    const extra =
      'ask' in reply ? reply.ask.find(([tool, given]) => tool === name && given === args)?.[2] : undefined;
    const span = this.#tracer.startSpan(
      `execute_tool ${name}`,
      {
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': name,
          'gen_ai.tool.call.id': String(call.id),
          'gen_ai.tool.type': 'function',
          'gen_ai.tool.call.arguments': JSON.stringify(args),
          ...extra,
        },
      },
      within,
    );
    const response = await this.#call(name, args, span);
    span.end();
    return { role: 'tool', parts: [{ type: 'tool_call_response', id: call.id, response }] };
  }

  async #call(name: string, args: Arguments, span: Span): Promise<unknown> {
    try {
      const result = await TOOLS[name]!(args);
      span.setAttribute('gen_ai.tool.call.result', JSON.stringify(result));
      return result;
    } catch (error) {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      return { error: (error as Error).message };
    }
  }
}

/** What no byte of the ledger may hold. */
export const PATIENT = {
  patient_id: 'P-1042',
  patient_name: 'Jane Roe',
  ssn: '078-05-1120',
  date_of_birth: '1971-03-09',
  address: '12 Harbour Street, Boston',
  phone: '+1 555 010 4477',
};

let labAttempts = 0;

const TOOLS: { [name: string]: (args: Arguments) => Promise<unknown> } = {
  async access_patient_record() {
    await pause(12);
    return { ...PATIENT, allergies: ['penicillin'], medications: ['metformin', 'lisinopril'] };
  },
  async fetch_lab_results({ patient_id }) {
    await pause(6);
    if (++labAttempts === 1) throw new Error('LIS timeout: connect ETIMEDOUT 10.2.3.4:5432');
    return {
      patient_id,
      status: 'final',
      results: [
        { test: 'HbA1c', value: 6.1 },
        { test: 'LDL', value: 3.2 },
      ],
    };
  },
  async update_treatment({ patient_id }) {
    await pause(8);
    return { success: true, patient_id, treatment_id: 'T-77' };
  },
  async delete_record() {
    await pause(2);
    return { error: 'permission_denied', message: 'Policy POL-7 denies delete_record for role nurse' };
  },
  async charge_payment({ order_id }) {
    await pause(10);
    return { success: true, payment_id: 'pay_881', order_id, status: 'captured' };
  },
  async send_message() {
    await pause(3);
    return { success: true, message_id: 'msg_19' };
  },
};

/** The day at the hospital that the demo records. */
export async function dayAtTheHospital(
  agent: MedicalRecordsAgent,
  landed: () => Promise<void>,
): Promise<void> {
  const { patient_id } = PATIENT;
  agent.declare({
    'audit.action': 'access_granted',
    'audit.actor.type': 'admin',
    'audit.actor.id': 'admin-3',
    'audit.resource.type': 'patient',
    'audit.resource.id': patient_id,
    'user.id': 'nurse-17',
  });
  await agent.serve({
    conversation: 'conv-7f3a',
    user: 'nurse-17',
    role: 'nurse',
    purpose: 'TREAT',
    trigger: 'user_request',
    says: `Look up ${PATIENT.patient_name} and her last labs, tell her they are in, and delete the old record.`,
    replies: [
      { ask: [['access_patient_record', { ...PATIENT, fields: ['allergies', 'medications'] }]] },
      { ask: [['fetch_lab_results', { patient_id, panel: 'lipid' }]] },
      { ask: [['fetch_lab_results', { patient_id, panel: 'lipid' }, { 'audit.trigger': 'retry' }]] },
      {
        ask: [
          ['send_message', { to: patient_id, template: 'labs-are-in' }, { 'audit.trigger': 'proactive' }],
          ['delete_record', { patient_id, record: 'R-8' }],
        ],
      },
      { answer: 'The labs are in and the patient was told. Deleting was denied.' },
    ],
  });
  await landed();
  await agent.serve({
    conversation: 'conv-91bc',
    user: 'dr-lee',
    role: 'physician',
    purpose: 'TREAT',
    trigger: 'follow_up',
    model: 'gpt-4o',
    instructions: `${INSTRUCTIONS} Ask before you change a treatment.`,
    says: 'Raise the metformin of P-1042 and charge the visit.',
    replies: [
      { ask: [['access_patient_record', { patient_id, patient_name: PATIENT.patient_name }]] },
      {
        ask: [
          ['update_treatment', { patient_id, drug: 'metformin', dose_mg: 1000 }],
          [
            'charge_payment',
            { order_id: 'ord-551', patient_id, card_number: '4111 1111 1111 1111', amount: 49.5 },
            { 'audit.purpose': 'HPAYMT' },
          ],
        ],
      },
      { answer: 'The treatment is changed and the visit charged.' },
    ],
  });
  agent.declare({
    'audit.action': 'conversation_ended',
    'gen_ai.conversation.id': 'conv-91bc',
    'user.id': 'dr-lee',
  });
  agent.declare({
    'audit.action': 'access_revoked',
    'audit.actor.type': 'system',
    'audit.actor.id': 'shift-planner',
    'audit.trigger': 'system',
    'audit.resource.type': 'patient',
    'audit.resource.id': patient_id,
    'user.id': 'nurse-17',
  });
  await landed();
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
