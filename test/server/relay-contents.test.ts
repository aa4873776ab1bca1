import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { ship } from '../../src/ship.ts';
import type { Store } from '../../src/store/client.ts';
import { lineOf } from '../../src/target/line.ts';
import { RelayTarget } from '../../src/target/relay.ts';
import { refOf } from '../../src/vault/blob.ts';
import type { SealedContent } from '../../src/vault/sealed.ts';
import { verify } from '../../src/verify/verify.ts';
import {
  codeOf,
  LEDGER_ID,
  memoryFolder,
  openJournal,
  openStore,
  unshippedOf,
} from '../support/ledger-kit.ts';
import { startSidecar } from '../support/sidecar-here.ts';
import { bearer, tokenOf } from '../support/tokens.ts';
import { openAll, toolSaying, vaultWriter } from '../support/vault-kit.ts';

const TOKENS = [tokenOf('app', ['ingest'])];
const dir = memoryFolder();
let store: Store;
beforeAll(async () => {
  store = await openStore(dir);
});
afterAll(() => store.close());

const newJournal = () => openJournal(join(dir, 'app', randomBytes(4).toString('hex')));

async function recordsSaying(...results: string[]): Promise<SealedRecord[]> {
  const journal = newJournal();
  await vaultWriter(journal).append(results.map((each) => toolSaying({ of: each }, each)));
  const records = unshippedOf(journal);
  await journal.close();
  return records;
}

const places = async () =>
  Number(
    (await store.query<{ rows: string }>('SELECT count() AS rows FROM spanledger.audit_content'))[0]!.rows,
  );

describe('contents through a relay', () => {
  it('arrive with their records, before them, once', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append([toolSaying({ a: 1 }, 'one'), toolSaying({ b: 2 }, 'x'.repeat(3 * 1024 * 1024))]);
    const target = new RelayTarget({ endpoint: running.otlp, token: 'app' });
    expect(await ship(writer, target)).toMatchObject({
      records: unshippedOf(journal).length + 3,
      stopped: [],
    });
    const [, one, , long] = await openAll(store);
    expect([one, long!.length]).toEqual(['one', 1024 * 1024]);
    expect(await verify(store, { ledgerId: LEDGER_ID })).toMatchObject({ status: 'valid', findings: [] });
    const before = await places();
    journal.transact((transaction) => transaction.moveShipped({ lsn: 1, records: 0 }));
    await ship(vaultWriter(journal), target);
    expect(await places()).toBe(before);
    await journal.close();
  });

  it('are taken where their key is written as other base64, and found there when they come again', async () => {
    const records = await recordsSaying('spelt');
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const spelt = ({ key, ...content }: SealedContent): SealedContent => ({
      ...content,
      key: { ...key, wrapped: Buffer.from(key.wrapped, 'base64').toString('base64url') },
    });
    const body = records
      .map((each) =>
        lineOf(each.contents === undefined ? each : { ...each, contents: each.contents.map(spelt) }),
      )
      .join('');
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(`${running.otlp}/v1/entries`, {
        method: 'POST',
        headers: bearer('app'),
        body,
      });
      expect(answer.status, await answer.text()).toBe(200);
    }
    expect(await openAll(store)).toContain('spelt');
  });

  it.each<[what: string, change: (contents: SealedContent[]) => readonly SealedContent[] | undefined]>([
    ['none', () => undefined],
    ['one of two', ([first]) => [first!]],
    ['one more', (both) => [...both, both[0]!]],
    [
      'other bytes',
      ([first, second]) => [{ ...first!, sealed: Buffer.concat([first!.sealed, Buffer.from('x')]) }, second!],
    ],
    [
      'other bytes with their ref',
      ([first, second]) => {
        const sealed = Buffer.concat([first!.sealed, Buffer.from('x')]);
        return [{ ...first!, sealed, ref: refOf(sealed) }, second!];
      },
    ],
    [
      'each for the other',
      ([first, second]) => [
        { ...first!, sealed: second!.sealed },
        { ...second!, sealed: first!.sealed },
      ],
    ],
    ['another expiry', ([first, second]) => [{ ...first!, expiresAt: first!.expiresAt - 1 }, second!]],
    [
      'another key',
      ([first, second]) => [{ ...first!, key: { ...first!.key, id: 'f'.repeat(32) } }, second!],
    ],
    ['a class with a tab', ([first, second]) => [{ ...first!, retentionClass: 'a\tb' }, second!]],
    [
      'a subject with a line feed',
      ([first, second]) => [{ ...first!, key: { ...first!.key, subject: 'a\nb' } }, second!],
    ],
    [
      'a key cut short',
      ([first, second]) => [{ ...first!, key: { ...first!.key, wrapped: 'AAAA' } }, second!],
    ],
  ])('are refused with all of their request where a line has %s', async (_, change) => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const before = await places();
    const lines = (await recordsSaying('one', 'two')).map(({ contents, ...record }, i) => {
      const given = contents && (i === 2 ? change([...contents]) : contents);
      return lineOf({ ...record, ...(given === undefined ? {} : { contents: given }) });
    });
    const answer = await fetch(`${running.otlp}/v1/entries`, {
      method: 'POST',
      headers: bearer('app'),
      body: lines.join(''),
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('line 3: contents');
    expect(await places()).toBe(before);
  });

  it('that are no contents at all are refused too', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const [first] = await recordsSaying('one');
    for (const contents of [1, 'x', {}, [null], [[]], [{ field: 'prompt' }]]) {
      const line = JSON.stringify({ ...(JSON.parse(lineOf(first!)) as object), contents });
      const answer = await fetch(`${running.otlp}/v1/entries`, {
        method: 'POST',
        headers: bearer('app'),
        body: line,
      });
      expect(answer.status).toBe(400);
    }
  });

  it('are not taken for shipped by a relay that knows nothing of them', async () => {
    const running = await startSidecar(dir, store, { tokens: TOKENS });
    const old = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const lines = body.split('\n').filter(Boolean);
      const last = JSON.parse(lines.at(-1) ?? '{}') as { chain_id: string; seq: number; record_hash: string };
      const answer = {
        chain_id: last.chain_id,
        size: last.seq + 1,
        head: last.record_hash,
        added: lines.length,
      };
      response.end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void old.close());
    const endpoint = `http://127.0.0.1:${(old.address() as AddressInfo).port}`;
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append([toolSaying({ a: 1 }, 'late')]);
    expect(await codeOf(() => ship(writer, new RelayTarget({ endpoint })))).toBe('relay_refused');
    expect(unshippedOf(journal)).toHaveLength(2);
    await ship(writer, new RelayTarget({ endpoint: running.otlp, token: 'app' }));
    expect(await openAll(store)).toContain('late');
    await journal.close();
  });
});
