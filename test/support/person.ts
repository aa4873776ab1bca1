import { filler, hex } from './kinds/kind.ts';

/** Somebody nobody is, by the fields of tools that know people. */
export const PERSON = {
  patient_name: 'Wilhelmina Featherstone',
  date_of_birth: '1957-08-23',
  address: '4711 Quillhaven Terrace, Springfield',
  phone: '+1 415-555-2671',
  ssn: '219-09-9998',
  card_number: '4111 1111 1111 1111',
  email: 'w.featherstone@example.net',
  api_key: `sk-proj-${filler(40)}`,
};

/** In words, as a tool or a model writes it. */
export const SAID = `Patient: ${PERSON.patient_name}, DOB: ${PERSON.date_of_birth}, Phone: ${PERSON.phone}, SSN ${PERSON.ssn}, paid with ${PERSON.card_number}, ${PERSON.email}, used ${PERSON.api_key}, Address: ${PERSON.address}`;

/** Of each, what nobody else has. */
const PARTS = [
  'Wilhelmina',
  'eatherstone',
  '1957-08-23',
  '19570823',
  'Quillhaven',
  '555-2671',
  '4155552671',
  '219-09-9998',
  '219099998',
  '4111 1111',
  '41111111',
  PERSON.api_key.slice(8, 28),
];

/** What the corpus' agents were told of their patient, in free text and in fields. */
export const PATIENT_OF_CORPUS = [
  '078-05-1120',
  '078051120',
  'jane.roe@',
  '4111 1111',
  '41111111',
  '010-4477',
  '1971-03-09',
  'MRN-889201',
];

export function writtenParts(): { part: string; forms: Buffer[] }[] {
  return PARTS.map((part) => ({ part, forms: waysToWrite(part) }));
}

/** As it is, percent-encoded, escaped, in hexadecimal, and the part of its base64 that nothing beside it changes. */
export function waysToWrite(part: string): Buffer[] {
  const bytes = Buffer.from(part);
  const escaped = [...part].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const base64 = [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    return whole.slice(before === 0 ? 0 : 4, Math.floor(((before + bytes.length) * 8) / 24) * 4);
  });
  const utf16 = Buffer.from(part, 'utf16le');
  const forms = [part, encodeURIComponent(part), escaped, bytes.toString('hex'), ...base64];
  return [...new Set(forms)].map((form) => Buffer.from(form)).concat(utf16);
}

const nano = (ms: number) => String(1_767_225_600_000_000_000n + BigInt(ms) * 1_000_000n);
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const number = (key: string, intValue: string) => ({ key, value: { intValue } });
const kvlist = (object: object) => ({
  kvlistValue: { values: Object.entries(object).map(([key, value]) => text(key, String(value))) },
});
const base64 = (said: string) => Buffer.from(said).toString('base64');

/** The person in every form that a tool's arguments or result may hold, each beside a mark of its own. */
function everyForm(where: string): object {
  const said = (form: string) => `${mark(where, form)} ${SAID}`;
  return {
    ...PERSON,
    nested: { a: [{ b: { note: said('nested'), patient: { name: PERSON.patient_name } } }] },
    json: JSON.stringify({ note: said('json'), ...PERSON }),
    json_in_json: JSON.stringify({ body: JSON.stringify({ note: said('json_in_json'), ...PERSON }) }),
    cut: JSON.stringify({ note: said('cut'), ...PERSON, rest: '' }).slice(0, -4),
    url: `https://w:${PERSON.api_key}@api.example.com/v1?mark=${mark(where, 'url')}&q=${encodeURIComponent(SAID)}&phone=${encodeURIComponent(PERSON.phone)}`,
    percent: `${mark(where, 'percent')} ${encodeURIComponent(encodeURIComponent(SAID))}`,
    base64: `${mark(where, 'base64')} ${base64(SAID)} ${base64(JSON.stringify(PERSON))}`,
    hex: `${mark(where, 'hex')} ${Buffer.from(SAID).toString('hex')}`,
    backslashes: `${mark(where, 'backslashes')} ${JSON.stringify(JSON.stringify(SAID))}`,
    numbers: { phone: 14155552671, ssn: 219099998, n: 4111111111111111, date_of_birth: 19570823 },
    [said('key')]: 1,
    [PERSON.ssn]: mark(where, 'short_key'),
    form: `mark=${mark(where, 'form')}&patient_name=${encodeURIComponent(PERSON.patient_name)}&date_of_birth=${PERSON.date_of_birth}&address=${encodeURIComponent(PERSON.address)}`,
    xml: `<p id="${mark(where, 'xml')}"><patientName>${PERSON.patient_name}</patientName><birthDate value="${PERSON.date_of_birth}"/><address>${PERSON.address}</address></p>`,
    sql: `INSERT INTO patients (id, patient_name, date_of_birth, address) VALUES ('${mark(where, 'sql')}', '${PERSON.patient_name}', '${PERSON.date_of_birth}', '${PERSON.address}')`,
    resource: {
      resourceType: 'Patient',
      name: [{ family: 'Featherstone', given: ['Wilhelmina'] }],
      birthDate: PERSON.date_of_birth,
    },
  };
}

/** Harmless, and findable: one for each place. */
export function mark(where: string, form = ''): string {
  return `zq${hex(4)}-${where}${form && `-${form}`}`;
}

const STACK = (where: string) =>
  `Error: ${mark(where)} ${SAID}\n    at lookup (/app/src/patients.js:12:34)\n    at async run (file:///app/main.js?ssn=${PERSON.ssn})`;

interface Said {
  [member: string]: unknown;
}

function span(id: number, name: string, more: Said): Said {
  return {
    traceId: hex(32),
    spanId: `00000000000000${(id + 16).toString(16)}`,
    name,
    kind: 1,
    startTimeUnixNano: nano(id),
    endTimeUnixNano: nano(id + 5),
    ...more,
  };
}

const PLACES_OF_ATTRIBUTES = [
  'baggage',
  'user_agent.original',
  'http.user_agent',
  'url.full',
  'http.url',
  'db.statement',
  'gen_ai.tool.description',
  'gen_ai.conversation.id',
  'session.id',
  'user.id',
  'enduser.id',
  'gen_ai.agent.name',
  'gen_ai.request.model',
  'client.address',
  'error.type',
];

function toolCall(id: number, where: string, more: Said = {}): Said {
  return span(id, 'execute_tool lookup_patient', {
    attributes: [
      text('gen_ai.operation.name', 'execute_tool'),
      text('gen_ai.tool.name', 'lookup_patient'),
      text(
        'gen_ai.tool.call.arguments',
        JSON.stringify({ patient_id: PERSON.ssn, ...everyForm(`${where}-arguments`) }),
      ),
      text(
        'gen_ai.tool.call.result',
        JSON.stringify({ id: PERSON.email, status: 'ok', ...everyForm(`${where}-result`) }),
      ),
    ],
    ...more,
  });
}

/** One trace with the person in every place of it, in OTLP/JSON. */
export function tracesOfPerson(): object {
  return {
    resourceSpans: [
      {
        resource: {
          attributes: [
            text('service.name', `${mark('service')} ${SAID}`),
            text('host.name', SAID),
            text('deployment.note', `${mark('resource')} ${SAID}`),
            { key: 'patient', value: kvlist(PERSON) },
          ],
        },
        scopeSpans: [
          {
            scope: { name: `${mark('scope')} ${SAID}`, version: SAID },
            spans: [
              toolCall(1, 'call'),
              toolCall(2, 'failed', {
                status: { code: 2, message: `${mark('status')} ${SAID}` },
                traceState: `a=${PERSON.ssn}`,
                events: [
                  {
                    name: 'exception',
                    timeUnixNano: nano(3),
                    attributes: [
                      text('exception.type', `${mark('type')}Error: ${SAID}`),
                      text('exception.message', `${mark('message')} ${SAID}`),
                      text('exception.stacktrace', STACK('stack')),
                    ],
                  },
                  { name: `${mark('event')} ${SAID}`, timeUnixNano: nano(3), attributes: [text(SAID, SAID)] },
                ],
                links: [
                  {
                    traceId: hex(32),
                    spanId: hex(16),
                    attributes: [text('note', `${mark('link')} ${SAID}`), text(SAID, SAID)],
                  },
                ],
              }),
              ...PLACES_OF_ATTRIBUTES.map((name, i) =>
                toolCall(3 + i, 'more', {
                  attributes: [
                    text('gen_ai.operation.name', 'execute_tool'),
                    text('gen_ai.tool.name', 'lookup_patient'),
                    text(name, `${mark('attribute', name)} ${SAID}`),
                    text('gen_ai.tool.call.arguments', `not JSON: ${SAID}`),
                    number('phone', '14155552671'),
                    text(SAID, SAID),
                  ],
                }),
              ),
              span(40, `chat ${mark('name')} ${SAID}`, {
                kind: 3,
                attributes: [
                  text('gen_ai.operation.name', 'chat'),
                  text('gen_ai.provider.name', 'openai'),
                  text('gen_ai.request.model', 'gpt-4o-mini'),
                  text('gen_ai.system_instructions', JSON.stringify([{ type: 'text', content: SAID }])),
                  text(
                    'gen_ai.input.messages',
                    JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: SAID }] }]),
                  ),
                  text(
                    'gen_ai.output.messages',
                    JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: SAID }] }]),
                  ),
                ],
              }),
              span(41, `execute_tool ${mark('tool')} ${SAID}`, {
                attributes: [
                  text('gen_ai.operation.name', 'execute_tool'),
                  text('gen_ai.tool.name', `${mark('tool')} ${SAID}`),
                ],
              }),
              span(42, `GET /patients?name=${encodeURIComponent(PERSON.patient_name)}&ssn=${PERSON.ssn}`, {
                kind: 3,
                attributes: [
                  text(
                    'url.full',
                    `https://api.example.com/?patient_name=${encodeURIComponent(PERSON.patient_name)}`,
                  ),
                ],
              }),
              // Its id cannot be read.
              {
                ...toolCall(43, 'unreadable'),
                name: `${mark('unreadable')} ${SAID}`,
                traceId: hex(32),
                spanId: '00',
              },
            ],
          },
        ],
      },
    ],
  };
}

export function logsOfPerson(): object {
  const log = (i: number, more: Said) => ({
    timeUnixNano: nano(i),
    traceId: hex(32),
    spanId: '0000000000000038',
    severityText: SAID.slice(0, 40),
    ...more,
  });
  return {
    resourceLogs: [
      {
        resource: { attributes: [text('service.name', 'probe'), text('note', SAID)] },
        scopeLogs: [
          {
            scope: { name: 'probe' },
            logRecords: [
              log(1, {
                body: { stringValue: `${mark('body')} ${SAID}` },
                attributes: [text('event.name', 'gen_ai.user.message')],
              }),
              log(2, {
                body: kvlist({ content: SAID, ...PERSON }),
                attributes: [text('event.name', 'gen_ai.user.message'), text(SAID, SAID)],
              }),
              log(3, {
                body: { stringValue: JSON.stringify(everyForm('log')) },
                attributes: [text('event.name', 'gen_ai.choice'), text('note', SAID)],
              }),
              log(4, {
                spanId: '00',
                body: { stringValue: `${mark('unreadable_log')} ${SAID}` },
                attributes: [text('note', SAID)],
              }),
            ],
          },
        ],
      },
    ],
  };
}
