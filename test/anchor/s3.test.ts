import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MAX_NOTE_BYTES, placeOf } from '../../src/anchor/anchor.ts';
import { S3Anchor, type S3Options } from '../../src/anchor/s3.ts';
import { systemClock } from '../../src/clock.ts';
import { checkpointOf, ORIGIN, refusalOf } from '../support/anchors/checkpoints.ts';
import { failed, KEY, REGION, S3Server } from '../support/anchors/s3-server.ts';
import { nobodyAt, serving } from '../support/anchors/server.ts';

const LOCK = { mode: 'COMPLIANCE', days: 30 } as const;

function anchorAt(endpoint: string, options: Partial<S3Options> = {}): S3Anchor {
  return new S3Anchor({
    name: 'bucket',
    endpoint,
    bucket: 'bucket',
    region: REGION,
    lock: LOCK,
    credentials: () => KEY,
    clock: systemClock,
    ...options,
  });
}

async function locked(options: Partial<S3Options> = {}) {
  const store = await S3Server.start();
  return { store, anchor: anchorAt(store.url, options) };
}

const key = (size: number, prefix = '') => prefix + placeOf(ORIGIN, size);

describe('a bucket', () => {
  it('keeps a checkpoint in a locked object of its own, read back before there is a receipt', async () => {
    const { store, anchor } = await locked({ prefix: "our ledgers'/" });
    const checkpoint = checkpointOf(42);
    const receipt = await anchor.publish(checkpoint);
    const [version] = store.versionsOf(key(42, "our ledgers'/"));
    const { origin, size, root, note } = checkpoint;
    expect(receipt).toEqual({
      anchor: 'bucket',
      kind: 's3',
      origin,
      size,
      root,
      attested_at: version!.modified.toISOString().replace('Z', '000Z'),
      proof: {
        bucket: 'bucket',
        key: key(42, "our ledgers'/"),
        version_id: version!.id,
        etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
        sha256: hash('sha256', note),
        lock: { mode: 'COMPLIANCE', until: version!.lock!.until.replace('Z', '000Z') },
      },
    });
    const days = (Date.parse(version!.lock!.until) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
    expect(version!.body!.toString()).toBe(note);
    expect(store.requests.map((each) => each.split(' ')[0])).toEqual(['PUT', 'GET', 'HEAD']);
  });

  it('gives the same receipt for the same checkpoint, and keeps one version of it', async () => {
    const { store, anchor } = await locked();
    const receipt = await anchor.publish(checkpointOf(42));
    expect(await anchor.publish(checkpointOf(42))).toEqual(receipt);
    expect(store.versionsOf(key(42))).toHaveLength(1);
  });

  it('lists every version by size, page by page, also those that were overwritten or hidden', async () => {
    const { store, anchor } = await locked({ prefix: 'a&b/' });
    expect(await anchor.list({ origin: ORIGIN })).toEqual([]);
    for (const size of [1_000, 9, 80]) await anchor.publish(checkpointOf(size));
    await anchor.publish(checkpointOf(5, undefined, 'another/ledger'));
    store.overwrite(key(9, 'a&b/'), 'altered');
    store.hide(key(80, 'a&b/'));
    store.overwrite(key(1_000, 'a&b/'), '');
    store.overwrite(key(1_000, 'a&b/'), 'x'.repeat(MAX_NOTE_BYTES * 2));
    store.overwrite(`${key(9, 'a&b/')}.bak`, 'no place of ours');
    store.pageSize = 2;
    const listed = await anchor.list({ origin: ORIGIN });
    expect(listed.map(({ place, note }) => [place, note])).toEqual(
      [
        [9, 'altered'],
        [9, checkpointOf(9).note],
        [80, undefined],
        [80, checkpointOf(80).note],
        [1_000, 'x'.repeat(MAX_NOTE_BYTES + 1)],
        [1_000, ''],
        [1_000, checkpointOf(1_000).note],
      ].map(([size, note]) => [`bucket/${key(size as number, 'a&b/')}`, note]),
    );
    for (const { attested_at, version_id } of listed) {
      expect(attested_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$/);
      expect(version_id).toMatch(/^v\d{6}$/);
    }
    expect(await anchor.list({ origin: ORIGIN, from: 80 })).toEqual(listed.slice(2));
  });

  it('never overwrites another checkpoint of that size', async () => {
    const { store, anchor } = await locked();
    await anchor.publish(checkpointOf(3));
    expect(await refusalOf(anchor.publish(checkpointOf(3, 'ab'.repeat(32))))).toMatchObject({
      code: 'anchor_refused',
      message: expect.stringContaining(key(3)),
    });
    expect(store.versionsOf(key(3))).toHaveLength(1);
  });

  it('takes a checkpoint again whose object was hidden', async () => {
    const { store, anchor } = await locked();
    await anchor.publish(checkpointOf(3));
    store.hide(key(3));
    await anchor.publish(checkpointOf(3));
    expect(store.versionsOf(key(3))).toHaveLength(3);
  });
});

describe('a bucket is not believed', () => {
  it.each<[string, S3Server['lies'], RegExp]>([
    [
      'that reads back other bytes',
      ({ method }, said) => (method === 'GET' ? { ...said, body: 'other bytes' } : said),
      /does not read back/,
    ],
    [
      'that took the lock and did not lock',
      (_, said) => ({ ...said, headers: withoutLock(said.headers) }),
      /is not locked/,
    ],
    [
      'that locked in another mode',
      (_, said) =>
        said.headers?.['x-amz-object-lock-mode'] === undefined
          ? said
          : { ...said, headers: { ...said.headers, 'x-amz-object-lock-mode': 'GOVERNANCE' } },
      /in mode GOVERNANCE/,
    ],
    [
      'that locked until yesterday',
      (_, said) =>
        said.headers?.['x-amz-object-lock-mode'] === undefined
          ? said
          : {
              ...said,
              headers: { ...said.headers, 'x-amz-object-lock-retain-until-date': '2020-01-01T00:00:00Z' },
            },
      /until 2020-01-01/,
    ],
    [
      'that says no time',
      (_, said) => ({ ...said, headers: { ...said.headers, 'last-modified': 'lately' } }),
      /when the object was written/,
    ],
    [
      'that sends without end',
      ({ method }, said) => (method === 'GET' ? { ...said, body: 'x'.repeat(1024 * 1024) } : said),
      /more than \d+ bytes/,
    ],
  ])('%s', async (_, lies, message) => {
    const { store, anchor } = await locked();
    store.lies = lies;
    const refusal = await refusalOf(anchor.publish(checkpointOf(3)));
    expect(refusal).toMatchObject({ code: 'anchor_mismatch', message: expect.stringMatching(message) });
  });

  it.each([
    ['no list', '<html></html>'],
    [
      'a list that never ends',
      '<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker></ListVersionsResult>',
    ],
    [
      'a list that ends in the middle',
      '<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>',
    ],
    [
      'a version without a key',
      '<ListVersionsResult><Version><VersionId>1</VersionId></Version></ListVersionsResult>',
    ],
  ])('that answers with %s', async (_, body) => {
    const anchor = anchorAt(await serving(() => ({ status: 200, body })));
    expect((await refusalOf(anchor.list({ origin: ORIGIN }))).code).toBe('anchor_mismatch');
  });
});

describe('a bucket that cannot', () => {
  it.each<[number, string, string, RegExp]>([
    [403, 'AccessDenied', 'anchor_refused', /403: AccessDenied/],
    [404, 'NoSuchBucket', 'anchor_refused', /404: NoSuchBucket/],
    [409, 'ConditionalRequestConflict', 'anchor_unreachable', /409/],
    [409, 'InvalidBucketState', 'anchor_refused', /InvalidBucketState/],
    [503, 'SlowDown', 'anchor_unreachable', /503: SlowDown/],
    [429, 'TooMany', 'anchor_unreachable', /429/],
    [301, 'PermanentRedirect', 'anchor_refused', /301.*not followed/],
  ])('answers %i %s: told, without what it quotes', async (status, code, expected, message) => {
    const { store, anchor } = await locked();
    store.lies = () => ({ ...failed(status, code), headers: { location: 'http://127.0.0.1:1/' } });
    const refusal = await refusalOf(anchor.publish(checkpointOf(3)));
    expect(refusal).toMatchObject({ code: expected, message: expect.stringMatching(message) });
    expect(refusal.hint).not.toBe('');
    expect(JSON.stringify(refusal)).not.toContain(KEY.secretAccessKey);
  });

  it('lock says so, and what to do', async () => {
    const { store, anchor } = await locked();
    store.hasLock = false;
    expect(await refusalOf(anchor.publish(checkpointOf(3)))).toMatchObject({
      code: 'anchor_refused',
      message: expect.stringContaining('no ObjectLockConfiguration'),
    });
    expect(await anchorAt(store.url, { lock: undefined }).publish(checkpointOf(3))).not.toHaveProperty(
      'proof.lock',
    );
  });

  it('know us is not told our secret', async () => {
    const { store } = await locked();
    for (const credentials of [
      { ...KEY, secretAccessKey: 'another' },
      { ...KEY, accessKeyId: 'AKIAOTHER' },
    ]) {
      const anchor = anchorAt(store.url, { credentials: () => credentials });
      const refusal = await refusalOf(anchor.publish(checkpointOf(3)));
      expect(refusal).toMatchObject({ code: 'anchor_refused', hint: expect.stringContaining('credentials') });
      expect(JSON.stringify(refusal)).not.toContain(credentials.secretAccessKey);
    }
  });

  it('answer is waited for no longer than the time limit', async () => {
    const { store, anchor } = await locked({ timeLimitMs: 100 });
    store.lies = () => 'never';
    const slow = { code: 'anchor_unreachable', message: expect.stringMatching(/within 100 ms|timeout/) };
    expect(await refusalOf(anchor.publish(checkpointOf(3)))).toMatchObject(slow);
    expect(await refusalOf(anchor.list({ origin: ORIGIN }))).toMatchObject(slow);
  });

  it('be reached says so, and takes it once it is back, also where the answer alone was lost', async () => {
    const down = anchorAt(await nobodyAt());
    expect(await refusalOf(down.publish(checkpointOf(3)))).toMatchObject({
      code: 'anchor_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    const { store, anchor } = await locked();
    store.lies = ({ method }, said) => (method === 'PUT' ? failed(500, 'InternalError') : said);
    expect((await refusalOf(anchor.publish(checkpointOf(3)))).code).toBe('anchor_unreachable');
    store.lies = (_, said) => said;
    await anchor.publish(checkpointOf(3));
    expect(store.versionsOf(key(3))).toHaveLength(1);
  });
});

function withoutLock(headers: { [name: string]: string } = {}) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.includes('object-lock')));
}
