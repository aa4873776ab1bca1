import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import type { Batch } from '../../src/target/batch.ts';
import { RelayTarget } from '../../src/target/relay.ts';
import { codeOf, memoryFolder, openJournal, unshippedOf, writerIn } from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

let batch: Batch;
const folder = memoryFolder();
beforeAll(async () => {
  const journal = openJournal(join(folder, 'journal'));
  await writerIn(journal).append(toolCalls(3));
  batch = unshippedOf(journal) as unknown as Batch;
  await journal.close();
});

/** Whatever stands where a relay should: it answers as told. */
async function answering(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const saying = (status: number, value: unknown) =>
  answering((response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
  });

const last = (): SealedRecord => batch.at(-1)!;
const taken = (more: object = {}) => ({
  chain_id: last().chainId,
  size: last().seq + 1,
  head: last().recordHash,
  added: batch.length,
  ...more,
});

describe('a relay as target', () => {
  it('has taken what it names by its hash', async () => {
    const target = new RelayTarget({ endpoint: `${await saying(200, taken())}/`, token: 't' });
    expect(await target.deliver(batch, 'new')).toEqual({ added: batch.length });
  });

  it.each([
    ['something that answers everything', 200, () => 'ok'],
    ['something that answers JSON', 200, () => ({})],
    ['something that answers null', 200, () => null],
    ['another chain', 200, () => taken({ chain_id: 'another' })],
    ['fewer records', 200, () => taken({ size: 1 })],
    ['another head', 200, () => taken({ head: '0'.repeat(64) })],
    ['a conflict with nobody', 409, () => ({})],
    [
      'a conflict of another chain',
      409,
      () => ({ stopped: { chainId: 'another', kind: 'fork', seq: 0, expected: '', found: [] }, added: 0 }),
    ],
    [
      'a conflict of no kind',
      409,
      () => ({ stopped: { chainId: last().chainId, kind: 'x', seq: 0, expected: '', found: [] }, added: 0 }),
    ],
    [
      'a conflict and no count',
      409,
      () => ({ stopped: { chainId: last().chainId, kind: 'fork', seq: 0, expected: '', found: [] } }),
    ],
    ['no right', 403, () => ({ error: { code: 'forbidden', message: 'no' } })],
    ['a refusal', 400, () => ({})],
  ])('that answers with %s has taken nothing', async (_, status, answer) => {
    const target = new RelayTarget({ endpoint: await saying(status, answer()) });
    expect(await codeOf(() => target.deliver(batch, 'unsure'))).toBe('relay_refused');
    if (status !== 409) expect(await codeOf(() => target.standing(last().chainId, 0))).toBe('relay_refused');
  });

  it('that tells of a conflict is sent the rest of what is restored, and of nothing else', async () => {
    const payload = 'x'.repeat(5 * 1024 * 1024);
    const large = batch.map((record) => ({ ...record, payload })) as unknown as Batch;
    const conflict = (seq: number) => ({
      chainId: last().chainId,
      kind: 'fork',
      seq,
      expected: '',
      found: [],
    });
    for (const how of ['restored', 'unsure'] as const) {
      const answers = [
        [409, { stopped: conflict(0), added: 2 }],
        [409, { stopped: conflict(1), added: 1 }],
        [200, taken({ size: 3, head: large[2]!.recordHash, added: 1 })],
        [200, taken({ added: 1 })],
      ] as const;
      let asked = 0;
      const endpoint = await answering((response) => {
        const [status, body] = answers[asked++]!;
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
      const delivered = await new RelayTarget({ endpoint }).deliver(large, how);
      const isAll = how === 'restored';
      expect({ asked, ...delivered }).toEqual({
        asked: isAll ? 4 : 1,
        added: isAll ? 5 : 2,
        stopped: conflict(0),
      });
    }
  });

  it.each([429, 500, 502, 503])('that answers %d is asked again later', async (status) => {
    const target = new RelayTarget({ endpoint: await saying(status, 'later') });
    expect(await codeOf(() => target.deliver(batch, 'unsure'))).toBe('store_unreachable');
  });

  it('that hangs up, half-way through its answer too, is asked again later', async () => {
    for (const answer of [
      (response: ServerResponse) => void response.destroy(),
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"chain_id"', () => response.destroy());
      },
    ]) {
      const target = new RelayTarget({ endpoint: await answering(answer) });
      expect(await codeOf(() => target.deliver(batch, 'unsure'))).toBe('store_unreachable');
    }
  });

  it('follows no redirect, which would take its token elsewhere', async () => {
    const elsewhere = await saying(200, taken());
    const endpoint = await answering((response) => {
      response.writeHead(307, { location: `${elsewhere}/v1/entries` });
      response.end();
    });
    expect(await codeOf(() => new RelayTarget({ endpoint, token: 't' }).deliver(batch, 'new'))).toBe(
      'store_unreachable',
    );
  });
});
