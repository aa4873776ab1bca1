import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { textOf } from '../../src/anchor/anchor.ts';
import { compareReceipt } from '../../src/anchor/check.ts';
import { S3Anchor, type S3Options } from '../../src/anchor/s3.ts';
import { signed } from '../../src/anchor/sigv4.ts';
import { WitnessAnchor } from '../../src/anchor/witness.ts';
import { systemClock } from '../../src/clock.ts';
import { checkpointOf, ORIGIN, refusalOf } from '../support/anchors/checkpoints.ts';
import { TestLog } from '../support/anchors/log.ts';
import { nobodyAt } from '../support/anchors/server.ts';
import { temporaryFolder } from '../support/cli.ts';
import { until } from './until.ts';

const KEYS = { accessKeyId: 'AKIAINTEROP', secretAccessKey: 'a+secret/of-the=test' };
const REGION = 'eu-central-1';

type Sent = { method: string; path: string; headers?: { [name: string]: string } };

/** A request that is none of the anchor's: of whoever owns the bucket, or wants to be rid of what is in it. */
async function asOwner(endpoint: string, { method, path, headers = {} }: Sent): Promise<number> {
  const payload = hash('sha256', '');
  const request = {
    method,
    host: new URL(endpoint).host,
    path: path.split('?')[0]!,
    query: [...new URLSearchParams(path.split('?')[1])],
    headers: { ...headers, 'x-amz-content-sha256': payload },
    payload,
  };
  const now = systemClock();
  const sent = { method, headers: signed(request, KEYS, { region: REGION, service: 's3', now }) };
  return (await fetch(endpoint + path, sent)).status;
}

describe('versitygw, an S3 server', () => {
  beforeEach(({ skip }) => {
    const found = inject('versitygw');
    if ('missing' in found) skip(found.missing);
  });

  async function bucket(lock: S3Options['lock']): Promise<{ url: string; anchor: S3Anchor }> {
    const [data, versions] = ['data', 'versions'].map((name) => join(temporaryFolder(), name));
    for (const folder of [data!, versions!]) mkdirSync(folder);
    const url = await nobodyAt();
    const { path } = inject('versitygw') as { path: string };
    const keys = ['--access', KEYS.accessKeyId, '--secret', KEYS.secretAccessKey, '--region', REGION];
    const backend = ['posix', '--versioning-dir', versions!, data!];
    const server = spawn(path, ['--port', new URL(url).host, '--quiet', ...keys, ...backend], {
      stdio: 'ignore',
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' };
    const make = () => asOwner(url, { method: 'PUT', path: '/ledger', headers }).catch(() => 0);
    await until(async () => [200, 409].includes(await make()));
    const options = { endpoint: url, bucket: 'ledger', region: REGION, prefix: 'checkpoints/' };
    const credentials = () => KEYS;
    const anchor = new S3Anchor({ name: 'bucket', ...options, lock, credentials, clock: systemClock });
    return { url, anchor };
  }

  it.each(['COMPLIANCE', 'GOVERNANCE'] as const)('keeps checkpoints locked in mode %s', async (mode) => {
    const { url, anchor } = await bucket({ mode, days: 1 });
    const receipts = [];
    for (const size of [9, 80, 1_000]) receipts.push(await anchor.publish(checkpointOf(size)));
    const [receipt] = receipts;
    expect(receipt!.proof).toMatchObject({ lock: { mode }, version_id: expect.any(String) });
    expect(await anchor.publish(checkpointOf(9))).toEqual(receipt);
    expect((await refusalOf(anchor.publish(checkpointOf(9, 'ab'.repeat(32))))).code).toBe('anchor_refused');

    const listed = await anchor.list({ origin: ORIGIN });
    expect(listed.map(({ note }) => note)).toEqual([9, 80, 1_000].map((size) => checkpointOf(size).note));
    expect(await anchor.list({ origin: ORIGIN, from: 80 })).toEqual(listed.slice(1));

    // Its version cannot be deleted; it can be hidden, and is found all the same.
    const path = `/ledger/${receipt!.proof.key}`;
    expect(
      await asOwner(url, { method: 'DELETE', path: `${path}?versionId=${receipt!.proof.version_id}` }),
    ).toBe(403);
    expect(await asOwner(url, { method: 'DELETE', path })).toBe(204);
    const after = await anchor.list({ origin: ORIGIN });
    expect(after.filter(({ note }) => note === undefined)).toHaveLength(1);
    for (const each of receipts) expect(compareReceipt(each, after).status).toBe('kept');
  });
});

describe('a witness made of golang.org/x/mod', () => {
  beforeEach(({ skip }) => {
    const found = inject('witness');
    if ('missing' in found) skip(found.missing);
  });

  it('reads our notes, checks our proofs, and its cosignatures count', async () => {
    const log = new TestLog();
    const { path } = inject('witness') as { path: string };
    const server = spawn(path, [log.vkey], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void server.kill('SIGKILL'));
    const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
    const [url, vkey] = [(await lines.next()).value as string, (await lines.next()).value as string];
    const common = { name: 'go', url, vkey, monitor: url };
    const anchor = new WitnessAnchor({ ...common, consistency: log.consistency });
    for (const size of [1, 2, 3, 64, 65, 100, 257]) {
      const receipt = await anchor.publish(log.checkpoint(size));
      expect(Math.abs(Date.parse(receipt.attested_at!) - Date.now())).toBeLessThan(60_000);
      expect(compareReceipt(receipt, await anchor.list({ origin: ORIGIN })).status).toBe('kept');
    }
    const again = new WitnessAnchor({ ...common, consistency: log.consistency });
    expect(await again.publish(log.checkpoint(300))).toMatchObject({ size: 300 });
    const [seen] = await again.list({ origin: ORIGIN });
    expect(seen!.note).toContain(textOf(log.checkpoint(300)));

    const fork = new TestLog({ salt: 'another history' });
    const forked = new WitnessAnchor({ ...common, consistency: fork.consistency });
    for (const checkpoint of [
      fork.checkpoint(300),
      log.checkpoint(257),
      new TestLog({ seed: 2 }).checkpoint(300),
    ])
      expect((await refusalOf(forked.publish(checkpoint))).code).toBe('anchor_refused');
  });
});
