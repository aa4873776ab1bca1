import { describe, expect, it, onTestFinished } from 'vitest';
import { Store } from '../../src/store/client.ts';
import { migrate, migrations } from '../../src/store/migrate.ts';
import { insertRecords } from '../../src/store/records.ts';
import type { Batch } from '../../src/target/batch.ts';
import { type Answer, HttpClickHouse, rows } from '../support/clickhouse-http.ts';
import { codeOf, sealChain } from '../support/ledger-kit.ts';

async function serverAndStore(): Promise<{ server: HttpClickHouse; store: Store }> {
  const server = await HttpClickHouse.start();
  const store = Store.server(`http://audit:p%40ss:word@${server.host}`);
  onTestFinished(() => store.close());
  return { server, store };
}

describe('what a server is asked', () => {
  it('a query: by POST, its settings in its text, its parameters bound, under our name', async () => {
    const { server, store } = await serverAndStore();
    server.answer = rows({ n: '18446744073709551615' });
    expect(await store.query('SELECT n FROM t WHERE c = {c:String}', { c: "it's\t\\" })).toEqual([
      { n: '18446744073709551615' },
    ]);
    expect(server.asked).toEqual([
      {
        method: 'POST',
        parameters: { param_c: "it\\'s\\t\\\\" },
        user: 'audit',
        password: 'p@ss',
        sql: 'SELECT n FROM t WHERE c = {c:String} SETTINGS output_format_json_quote_64bit_integers = 1 \nFORMAT JSONEachRow',
        body: '',
      },
    ]);
  });

  it('an insert: the rows as they are, deduplicated by a token that stands in the text', async () => {
    const { server, store } = await serverAndStore();
    const batch = sealChain('chain', ['{"a":"\\\\"}', '{"a":"é"}']).map((each) => ({
      ...each,
      seq: Number(each.seq),
    }));
    for (const how of ['once', 'again'] as const)
      await insertRecords(store, batch as unknown as Batch, batch, how);
    const [once, again] = server.asked;
    const sql = (token: string) =>
      `INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload) SETTINGS async_insert = 0, insert_deduplication_token = '${token}' FORMAT TabSeparated`;
    expect(once!.sql.trim()).toBe(sql(`chain:0-1:${batch[1]!.recordHash}`));
    expect(again!.sql.trim().replace(/again:[0-9a-f-]{36}/, 'again:UUID')).toBe(sql('again:UUID'));
    const line = (i: number, payload: string) =>
      `chain\t${i}\tledger\t4102444800\t${batch[i]!.recordHash.replace(/../g, '\\x$&')}\t${payload}\n`;
    for (const { parameters, body } of [once!, again!]) {
      expect(parameters).toEqual({});
      expect(body).toBe(line(0, '{"a":"\\\\\\\\"}') + line(1, '{"a":"é"}'));
    }
  });

  it('a migration: statement by statement, then its register', async () => {
    const { server, store } = await serverAndStore();
    const missing = fails(
      404,
      'Code: 81. DB::Exception: Database spanledger does not exist. (UNKNOWN_DATABASE)',
    );
    server.answer = (response, asked) => (asked.sql.startsWith('SELECT') ? missing : rows())(response, asked);
    await migrate(store);
    const [first] = migrations();
    const { name, digest } = migrations().at(-1)!;
    const sent = server.asked.map(({ sql }) => sql.trim());
    expect(sent[0]).toContain('FROM spanledger.schema_migrations');
    expect(sent[1]).toBe('CREATE DATABASE IF NOT EXISTS spanledger');
    expect(sent.slice(3, 3 + first!.statements.length)).toEqual(first!.statements);
    expect(server.asked.at(-1)!.body).toBe(`${JSON.stringify([name, digest])}\n`);
    expect(server.asked.every(({ parameters }) => Object.keys(parameters).length === 0)).toBe(true);
  });

  it('nothing but what was applied, where all of it was', async () => {
    const { server, store } = await serverAndStore();
    server.answer = rows(...migrations().map(({ name, digest }) => ({ name, digest })));
    expect(await migrate(store)).toEqual([]);
    expect(server.asked).toHaveLength(1);
  });

  it('only to read, once it is read-only', async () => {
    const { server, store } = await serverAndStore();
    await store.readOnly();
    await store.text('SELECT 1', 'JSONEachRow');
    expect(server.asked[0]!.parameters).toEqual({ readonly: '2' });
  });

  it('and its address is told without the password', async () => {
    const { server, store } = await serverAndStore();
    expect(store.where).toBe(`http://${server.host}`);
    server.answer = fails(500, 'Code: 60. DB::Exception: no');
    await expect(store.query('SELECT 1')).rejects.toThrow(/^(?!.*p(@|%40)ss)/s);
  });
});

const fails =
  (status: number, text: string, headers: { [name: string]: string } = {}): Answer =>
  (response) =>
    response.writeHead(status, headers).end(text);

const EXCEPTION = 'Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)';

const cutBefore: Answer = (response) => void response.socket!.destroy();
const cutWithin =
  (headers: { [name: string]: string }): Answer =>
  (response) => {
    response.writeHead(200, headers);
    response.write('{"a":1}\n', () => response.socket!.destroy());
  };

describe('what a failing server becomes', () => {
  const failures: [what: string, answer: Answer, code: string][] = [
    [
      'a 500 with an exception',
      fails(500, 'Code: 60. DB::Exception: Table t does not exist. (UNKNOWN_TABLE)'),
      'store_failed',
    ],
    [
      'a 403',
      fails(403, 'Code: 516. DB::Exception: audit: Authentication failed. (AUTHENTICATION_FAILED)'),
      'store_failed',
    ],
    ['a 404 of something else', fails(404, '<html>not here</html>'), 'store_failed'],
    ['a 502 of a proxy', fails(502, ''), 'store_failed'],
    ['a connection cut before the answer', cutBefore, 'store_unreachable'],
    ['a connection cut within an answer', cutWithin({ 'content-length': '1000' }), 'store_unreachable'],
    ['a connection cut between chunks of an answer', cutWithin({}), 'store_unreachable'],
  ];

  it.each(failures)('%s: a query', async (_, answer, code) => {
    const { server, store } = await serverAndStore();
    server.answer = answer;
    expect(await codeOf(() => store.query('SELECT 1'))).toBe(code);
    expect(await codeOf(() => store.text('SELECT 1', 'JSONEachRow'))).toBe(code);
  });

  it.each(failures)('%s: an insert, a command', async (_, answer, code) => {
    const { server, store } = await serverAndStore();
    server.answer = answer;
    expect(await codeOf(() => store.insert('INSERT INTO t FORMAT TabSeparated', '1\n'))).toBe(code);
    expect(await codeOf(() => store.command('CREATE TABLE t'))).toBe(code);
  });

  // The status goes out with the first bytes, so that what fails later comes as text in a 200.
  it.each<[what: string, answer: Answer]>([
    ['instead of rows', fails(200, EXCEPTION)],
    ['after rows', fails(200, `{"a":1}\n${EXCEPTION}`)],
    ['within a row', fails(200, `{"a":1}\n{"a":${EXCEPTION}`)],
    ['with the header that says so', fails(200, EXCEPTION, { 'x-clickhouse-exception-code': '241' })],
  ])('an exception in a 200, %s', async (_, answer) => {
    const { server, store } = await serverAndStore();
    server.answer = answer;
    expect(await codeOf(() => store.query('SELECT a FROM t'))).toBe('store_failed');
    expect(await codeOf(() => store.insert('INSERT INTO t FORMAT TabSeparated', '1\n'))).toBe('store_failed');
  });

  it.each([
    ['nobody listens', 'http://127.0.0.1:1'],
    ['a host that is not there', 'http://nowhere.invalid:8123'],
    ['TLS where there is none', 'https://HOST'],
  ])('%s', async (_, url) => {
    const { server } = await serverAndStore();
    const store = Store.server(url.replace('HOST', server.host));
    onTestFinished(() => store.close());
    expect(await codeOf(() => store.query('SELECT 1'))).toBe('store_unreachable');
    expect(await codeOf(() => store.insert('INSERT INTO t FORMAT TabSeparated', '1\n'))).toBe(
      'store_unreachable',
    );
  });

  it.each(['', 'localhost', 'no url at all', 'http://'])('CLICKHOUSE_URL=%j', async (url) => {
    expect(await codeOf(() => Store.server(url))).toBe('config_invalid');
  });

  it('works again once it does', async () => {
    const { server, store } = await serverAndStore();
    for (const answer of [cutBefore, cutWithin({}), fails(500, EXCEPTION)]) {
      server.answer = answer;
      expect(await codeOf(() => store.query('SELECT 1'))).not.toBe('no error');
    }
    server.answer = rows({ one: 1 });
    expect(await store.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});
