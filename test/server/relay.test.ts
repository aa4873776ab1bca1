import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { payloadDigest, recordHash } from '../../src/chain/entry.ts';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { systemClock } from '../../src/clock.ts';
import { Writer } from '../../src/pipeline.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import { ship } from '../../src/ship.ts';
import type { Store } from '../../src/store/client.ts';
import { lineOf } from '../../src/target/line.ts';
import { RelayTarget } from '../../src/target/relay.ts';
import { understand } from '../../src/understand.ts';
import { verify } from '../../src/verify/verify.ts';
import {
  codeOf,
  LEDGER_ID,
  memoryFolder,
  openJournal,
  openStore,
  POLICY,
  recordOf,
  ship as shipToStore,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { leaveOut } from '../support/older-store.ts';
import { type Running, startSidecar } from '../support/sidecar-here.ts';
import { toolCalls, toolSpan } from '../support/test-spans.ts';
import { bearer, tokenOf } from '../support/tokens.ts';

const TOKENS = [
  tokenOf('app', ['ingest']),
  tokenOf('other', ['ingest']),
  tokenOf('acme', ['ingest'], 'acme'),
  tokenOf('evil', ['ingest'], 'evil'),
  tokenOf('reader', ['read']),
  tokenOf('evil-reader', ['read'], 'evil'),
  tokenOf('reporter', ['report']),
];

const dir = memoryFolder();
let store: Store;
beforeAll(async () => {
  store = await openStore(dir);
});
afterAll(() => store.close());

/** A chain as an app writes it, not shipped. */
async function chainOf(count: number, tenant?: string): Promise<SealedRecord[]> {
  const journal = openJournal(join(dir, 'app', randomBytes(4).toString('hex')));
  const calls =
    tenant === undefined
      ? toolCalls(count)
      : Array.from({ length: count }, () => understand(toolSpan(), POLICY, 'end', tenant));
  await writerIn(journal).append(calls);
  const records = unshippedOf(journal);
  await journal.close();
  return records;
}

const linesOf = (records: readonly SealedRecord[]) => records.map(lineOf).join('');

async function post(
  running: Running,
  body: string | Uint8Array,
  {
    token = 'app',
    path = '/v1/entries',
    headers = {},
  }: { token?: string; path?: string; headers?: object } = {},
) {
  const answer = await fetch(running.otlp + path, {
    method: 'POST',
    headers: { ...bearer(token), ...headers },
    body: body as Uint8Array<ArrayBuffer>,
  });
  return { status: answer.status, body: (await answer.json()) as { [field: string]: unknown } };
}

async function get(running: Running, path: string, token: string) {
  const answer = await fetch(running.otlp + path, { headers: bearer(token) });
  return { status: answer.status, body: (await answer.json()) as { [field: string]: unknown } };
}

const placesOf = async (chainId: string) =>
  Number(
    (
      await store.query<{ rows: string }>(
        'SELECT count() AS rows FROM spanledger.audit_records WHERE chain_id = {chain:String}',
        { chain: chainId },
      )
    )[0]!.rows,
  );

/** As a writer that lies would: whatever it changes, the hash is right. */
function resealed(record: SealedRecord, changes: Partial<SealedRecord>): SealedRecord {
  const changed = { ...record, ...changes };
  const digest = payloadDigest(changed.payload);
  return { ...changed, recordHash: recordHash({ ...changed, ledgerId: LEDGER_ID, payloadDigest: digest }) };
}

describe('entries', () => {
  it('land once, are answered after they were read back, and are known by their head', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const records = await chainOf(5);
    const [{ chainId }, last] = [records[0]!, records.at(-1)!];
    const head = { chain_id: chainId, size: records.length, head: last.recordHash };
    expect(await post(running, linesOf(records))).toEqual({ status: 200, body: { ...head, added: 6 } });
    expect(await placesOf(chainId)).toBe(6);
    expect(await post(running, linesOf(records))).toEqual({ status: 200, body: { ...head, added: 0 } });
    const zipped = await post(running, gzipSync(linesOf(records)), {
      headers: { 'content-encoding': 'gzip' },
    });
    expect(zipped.body).toMatchObject({ added: 0 });
    expect(await placesOf(chainId)).toBe(6);
    expect(await get(running, `/v1/chains/${chainId}`, 'app')).toEqual({ status: 200, body: head });
    const at = await get(running, `/v1/chains/${chainId}?seq=0`, 'reader');
    expect(at.body).toEqual({ ...head, standing: [records[0]!.recordHash] });
    expect((await verify(store, { ledgerId: LEDGER_ID })).status).toBe('valid');
  });

  it('of one chain by two senders at once land once', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const records = await chainOf(20);
    const answers = await Promise.all(Array.from({ length: 4 }, () => post(running, linesOf(records))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(answers.map(({ body }) => body.added).sort()).toEqual([0, 0, 0, 21]);
    expect(await placesOf(records[0]!.chainId)).toBe(21);
  });

  it('that are cut off in the middle are not there', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const records = await chainOf(5);
    const body = linesOf(records);
    await new Promise<void>((resolve) => {
      const sent = request(`${running.otlp}/v1/entries`, {
        method: 'POST',
        headers: { ...bearer('app'), 'content-length': Buffer.byteLength(body) },
      });
      sent.on('error', () => resolve());
      sent.write(linesOf(records.slice(0, 3)), () => sent.destroy());
      sent.on('close', () => resolve());
    });
    expect((await post(running, body)).body).toMatchObject({ added: 6 });
  });

  it('that cannot be one chain of this ledger are refused, whole', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const records = await chainOf(4);
    const [first, second, third, fourth] = records as [
      SealedRecord,
      SealedRecord,
      SealedRecord,
      SealedRecord,
    ];
    const strange = canonicalJson({ ...recordOf(second), retention_class: 'x\ty\nz' });
    const cases: [string, readonly SealedRecord[]][] = [
      ['nothing', []],
      ['a wrong hash', [first, { ...second, recordHash: third.recordHash }]],
      ['a gap', [first, third]],
      ['backwards', [second, first]],
      ['the same twice', [first, first]],
      ['another link', [first, resealed(second, { prevHash: third.recordHash })]],
      ['two chains', [first, resealed(second, { chainId: 'another' })]],
      [
        'a payload edited',
        [first, { ...second, payload: second.payload.replace('tool_invoked', 'tool_invokes') }],
      ],
      ['white space', [first, resealed(second, { payload: `${second.payload} ` })]],
      ['a class of its own', [first, resealed(second, { retentionClass: 'hipaa' })]],
      ['rows in its class', [first, resealed(second, { retentionClass: 'x\ty\nz', payload: strange })]],
      ['a beginning that links', [resealed(first, { prevHash: fourth.recordHash })]],
      [
        'a foreign ledger',
        [
          {
            ...first,
            recordHash: recordHash({
              ...first,
              ledgerId: LEDGER_ID.replace('0', '1'),
              payloadDigest: payloadDigest(first.payload),
            }),
          },
        ],
      ],
    ];
    for (const [what, entries] of cases)
      expect({ what, ...(await post(running, linesOf(entries))) }).toMatchObject({
        what,
        status: 400,
        body: { error: { code: 'invalid' } },
      });
    expect(await post(running, Buffer.from([0xff, 0xfe]))).toMatchObject({ status: 400 });
    expect(await placesOf(first.chainId)).toBe(0);
  });

  it('ahead of what the store has, or where another record stands, conflict', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const records = await chainOf(4);
    const { chainId } = records[0]!;
    const ahead = await post(running, linesOf(records.slice(2)));
    expect(ahead).toMatchObject({
      status: 409,
      body: { stopped: { chainId, kind: 'rollback', seq: 1, found: [] } },
    });
    expect((await post(running, linesOf(records.slice(0, 3)))).status).toBe(200);
    const edited = canonicalJson({ ...recordOf(records[2]!), purpose: 'another' });
    const other = resealed(records[2]!, { payload: edited });
    const fork = await post(running, lineOf(other));
    expect(fork).toMatchObject({
      status: 409,
      body: {
        stopped: {
          chainId,
          kind: 'fork',
          seq: 2,
          expected: other.recordHash,
          found: [records[2]!.recordHash],
        },
      },
    });
    const next = resealed(records[3]!, { prevHash: other.recordHash });
    expect(await post(running, lineOf(next))).toMatchObject({
      status: 409,
      body: { stopped: { kind: 'fork', seq: 2 } },
    });
    expect((await post(running, linesOf(records))).body).toMatchObject({ added: 2 });
  });

  it('that were there once are all sent again, though another record stands among them', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    // More than one insert takes.
    const records = await chainOf(10_001);
    expect((await post(running, linesOf(records.slice(0, 2)))).status).toBe(200);
    const forged = resealed(records[2]!, {
      payload: canonicalJson({ ...recordOf(records[2]!), purpose: 'forged' }),
    });
    expect((await post(running, lineOf(forged))).status).toBe(200);
    const stopped = { kind: 'fork', seq: 2, found: [forged.recordHash] };
    expect(await post(running, linesOf(records))).toMatchObject({ status: 409, body: { stopped, added: 0 } });
    const restored = await post(running, linesOf(records), { path: '/v1/entries?restored=1' });
    expect(restored).toMatchObject({ status: 409, body: { stopped, added: records.length - 3 } });
    expect(await placesOf(records[0]!.chainId)).toBe(records.length);
    await leaveOut(store, `chain_id = '${records[0]!.chainId}'`);
  });

  it("of another's chain, or another tenant, are refused", async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const records = await chainOf(2);
    const { chainId } = records[0]!;
    expect((await post(running, linesOf(records.slice(0, 2)))).status).toBe(200);
    expect((await post(running, linesOf(records), { token: 'other' })).status).toBe(403);
    expect((await post(running, linesOf(records), { token: 'reader' })).status).toBe(403);
    expect((await post(running, linesOf(records), { token: 'nobody' })).status).toBe(401);
    expect((await get(running, `/v1/chains/${chainId}`, 'other')).status).toBe(403);
    const ofAcme = await chainOf(2, 'acme');
    expect((await post(running, linesOf(ofAcme), { token: 'evil' })).status).toBe(403);
    expect((await post(running, linesOf(ofAcme), { token: 'acme' })).status).toBe(200);
    expect((await get(running, `/v1/chains/${ofAcme[0]!.chainId}`, 'evil-reader')).status).toBe(403);
    expect((await get(running, `/v1/chains/${ofAcme[0]!.chainId}`, 'reader')).status).toBe(200);
    expect(await placesOf(chainId)).toBe(2);
  });

  it("of the serving process's own chain are refused, of one before it too", async () => {
    const journalDir = join(dir, 'journal', 'serve-own');
    let running = await startSidecar(dir, store, { tokens: TOKENS, journal: journalDir });
    // As `serve` names itself.
    await tellAsServe(running);
    const own = unshippedOf(running.journal);
    const appended = (from: SealedRecord) =>
      lineOf(
        resealed(from, {
          seq: own.length,
          prevHash: own.at(-1)!.recordHash,
          retentionClass: recordOf(from).retention_class,
        }),
      );
    await post(running, appended(own[1]!)).then(({ status }) => expect(status).toBe(403));
    await shipToStore(writerIn(running.journal), store);
    await running.stop();
    running = await startSidecar(dir, store, { tokens: TOKENS });
    expect(await placesOf(own[0]!.chainId)).toBe(own.length);
    expect((await post(running, appended(own[1]!))).status).toBe(403);
    expect(await placesOf(own[0]!.chainId)).toBe(own.length);
  });

  it('that speak of the end of a chain of another token are refused', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const theirs = await chainOf(1, 'acme');
    await post(running, linesOf(theirs), { token: 'acme' });
    const [opened] = await chainOf(1);
    const after = (chain_id: string) => {
      const { control, ...record } = recordOf(opened!);
      const predecessor = { chain_id, head: theirs.at(-1)!.recordHash, size: theirs.length };
      const payload = canonicalJson({ ...record, control: { ...control, predecessor } });
      return lineOf(resealed(opened!, { payload }));
    };
    const said = after(theirs[0]!.chainId);
    expect((await post(running, said, { token: 'evil' })).status).toBe(403);
    expect(await placesOf(opened!.chainId)).toBe(0);
    expect((await post(running, said, { token: 'acme' })).status).toBe(200);
  });

  it('tell of the policy, to who may send or read', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const digest = payloadDigest(canonicalJson(POLICY.document));
    expect(await get(running, '/v1/policy', 'app')).toMatchObject({ status: 200, body: { digest } });
    expect((await get(running, '/v1/policy', 'reporter')).status).toBe(403);
    expect((await get(running, '/v1/chains/A%20b', 'app')).status).toBe(400);
    expect((await get(running, '/v1/chains/abc?seq=x', 'app')).status).toBe(400);
  });
});

describe('a journal shipped by a relay', () => {
  it('whose relay goes away and comes back at every point is in the store, once, and valid', async () => {
    const journals = { relay: join(dir, 'journal', 'serve-relay'), app: join(dir, 'app', 'shipping') };
    const app = openJournal(journals.app);
    const writer: Writer = writerIn(app);
    for (let i = 0; i < 6; i++) {
      const running = await startSidecar(dir, store, { tokens: TOKENS, journal: journals.relay });
      const target = new RelayTarget({ endpoint: running.otlp, token: 'app' });
      await writer.append(toolCalls(3));
      expect(await ship(writer, target)).toMatchObject({ again: 0, stopped: [] });
      await writer.append(toolCalls(50));
      // It is gone while the shipment runs, before it or after it.
      const shipping = codeOf(() => ship(writer, target));
      for (let turn = 0; turn < i * 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      await running.stop();
      expect(['no error', 'store_unreachable']).toContain(await shipping);
    }
    const running = await startSidecar(dir, store, { tokens: TOKENS, journal: journals.relay });
    await writer.close();
    await ship(writer, new RelayTarget({ endpoint: running.otlp, token: 'app' }));
    const { chainId, size } = app.chain!;
    expect(unshippedOf(app)).toEqual([]);
    expect(await placesOf(chainId)).toBe(size);
    expect(await verify(store, { ledgerId: LEDGER_ID })).toMatchObject({ status: 'valid', findings: [] });
    await app.close();
  });

  it('hears of a store that forked or was put back, and says so in the chain', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const target = new RelayTarget({ endpoint: running.otlp, token: 'app' });
    for (const kind of ['fork', 'rollback'] as const) {
      const app = openJournal(join(dir, 'app', kind));
      const writer = writerIn(app);
      await writer.append(toolCalls(3));
      await ship(writer, target);
      const { chainId } = app.chain!;
      await writer.append(toolCalls(2));
      if (kind === 'fork') {
        // Somebody wrote where the next record belongs.
        const [next] = unshippedOf(app);
        const foreign = resealed(next!, {
          payload: canonicalJson({ ...recordOf(next!), purpose: 'forged' }),
        });
        expect((await post(running, lineOf(foreign))).status).toBe(200);
      } else {
        await leaveOut(store, `chain_id = '${chainId}'`);
      }
      const shipment = await ship(writer, target);
      if (kind === 'fork') {
        expect(shipment.stopped).toMatchObject([{ chainId, kind, seq: 4 }]);
        expect(app.chain!.chainId).not.toBe(chainId);
        const [row] = await store.query<{ told: string }>(
          `SELECT count() AS told FROM spanledger.audit_records WHERE action = 'fork_detected' AND payload LIKE '%${chainId}%'`,
        );
        expect(row!.told).toBe('1');
      } else {
        // The journal still has it all.
        expect(shipment).toMatchObject({ again: 4, stopped: [], records: 2 });
        expect(await placesOf(chainId)).toBe(6);
      }
      await app.close();
    }
  });
});

async function tellAsServe({ journal }: Running): Promise<void> {
  const writer = new Writer({
    journal,
    policy: POLICY,
    ledgerId: LEDGER_ID,
    clock: systemClock,
    writer: 'serve',
    version: '0',
    origin: 'test.example/ledger',
  });
  await writer.append(toolCalls(2));
}
