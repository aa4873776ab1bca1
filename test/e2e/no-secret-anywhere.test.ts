import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { corpusCaptures, GOLDEN_SETS, goldenCapture } from '../support/captures.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { encodeLogs, encodeTraces } from '../support/otlp-proto.ts';
import {
  logsOfPerson,
  mark,
  PATIENT_OF_CORPUS,
  SAID,
  tracesOfPerson,
  waysToWrite,
  writtenParts,
} from '../support/person.ts';
import { type Serving, serve } from '../support/serve.ts';
import { until } from '../support/until.ts';

/** Everything that anybody could read, by where it was. */
type Places = Map<string, Buffer>;

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

describe('of a person in every place of a trace', () => {
  const bodies = () => {
    const traces = JSON.stringify(tracesOfPerson());
    const logs = JSON.stringify(logsOfPerson());
    return {
      'traces.json': Buffer.from(traces),
      'traces.pb': encodeTraces(messages(JSON.parse(traces) as object)),
      'logs.json': Buffer.from(logs),
      'logs.pb': encodeLogs(messages(JSON.parse(logs) as object)),
      'broken.json': Buffer.from(`{"resourceSpans":[${SAID}`),
      'broken.pb': Buffer.concat([Buffer.from([10, 255, 255, 3]), Buffer.from(SAID)]),
    };
  };

  it('nothing is left by ingest: in no file, no column, and nothing it says', async () => {
    const folder = temporaryFolder();
    const dir = join(folder, 'ledger');
    const places: Places = new Map();
    for (const [name, body] of Object.entries(bodies())) {
      writeFileSync(join(folder, name), body);
      const ran = await spanledger(['ingest', join(folder, name), '--dir', dir, '--json'], {
        env: { SPANLEDGER_LOG_LEVEL: 'debug' },
      });
      places.set(`ingest ${name}`, Buffer.from(ran.stdout + ran.stderr));
      expect(ran.code, name).toBe(name.startsWith('broken') ? 2 : 0);
    }
    await readAll(dir, places);
    expectNothingOf(writtenParts(), places);
    expectToFindMarks(places);
  }, 240_000);

  it('nothing is left by serve: in no file, no column, no log line, no metric and no answer', async () => {
    const dir = join(temporaryFolder(), 'ledger');
    const places: Places = new Map();
    const serving = await serve(dir, [], { SPANLEDGER_LOG_LEVEL: 'debug' });
    for (const [name, body] of Object.entries(bodies())) {
      const path = name.includes('logs') ? '/v1/logs' : '/v1/traces';
      const type = name.endsWith('.json') ? JSON_TYPE : PROTOBUF;
      const status = await post(serving, places, name, path, body, { 'content-type': type });
      expect(status, name).toBe(name.startsWith('broken') ? 400 : 200);
    }
    // What no exporter sends, but somebody may.
    const query = `?patient_name=${encodeURIComponent(SAID)}`;
    const header = encodeURIComponent(SAID);
    await post(serving, places, 'no such path', `/v1/patients/${header}${query}`, SAID, {});
    await post(serving, places, 'no such type', '/v1/traces', SAID, { 'content-type': `text/${header}` });
    await post(serving, places, 'no such coding', '/v1/traces', SAID, {
      'content-type': JSON_TYPE,
      'content-encoding': header,
    });
    await post(serving, places, 'agent', '/v1/traces', '{}', {
      'content-type': JSON_TYPE,
      'user-agent': header,
      baggage: header,
      authorization: `Bearer ${header}`,
    });
    await until(async () => {
      const metrics = await (await fetch(`${serving.admin}/metrics`)).text();
      return /^spanledger_journal_oldest_unshipped_seconds(?:\{.*\})? 0$/m.test(metrics);
    });
    for (const path of ['/metrics', '/healthz', '/readyz', `/patients${query}`])
      places.set(`admin ${path}`, Buffer.from(await (await fetch(`${serving.admin}${path}`)).text()));
    expect(await serving.stop('SIGTERM')).toBe(0);
    places.set('log', Buffer.from(serving.log()));
    await readAll(dir, places);
    expectNothingOf(writtenParts(), places);
    expectToFindMarks(places);
    expect(places.get('log')!.length).toBeGreaterThan(100);
    expect(places.get('admin /metrics')!.toString()).toContain('spanledger_');
  }, 240_000);
});

describe('of the patient in the captures', () => {
  it('nothing is left: in no file, no column, and nothing it says', async () => {
    const folder = temporaryFolder();
    const dir = join(folder, 'ledger');
    const places: Places = new Map();
    const captures = corpusCaptures();
    const files = (captures.length > 0 ? captures : GOLDEN_SETS.map(goldenCapture)).flatMap((capture, i) => {
      const { protobuf, logs } = capture;
      return [protobuf, ...(logs === undefined ? [] : [logs.protobuf])].map((body, j) => {
        const file = join(folder, `${i}-${j}.pb`);
        writeFileSync(file, body);
        return file;
      });
    });
    const sent = files.map((file) => readFileSync(file));
    const ran = await spanledger(['ingest', ...files, '--dir', dir, '--json'], {
      env: { SPANLEDGER_LOG_LEVEL: 'debug' },
    });
    expect(ran.code).toBe(0);
    places.set('ingest', Buffer.from(ran.stdout + ran.stderr));
    await readAll(dir, places);
    const parts = PATIENT_OF_CORPUS.map((part) => ({ part, forms: waysToWrite(part) }));
    const isSent = ({ forms }: (typeof parts)[number]) => sent.some((body) => holds(body, forms[0]!));
    expect(parts.filter(isSent).length).toBeGreaterThan(5);
    expectNothingOf(parts, places);
    expect([...places].filter(([, said]) => holds(said, Buffer.from('P-1042'))).length).toBeGreaterThan(2);
  }, 240_000);
});

async function post(
  { otlp }: Serving,
  places: Places,
  name: string,
  path: string,
  body: Buffer | string,
  headers: { [name: string]: string },
): Promise<number> {
  const answer = await fetch(`${otlp}${path}`, {
    method: 'POST',
    headers,
    body: body as Buffer<ArrayBuffer>,
  });
  const said = [...answer.headers].join('\n');
  places.set(`answer to ${name}`, Buffer.from(`${answer.status} ${said}\n${await answer.text()}`));
  return answer.status;
}

/** Every file as bytes; every column of every table and view, which unpacks what the files have packed; and what commands say. */
async function readAll(dir: string, places: Places): Promise<void> {
  const ask = async (args: string[]) => {
    const ran = await spanledger([...args, '--dir', dir, '--json']);
    places.set(args.join(' ').slice(0, 120), Buffer.from(ran.stdout + ran.stderr));
    expect(ran.code, `${args.join(' ')}: ${ran.stderr}`).toBe(0);
    return ran;
  };
  for (const file of filesIn(dir)) places.set(file.slice(dir.length), readFileSync(file));
  const tables = documentOf<{ name: string }[]>(
    await ask(['sql', "SELECT name FROM system.tables WHERE database = 'spanledger'"]),
  );
  for (const { name } of tables) {
    const isParameterised = ['by_conversation', 'by_user', 'failures', 'by_tool'].includes(name);
    if (!isParameterised) await ask(['sql', `SELECT * FROM spanledger.${name}`]);
  }
  const conversations = documentOf<{ conversation_id: string }[]>(
    await ask([
      'sql',
      "SELECT DISTINCT conversation_id FROM spanledger.audit_records WHERE conversation_id != ''",
    ]),
  );
  for (const { conversation_id } of conversations.slice(0, 3)) await ask(['timeline', conversation_id]);
  await ask(['query', 'by_tool']);
  await ask(['query', 'failures']);
  await ask(['verify']);
  const kept = documentOf<{ digest?: string }[]>(await ask(['quarantine']));
  for (const { digest } of kept) if (digest !== undefined) await ask(['quarantine', digest]);
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path) && statSync(path).isFile());
}

function expectNothingOf(parts: { part: string; forms: Buffer[] }[], places: Places): void {
  const found = [...places].flatMap(([where, said]) =>
    parts.flatMap(({ part, forms }) =>
      forms
        .map((form) => said.indexOf(form))
        .filter((at) => at >= 0)
        .map((at) => `${part} in ${where}: …${around(said, at)}…`),
    ),
  );
  expect(found.slice(0, 40)).toEqual([]);
}

function around(said: Buffer, at: number): string {
  return said.subarray(Math.max(0, at - 100), at + 60).toString('latin1');
}

/** The search works: what stood beside the person, and may stay, is found wherever it can be. */
function expectToFindMarks(places: Places): void {
  const where = (said: string) =>
    [...places].filter(([, bytes]) => holds(bytes, Buffer.from(said))).map(([name]) => name);
  const isFile = (name: string) => name.startsWith('/');
  for (const said of MARKS_KEPT) {
    const found = where(said);
    expect(
      found.some((name) => name.startsWith('sql ')),
      `${said} in a column`,
    ).toBe(true);
    expect(found.some(isFile), `${said} in a file`).toBe(true);
  }
  expect(where('span_id_invalid').some((name) => name.startsWith('quarantine'))).toBe(true);
}

const MARKS_KEPT = [
  ...[
    'nested',
    'json',
    'json_in_json',
    'cut',
    'url',
    'percent',
    'base64',
    'hex',
    'backslashes',
    'key',
    'form',
    'xml',
    'sql',
  ].map((form) => mark('call-arguments', form)),
  ...['message', 'type', 'service', 'scope', 'tool'].map((where) => mark(where)),
  mark('attribute', 'user_agent.original'),
  mark('attribute', 'client.address'),
];

function holds(said: Buffer, part: Buffer): boolean {
  return said.includes(part);
}

/** OTLP/JSON as protobuf has it: ids in bytes, 64-bit integers in halves. */
function messages(value: unknown, key = ''): object {
  if (typeof value === 'string' && /(?:trace|span)Id$/i.test(key)) return Buffer.from(value, 'hex');
  if (typeof value === 'string' && /UnixNano$|^intValue$/.test(key)) {
    const bits = BigInt(value);
    return { low: Number(BigInt.asIntN(32, bits)), high: Number(BigInt.asIntN(32, bits >> 32n)) };
  }
  if (Array.isArray(value)) return value.map((each) => messages(each));
  if (typeof value !== 'object' || value === null) return value as object;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, messages(each, name)]));
}
