import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { complaints, documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const CAPTURES = 'test/golden/captures';
const SETS = [
  'vercel_ai-6.0.326',
  'vercel_ai-7.0.173',
  'arizeai_openinference-vercel-3.2.1_ai-7.0.173',
  'traceloop_instrumentation-openai-0.27.0',
  'traceloop_instrumentation-anthropic-0.27.0',
];

interface Summary {
  files: number;
  spans: number;
  mapped: number;
  not_agent: number;
  quarantined: number;
  duplicates: number;
  records: { [action: string]: number };
}

const BY_TOOL = `SELECT tool_name, status, JSONExtractString(payload, 'tool', 'evidence') AS evidence, count() AS calls
  FROM spanledger.audit_records WHERE action = 'tool_invoked' GROUP BY ALL ORDER BY ALL`;

async function ingest(dir: string, form: 'json' | 'pb'): Promise<Summary> {
  const files = SETS.map((set) => join(CAPTURES, set, `traces-001.${form}`));
  const ran = await spanledger(['ingest', ...files, '--dir', dir, '--json']);
  expect(complaints(ran)).toBe('');
  expect(ran.code).toBe(0);
  return documentOf<Summary>(ran);
}

describe('spanledger ingest --explain', () => {
  const LOGS = 'opentelemetry_instrumentation-openai-0.22.0';

  it('tells of each span what it became, and why', async () => {
    const dir = temporaryFolder();
    const files = ['traceloop_instrumentation-mcp-0.27.0', 'genkit-1.42.0'].map((set) =>
      join(CAPTURES, set, 'traces-001.json'),
    );
    const ran = await spanledger(['ingest', ...files, '--explain', '--dir', dir, '--json']);
    const { spans, explained, mapped, not_agent } = documentOf<
      Summary & {
        explained: { name: string; kind: string; why: string; dialect?: string; records: string[] }[];
      }
    >(ran);
    expect(explained).toHaveLength(spans);
    const told = (name: string) => explained.find((each) => each.name === name);
    expect(told('lookup_patient.tool')).toMatchObject({
      kind: 'tool',
      dialect: 'traceloop',
      why: 'traceloop.span.kind is tool',
      records: ['tool_invoked', 'data_accessed'],
    });
    expect(told('generate')).toMatchObject({ kind: 'wrapper', why: 'genkit:type is util', records: [] });
    expect(told('db.query')).toMatchObject({ kind: 'not_agent', records: [] });
    expect(explained.filter(({ kind }) => kind !== 'not_agent')).toHaveLength(mapped);
    expect(explained.filter(({ kind }) => kind === 'not_agent')).toHaveLength(not_agent);

    const again = await spanledger(['ingest', files[1]!, '--explain', '--dir', dir]);
    expect(again.stdout).toMatch(
      /lookup_patient → tool \(genkit\): known already\n {2,}because genkit:type is action/,
    );
  });

  it('counts spans that look like an agent in no dialect, and names what they have', async () => {
    const attributes = [{ key: 'llm.novel.thing', value: { stringValue: 'x' } }];
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), name: 'new', attributes };
    const input = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
    const dir = temporaryFolder();
    const json = await spanledger(['ingest', '-', '--explain', '--dir', dir, '--json'], { input });
    expect(documentOf(json)).toMatchObject({
      not_agent: 1,
      unknown: 1,
      explained: [{ kind: 'unknown', why: expect.stringContaining('llm.novel.thing') }],
    });
    expect((await spanledger(['ingest', '-', '--dir', dir], { input })).stderr).toMatch(
      /1 spans look like an agent/,
    );
  });

  it('takes the content of log records, in JSON and in protobuf alike', async () => {
    const run = async (form: string) => {
      const dir = temporaryFolder();
      const files = ['traces', 'logs'].map((signal) => join(CAPTURES, LOGS, `${signal}-001.${form}`));
      const ran = await spanledger(['ingest', ...files, '--dir', dir, '--json']);
      const calls = await spanledger(['query', 'by_tool', '--dir', dir, '--json']);
      return [documentOf(ran), documentOf(calls)];
    };
    const [json, pb] = await Promise.all([run('json'), run('pb')]);
    expect(pb).toEqual(json);
    expect(json[0]).toMatchObject({ spans: 16, log_records: 87, contents: 16, quarantined: 0 });
    expect(json[1]).toMatchObject([
      { tool: 'delete_record', total_calls: 3, success_rate: 0, avg_duration_ms: null },
      { tool: 'fetch_lab_results', total_calls: 3 },
      { tool: 'lookup_patient', total_calls: 3, success_rate: 1 },
      { tool: 'process_payment', total_calls: 3 },
      { tool: 'send_email', total_calls: 3 },
    ]);
  });
});

describe('spanledger ingest', () => {
  it('gives the same records from JSON and from protobuf, loses no span, and adds nothing a second time', async () => {
    const [json, pb] = [temporaryFolder(), temporaryFolder()];
    const first = await ingest(json, 'json');
    expect(await ingest(pb, 'pb')).toEqual(first);
    expect(first.mapped + first.not_agent + first.quarantined).toBe(first.spans);
    expect(first).toMatchObject({ files: SETS.length, quarantined: 0, duplicates: 0 });

    const calls = await Promise.all(
      [json, pb].map((dir) => spanledger(['sql', BY_TOOL, '--dir', dir, '--json'])),
    );
    expect(documentOf(calls[0]!)).toEqual(documentOf(calls[1]!));

    const size = (await verified(json)).records_checked;
    const again = await ingest(json, 'pb');
    expect(again).toMatchObject({ mapped: first.mapped, duplicates: first.mapped, records: {} });
    expect(await verified(json)).toMatchObject({ status: 'valid', records_checked: size, findings: [] });
    expect(await verified(pb)).toMatchObject({ status: 'valid', findings: [] });
  });

  it('reads standard input', async () => {
    const input = readFileSync(join(CAPTURES, SETS[1]!, 'traces-001.pb'));
    const ran = await spanledger(['ingest', '-', '--dir', temporaryFolder(), '--json'], { input });
    expect(documentOf<Summary>(ran).spans).toBe(70);
  });

  const bad: [what: string, content: string | Buffer, says: RegExp][] = [
    ['an empty file', '', /empty/],
    ['white space', ' \n\n', /white space/],
    ['JSON that is not OTLP', '{"hello":"world"}', /no "resourceSpans", but "hello"/],
    ['broken JSON', '{"resourceSpans":[', /not JSON/],
    ['text', 'these are no spans', /not OTLP protobuf/],
    [
      'JSON by line with a bad line',
      '{"resourceSpans":[]}\n{"resourceSpans":7}\n',
      /line 2: .*"resourceSpans" is no list/,
    ],
  ];
  for (const [what, content, says] of bad) {
    it(`refuses ${what}: nothing is written, and the remedy is said`, async () => {
      const folder = temporaryFolder();
      const file = join(folder, 'bad');
      writeFileSync(file, content);
      const good = join(CAPTURES, SETS[0]!, 'traces-001.json');
      const dir = join(folder, 'ledger');
      const ran = await spanledger(['ingest', good, file, '--dir', dir]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(says);
      expect(ran.stderr).toContain(file);
      expect(ran.stderr).toMatch(/^Try: /m);
      expect(existsSync(dir)).toBe(false);
    });
  }

  it('refuses a truncated protobuf file', async () => {
    const file = join(temporaryFolder(), 'cut.pb');
    writeFileSync(file, readFileSync(join(CAPTURES, SETS[0]!, 'traces-001.pb')).subarray(0, 9_999));
    const ran = await spanledger(['ingest', file, '--dir', temporaryFolder(), '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf(ran)).toMatchObject({ error: { code: 'otlp_undecodable' } });
  });

  it('refuses a file too large for one text, before it reads it', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'large.jsonl');
    writeFileSync(file, '');
    truncateSync(file, 600 * 2 ** 20);
    const ran = await spanledger(['ingest', file, '--dir', join(folder, 'ledger'), '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf(ran)).toMatchObject({
      error: { code: 'file_unreadable', hint: expect.stringMatching(/split it.*sidecar/) },
    });
    expect(ran.stderr).toContain(`${file} has 600 MB`);
    expect(existsSync(join(folder, 'ledger'))).toBe(false);
  });

  it('refuses a file that is not there', async () => {
    const ran = await spanledger(['ingest', '/nowhere/traces.json', '--dir', temporaryFolder()]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('/nowhere/traces.json');
  });
});

async function verified(dir: string): Promise<Verification> {
  return documentOf<Verification>(await spanledger(['verify', '--dir', dir, '--json']));
}
