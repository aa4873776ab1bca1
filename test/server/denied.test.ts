import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { SpanledgerError } from '../../src/errors.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { DeniedReads } from '../../src/server/denied.ts';
import type { Store } from '../../src/store/client.ts';
import {
  memoryFolder,
  openJournal,
  openStore,
  recordOf,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { startSidecar } from '../support/sidecar-here.ts';
import { bearer, tokenOf } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const dir = memoryFolder();
let store: Store;
beforeAll(async () => {
  store = await openStore(dir);
});
afterAll(() => store.close());

const TOKENS = [
  tokenOf('sender', ['ingest']),
  tokenOf('reader', ['read'], 'acme'),
  tokenOf('reporter', ['report']),
];

const accessesOf = () =>
  store.query<{ asked: string; actor: string; status: string; error: string; ip: string; payload: string }>(
    `SELECT JSONExtractString(payload, 'control', 'asked') AS asked, actor_id AS actor, status, payload,
     JSONExtractString(payload, 'outcome', 'error_type') AS error, JSONExtractString(payload, 'user', 'client_ip') AS ip
     FROM spanledger.audit_records WHERE action = 'audit_log_accessed' ORDER BY seq`,
  );

describe('an attempt to read that is refused', () => {
  it('is a record, once a minute, by the place alone', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const { otlp, admin, host } = running;
    const ask = async (url: string, token: string | undefined, status: number, method = 'GET') => {
      const answer = await fetch(url, { method, headers: token === undefined ? {} : bearer(token) });
      const text = await answer.text();
      expect([url, answer.status]).toEqual([url, status]);
      expect(text).not.toContain('s3cret');
    };
    for (let i = 0; i < 5; i++) {
      await ask(`${otlp}/v1/chains/s3cret-${i}`, undefined, 401);
      await ask(`${otlp}/v1/chains/x${i}?token=s3cret`, 's3cret', 401);
      await ask(`${otlp}/v1/chains/abc`, 'reporter', 403);
      await ask(`${otlp}/v1/chains/abc`, 'reader', 403);
      await ask(`${otlp}/v1/policy`, 'reporter', 403);
      await ask(`${admin}/metrics`, 'sender', 403);
      await ask(`${host.address}/store/text`, 'sender', 401, 'POST');
      await ask(`${host.address}/store/quarantine`, undefined, 401, 'POST');
      // To send is not to read, and nothing is nowhere.
      await ask(`${otlp}/v1/entries`, 'reporter', 403, 'POST');
      await ask(`${otlp}/v1/traces`, 'reporter', 403, 'POST');
      await ask(`${otlp}/v1/nothing/s3cret`, undefined, 404);
      await ask(`${admin}/healthz`, undefined, 200);
    }
    await until(async () => (await accessesOf()).length >= 7);
    const accesses = await accessesOf();
    const told = accesses.map(({ payload: _, ...rest }) => rest);
    const denied = (asked: string, actor: string, error: string) => ({
      asked,
      actor,
      status: 'denied',
      error,
      ip: '127.0.0.1',
    });
    expect(told).toHaveLength(7);
    expect(told).toEqual(
      expect.arrayContaining([
        denied('GET /v1/chains/', 'unknown', 'unauthenticated'),
        denied('GET /v1/chains/', 'reporter', 'forbidden'),
        denied('GET /v1/chains/', 'reader', 'forbidden'),
        denied('GET /v1/policy', 'reporter', 'forbidden'),
        denied('GET /metrics', 'sender', 'forbidden'),
        denied('POST /store/text', 'unknown', 'unauthenticated'),
        denied('POST /store/quarantine', 'unknown', 'unauthenticated'),
      ]),
    );
    expect(JSON.stringify(accesses)).not.toContain('s3cret');
  });
});

describe('denied reads', () => {
  const told = (journal: Journal) =>
    unshippedOf(journal)
      .map(recordOf)
      .filter(({ action }) => action === 'audit_log_accessed');

  function reads(maxBytes?: number) {
    const journal = openJournal(join(memoryFolder(), 'journal'), maxBytes);
    onTestFinished(() => journal.close());
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const writer = writerIn(journal);
    const denied = new DeniedReads(writer);
    onTestFinished(() => denied.close());
    return { journal, writer, denied };
  }
  const attempt = (more: object = {}) => ({
    subject: undefined,
    asked: 'GET /x',
    status: 401,
    clientIp: '::1',
    ...more,
  });

  it('repeated within a minute are counted, and told by the next', async () => {
    const { journal, denied } = reads();
    for (let i = 0; i < 100; i++) denied.note(attempt());
    denied.note(attempt({ status: 403, subject: 'a' }));
    vi.setSystemTime(Date.now() + 60_001);
    denied.note(attempt());
    await journal.flush();
    expect(told(journal).map(({ control }) => control)).toEqual([
      { asked: 'GET /x' },
      { asked: 'GET /x' },
      { asked: 'GET /x', attempts_before: 99 },
    ]);
  });

  it('from everywhere at once do not flood the ledger', async () => {
    const { journal, denied } = reads();
    for (let i = 0; i < 5_000; i++) denied.note(attempt({ clientIp: `::${i}` }));
    await journal.flush();
    expect(told(journal).length).toBeLessThanOrEqual(1_001);
    vi.setSystemTime(Date.now() + 60_001);
    denied.note(attempt({ clientIp: '::9999' }));
    denied.note(attempt({ clientIp: '::9998' }));
    await journal.flush();
    expect(told(journal).length).toBeGreaterThan(1_001);
  });

  it('that stop are told to the last one, once, when their minute is over', async () => {
    const { journal, denied } = reads();
    for (let i = 0; i < 100; i++) denied.note(attempt());
    denied.note(attempt({ status: 403, subject: 'a' }));
    vi.advanceTimersByTime(300_000);
    denied.close();
    await journal.flush();
    const sums = told(journal).map(({ actor, control, user, outcome }) => [
      actor?.id,
      control?.attempts_before,
      user?.client_ip,
      outcome?.error_type,
    ]);
    expect(sums).toEqual([
      ['unknown', undefined, '::1', 'unauthenticated'],
      ['a', undefined, '::1', 'forbidden'],
      ['unknown', 99, '::1', 'unauthenticated'],
    ]);
  });

  it('are told at the end, within their minute too, those of too many as nobody in particular', async () => {
    const { journal, denied } = reads();
    for (let i = 0; i < 1_500; i++) denied.note(attempt({ clientIp: `::${i}`, subject: `s${i}` }));
    denied.close();
    vi.advanceTimersByTime(300_000);
    await journal.flush();
    expect(told(journal)).toHaveLength(1_002);
    const { actor, control, user } = told(journal).at(-1)!;
    expect([actor?.id, control, user]).toEqual([
      'unknown',
      { asked: 'GET /x', attempts_before: 499 },
      undefined,
    ]);
  });

  it('that a journal would not take are told when it does, by the next or by a sweep', async () => {
    const { journal, writer, denied } = reads();
    const full = vi.spyOn(writer, 'tell').mockImplementation(() => {
      throw new SpanledgerError('journal_full', 'full');
    });
    denied.note(attempt());
    denied.note(attempt());
    denied.note(attempt({ clientIp: '::2' }));
    vi.advanceTimersByTime(60_000);
    full.mockRestore();
    denied.note(attempt());
    vi.advanceTimersByTime(60_000);
    await journal.flush();
    expect(told(journal).map(({ control, user }) => [user?.client_ip, control?.attempts_before])).toEqual([
      ['::1', 2],
      ['::2', 1],
    ]);
  });

  it('do not fail where the journal takes nothing', async () => {
    const { journal, denied } = reads(1);
    denied.note(attempt());
    denied.note(attempt({ clientIp: '::2' }));
    await journal.flush();
    expect(told(journal).length).toBeLessThanOrEqual(1);
  });
});
