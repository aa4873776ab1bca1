import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { askHost } from '../../src/store/guest.ts';
import { goldenCapture } from '../support/captures.ts';
import { codeOf, memoryFolder, openStore } from '../support/ledger-kit.ts';
import { type Running, startSidecar } from '../support/sidecar-here.ts';

const dir = memoryFolder();
const { serveFile } = layoutOf(dir);
let store: Store;
beforeAll(async () => {
  store = await openStore(dir);
});
afterAll(() => store.close());

const { protobuf } = goldenCapture('vercel_ai-7.0.173');
const send = (running: Running, body: Buffer = protobuf) =>
  fetch(`${running.otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body: body as Buffer<ArrayBuffer>,
  });

const COUNT = 'SELECT count() AS rows FROM spanledger.audit_records';

describe('a guest', () => {
  it('has the engine, as if it were its own', async () => {
    const running = await startSidecar(dir, store);
    const guest = Store.through(running.host);
    expect(
      await guest.query('SELECT {a:UInt64} AS a, {b:String} AS b', { a: 2n ** 60n, b: "it's\n" }),
    ).toEqual([{ a: String(2n ** 60n), b: "it's\n" }]);
    const all = [0n, 2n ** 60n];
    expect(await guest.query('SELECT {all:Array(UInt64)} AS all', { all })).toEqual([
      { all: all.map(String) },
    ]);
    await guest.command('CREATE TABLE IF NOT EXISTS spanledger.try (x String) ENGINE = Memory');
    await guest.insert('INSERT INTO spanledger.try FORMAT TabSeparated', 'a\nb\\nc\n');
    expect(await guest.query('SELECT x FROM spanledger.try ORDER BY x')).toEqual([{ x: 'a' }, { x: 'b\nc' }]);
    await guest.command('DROP TABLE spanledger.try');
    expect(await codeOf(() => guest.query('SELECT nothing'))).toBe('store_failed');
    expect(await codeOf(() => guest.query('SELECT * FROM spanledger.missing'))).toBe('store_schema');
    expect(
      await codeOf(() => guest.insert('INSERT INTO spanledger.audit_records FORMAT TabSeparated', 'x')),
    ).toBe('store_failed');
  });

  it('sees what was acknowledged just before, when it has asked for it', async () => {
    const running = await startSidecar(dir, store);
    const guest = Store.through(running.host);
    const [before] = await guest.query<{ rows: string }>(COUNT);
    expect((await send(running)).status).toBe(200);
    await askHost(running.host, 'ship');
    const [after] = await guest.query<{ rows: string }>(COUNT);
    expect(Number(after!.rows)).toBeGreaterThan(Number(before!.rows) + 20);
  });

  it('that only reads changes nothing, and keeps nobody else from it', async () => {
    const running = await startSidecar(dir, store);
    const guest = Store.through(running.host);
    await guest.readOnly();
    const text = (sql: string) => guest.text(sql, 'JSONEachRow');
    expect(await text('SELECT 1 AS x')).toBe('{"x":1}\n');
    for (const sql of [
      'DROP TABLE spanledger.audit_records',
      'SET readonly = 0',
      'SELECT 1 SETTINGS readonly = 0',
      `INSERT INTO FUNCTION file('${join(dir, 'out')}') SELECT 1`,
      "SELECT * FROM file('/etc/passwd', 'LineAsString')",
      "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
    ])
      expect([sql, await codeOf(() => text(sql))]).toEqual([sql, 'store_failed']);
    expect(existsSync(join(dir, 'out'))).toBe(false);
    expect((await send(running)).status).toBe(200);
    await askHost(running.host, 'ship');
  });

  it('that asks something long holds up no acknowledgement, and no shipping', async () => {
    const running = await startSidecar(dir, store);
    const guest = Store.through(running.host);
    await guest.readOnly();
    let isOver = false;
    const long = guest
      .text('SELECT sum(sleepEachRow(0.29)) AS x FROM numbers(10)', 'JSONEachRow')
      .finally(() => {
        isOver = true;
      });
    expect((await send(running, goldenCapture('genkit-1.42.0').protobuf)).status).toBe(200);
    await askHost(running.host, 'ship');
    expect(isOver).toBe(false);
    await long;
  });

  it('with another token is not let in, nor told anything', async () => {
    const { host } = await startSidecar(dir, store);
    for (const token of ['', 'wrong', host.token.slice(1), `${host.token}A`])
      for (const what of ['text', 'command', 'insert', 'ship', 'quarantine', 'verified'] as const)
        expect(await codeOf(() => askHost({ ...host, token }, what, '{"sql":"SELECT 1"}'))).toBe(
          'store_failed',
        );
    for (const body of ['', '{', 'null', '[]', '{"sql":7}'])
      expect(await codeOf(() => askHost(host, 'text', body))).toBe('store_failed');
  });
});

describe('serve.json', () => {
  it('is for its owner alone, holds a token of each start, and is gone at the end', async () => {
    const first = await startSidecar(dir, store);
    expect(statSync(serveFile).mode & 0o777).toBe(0o600);
    expect(first.host).toMatchObject({
      pid: process.pid,
      address: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    });
    await first.stop();
    expect(existsSync(serveFile)).toBe(false);
    const second = await startSidecar(dir, store);
    expect(second.host.token).not.toBe(first.host.token);
    expect(await codeOf(() => askHost(first.host, 'ship'))).toBe('store_unreachable');
  });
});
