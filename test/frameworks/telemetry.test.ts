import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REGISTER, runApp, told } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { serve } from '../support/serve.ts';
import { type Sent, startIngestion, steady } from './ingestion.ts';
import { placeOf } from './places.ts';
import { appIn, recordedRun } from './run.ts';

/** Said beside the spans, and in no backend's payload. */
const SAID = {
  user: 'nurse-17',
  clientIp: '10.0.0.9',
  subject: 'P-1042',
  purpose: 'TREAT',
  id: 'P-1042',
  ssn: '078-05-1120',
  name: 'Jane Roe',
};
const FIND = ['data_accessed event find', 'tool_invoked intent find', 'tool_invoked outcome find'];
const LOOK = ['tool_invoked intent look', 'tool_invoked outcome look'];
const AGENT = ['agent_invoked event'];

interface Backend {
  name: string;
  /** Environment of the app, where its backend is at `url`. */
  env: (url: string) => NodeJS.ProcessEnv;
  /** What it was sent, but for times and ids. */
  read: (sent: Sent[]) => unknown[];
  /** Of the app, and of what its backend was sent in any case. */
  cases: { how: string; env: NodeJS.ProcessEnv; records: string[]; sends: string[] }[];
}

const SENTRY: Backend = {
  name: 'sentry',
  env: (url) => ({ SENTRY_DSN: `${url.replace('//', '//public@')}/1` }),
  // An envelope: lines of headers and items.
  read: (sent) =>
    sent
      .filter(({ path }) => path === '/api/1/envelope/')
      .flatMap(({ text }) =>
        text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as object),
      )
      // How many envelopes it makes of its spans is a matter of time.
      .filter((line) => !('sent_at' in line || 'item_count' in line))
      .flatMap((line) => ('items' in line ? (line.items as object[]) : [line]))
      .map((line) => steady(line, /_id$|\.id$|timestamp|start_time$|memory|boot_time|sample_rand/)),
  cases: [
    {
      how: 'spans of its own',
      env: { SENTRY_RATE: '1' },
      records: [...AGENT, ...LOOK, ...FIND],
      sends: ['visit', 'the visit went wrong', 'the visit begins', '/elsewhere'],
    },
    {
      how: 'spans of OpenTelemetry too',
      env: { SENTRY_RATE: '1', SENTRY_OTEL: 'true' },
      records: [...AGENT, ...LOOK, ...FIND],
      sends: ['visit', 'agent', 'execute_tool look', 'the visit went wrong', '/elsewhere'],
    },
    {
      how: 'a sampler that leaves all out',
      env: { SENTRY_RATE: '0', SENTRY_OTEL: 'true' },
      // What is left out is heard by what is said at its start.
      records: [...LOOK, ...FIND],
      sends: ['the visit went wrong', 'the visit begins'],
    },
  ],
};

const LANGFUSE: Backend = {
  name: 'langfuse',
  env: (url) => ({
    LANGFUSE_BASE_URL: url,
    LANGFUSE_PUBLIC_KEY: 'pk-lf-1',
    LANGFUSE_SECRET_KEY: 'sk-lf-1',
  }),
  read: (sent) =>
    sent
      .filter(({ path }) => path === '/api/public/otel/v1/traces')
      .flatMap(({ text }) => spansIn(JSON.parse(text) as Otlp))
      .map((span) => steady(span, /Id$|UnixNano$/)),
  cases: [
    {
      how: 'all spans',
      env: {},
      records: [...AGENT, ...LOOK, ...FIND],
      sends: ['visit', 'answer', 'agent', 'execute_tool look', 'look it up'],
    },
    {
      how: 'a sampler that leaves all out',
      env: { OTEL_TRACES_SAMPLER: 'always_off' },
      records: [...LOOK, ...FIND],
      sends: [],
    },
  ],
};

interface Otlp {
  resourceSpans: { scopeSpans: { scope: object; spans: object[] }[] }[];
}

function spansIn({ resourceSpans }: Otlp): object[] {
  return resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((span) => ({ scope, ...span }))),
  );
}

const sorted = (list: unknown[]) => list.map((each) => JSON.stringify(each)).sort();

describe.each([SENTRY, LANGFUSE])('an app with $name', ({ name, env: envOf, read, cases }) => {
  const place = placeOf(name);
  if ('missing' in place) {
    it.skip(place.missing);
    return;
  }
  const { dir } = place;
  let backend: Awaited<ReturnType<typeof startIngestion>>;
  beforeAll(async () => {
    backend = await startIngestion();
  });
  afterAll(() => backend.stop());

  function app(): { path: string; init: string[]; cwd: string } {
    const beside = [`${name}-init.mjs`, 'visit.mjs'];
    const path = appIn(dir, `test/frameworks/apps/${name}.mjs`, { beside });
    return { path, init: ['--import', path.replace('.mjs', '-init.mjs')], cwd: resolve(dir) };
  }

  const env = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
    ...envOf(backend.url),
    SAID: JSON.stringify(SAID),
    ELSEWHERE: `${backend.url}/elsewhere`,
    ...more,
  });

  /** What its backend gets without us. */
  async function withoutUs({ path, init, cwd }: ReturnType<typeof app>, more: NodeJS.ProcessEnv) {
    const options = { node: init, cwd, env: env({ SPANLEDGER_DISABLED: '1', ...more }) };
    const ran = await runApp(temporaryFolder(), [path], options);
    expect(ran.code, ran.stderr).toBe(0);
    return sorted(read(backend.take()));
  }

  function expectNoSecret(sent: Sent[]): void {
    const text = JSON.stringify(sent);
    for (const secret of Object.values(SAID)) expect(text).not.toContain(secret);
  }

  it.each(cases)('sends it what it sends without us, and all is recorded: $how', async (each) => {
    const started = app();
    const expected = await withoutUs(started, each.env);
    for (const sends of each.sends) expect(expected.join('\n')).toContain(sends);
    for (const node of [
      [...REGISTER, ...started.init],
      [...started.init, ...REGISTER],
    ]) {
      const options = { node, cwd: started.cwd, env: env(each.env) };
      const { records, stderr } = await recordedRun([started.path], options);
      const sent = backend.take();
      expect(sorted(read(sent))).toEqual(expected);
      expectNoSecret(sent);
      expect(told(records)).toEqual([...each.records].sort());
      expect(stderr).not.toContain('Warning');
      expect(records.find(({ tool, phase }) => tool?.name === 'find' && phase === 'outcome')).toMatchObject({
        user: { id: 'nurse-17', client_ip: '10.0.0.9' },
        tool: { arguments: { id: 'P-1042' } },
      });
    }
  });

  it.each(cases.filter(({ sends }) => sends.length > 0))(
    'sends it nothing of what we ship meanwhile: $how',
    async ({ env: more, records }) => {
      const started = app();
      const expected = await withoutUs(started, more);
      const relay = temporaryFolder();
      const sidecar = await serve(relay);
      for (const node of [
        [...REGISTER, ...started.init],
        [...started.init, ...REGISTER],
      ]) {
        const options = { node, cwd: started.cwd, env: env({ ...more, SPANLEDGER_ENDPOINT: sidecar.otlp }) };
        const ran = await runApp(temporaryFolder(), [started.path], options);
        expect(ran.code, ran.stderr).toBe(0);
        expect(sorted(read(backend.take()))).toEqual(expected);
      }
      expect(await sidecar.stop('SIGTERM')).toBe(0);
      const sql = "SELECT count() AS n FROM spanledger.audit_records WHERE action NOT LIKE 'chain%'";
      const [row] = documentOf<{ n: string }[]>(await spanledger(['sql', sql, '--dir', relay, '--json']));
      expect(Number(row!.n)).toBe(2 * records.length);
    },
  );
});
