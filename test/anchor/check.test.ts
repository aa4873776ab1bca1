import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Anchored, Receipt } from '../../src/anchor/anchor.ts';
import {
  checkReceipt,
  compareReceipt,
  meetsQuorum,
  parseReceipt,
  readAnchored,
} from '../../src/anchor/check.ts';
import { openAnchors } from '../../src/anchor/open.ts';
import { TsaAnchor } from '../../src/anchor/tsa.ts';
import { WitnessAnchor } from '../../src/anchor/witness.ts';
import { parseTrust } from '../../src/chain/trust.ts';
import { systemClock } from '../../src/clock.ts';
import type { AnchorSettings } from '../../src/config/anchors.ts';
import { parseSettings } from '../../src/config/settings.ts';
import { checkpointOf, ORIGIN } from '../support/anchors/checkpoints.ts';
import { TestLog } from '../support/anchors/log.ts';
import { KEY, REGION, S3Server } from '../support/anchors/s3-server.ts';
import { nobodyAt, serving } from '../support/anchors/server.ts';
import { opensslMissing } from '../support/anchors/tsa.ts';
import { Witness } from '../support/anchors/witness.ts';
import { temporaryFolder } from '../support/cli.ts';

const log = new TestLog();
const CA = 'test/golden/tsa/ca.pem';

/** A directory, a bucket and a witness, as a settings file names them. */
async function deployment() {
  const [store, witness] = [await S3Server.start(), await Witness.start([log.vkey])];
  const path = temporaryFolder();
  const text = `version: 1
anchors:
  - { kind: directory, name: worm, path: . }
  - { kind: s3, name: bucket, endpoint: '${store.url}', bucket: bucket, region: ${REGION}, lock: { mode: GOVERNANCE, days: 1 } }
  - { kind: witness, name: w1, url: '${witness.url}', monitor: '${witness.url}', vkey: '${witness.vkey}' }
`;
  const { anchors: settings } = parseSettings(text, `${path}/spanledger.yaml`);
  const env = { AWS_ACCESS_KEY_ID: KEY.accessKeyId, AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey };
  const { consistency } = log;
  return {
    store,
    witness,
    settings,
    anchors: openAnchors(settings, { env, clock: systemClock, consistency }),
  };
}

/** What a record gives back. */
const recorded = (receipt: Receipt): Receipt => parseReceipt(JSON.parse(JSON.stringify(receipt)))!;

describe('receipts', () => {
  it('of every anchor stand in a record, and fit what the anchor gives back', async () => {
    const { settings, anchors } = await deployment();
    const statuses: string[] = [];
    for (const anchor of anchors) {
      const receipt = recorded(await anchor.publish(log.checkpoint(42)));
      const check = await checkReceipt(receipt, settings);
      const reading = await readAnchored(anchor, { origin: ORIGIN, from: 42 });
      if (reading.status !== 'read') throw new Error(reading.why);
      const comparison = compareReceipt(receipt, reading.anchored);
      statuses.push(`${anchor.name} ${check.status} ${comparison.status}`);
      if (check.status === 'verified') expect(check.attested_at).toBe(receipt.attested_at);
      if (comparison.status === 'kept') expect(comparison.attested_at).toBe(receipt.attested_at);
    }
    expect(statuses).toEqual(['worm unproven kept', 'bucket unproven kept', 'w1 verified kept']);
  });

  it('are found missing, and not to fit, where an anchor was changed', async () => {
    const { store, anchors } = await deployment();
    for (const anchor of anchors) {
      const receipt = await anchor.publish(log.checkpoint(42));
      const reading = await readAnchored(anchor, { origin: ORIGIN });
      if (reading.status !== 'read') throw new Error(reading.why);
      const [held] = reading.anchored as [Anchored];
      const compared = (anchored: Anchored[]) => compareReceipt(receipt, anchored).status;
      const { note: _, ...hidden } = held;
      const fork = new TestLog({ salt: 'x' }).checkpoint(42).note;
      expect(compared([])).toBe(receipt.kind === 'witness' ? 'not_kept' : 'missing');
      expect(compared([{ ...held, anchor: 'another' }])).toBe(compared([]));
      expect(compared([hidden])).toBe(compared([]));
      expect(compared([{ ...held, note: fork }])).toBe('mismatch');
      expect(compared([{ ...held, note: 'no note' }])).toBe('mismatch');
      expect(compareReceipt({ ...receipt, size: 41 }, [held]).status).not.toBe('kept');
      expect(compareReceipt({ ...receipt, origin: 'another' }, [held]).status).toBe('mismatch');
    }
    // What the store still has below is there, whatever lies on it.
    const bucket = anchors[1]!;
    const receipt = await bucket.publish(log.checkpoint(7));
    const key = receipt.kind === 's3' ? receipt.proof.key : '';
    store.overwrite(key, 'altered');
    store.hide(key);
    expect(compareReceipt(receipt, await bucket.list({ origin: ORIGIN })).status).toBe('kept');
    store.purge(key);
    expect(compareReceipt(receipt, await bucket.list({ origin: ORIGIN })).status).toBe('missing');
  });

  it('of a witness that went back, or on, are told apart', async () => {
    const { anchors } = await deployment();
    const witness = anchors[2]!;
    const receipts = [await witness.publish(log.checkpoint(42)), await witness.publish(log.checkpoint(50))];
    const held = await witness.list({ origin: ORIGIN });
    expect(receipts.map((each) => compareReceipt(each, held).status)).toEqual(['not_kept', 'kept']);
    expect(compareReceipt({ ...receipts[1]!, size: 51 }, held).status).toBe('missing');
  });

  it('are believed of nobody but the anchors configured, by their keys', async () => {
    const { settings, anchors } = await deployment();
    const receipt = await anchors[2]!.publish(log.checkpoint(42));
    if (receipt.kind !== 'witness') throw new Error('it is a witness');
    const bad = async (each: Receipt, trusted: readonly AnchorSettings[] = settings) =>
      expect((await checkReceipt(each, trusted)).status).toBe('bad');
    await bad(receipt, []);
    await bad({ ...receipt, anchor: 'worm' });
    await bad({ ...receipt, size: 43 });
    await bad({ ...receipt, root: log.checkpoint(43).root });
    await bad({ ...receipt, origin: 'another' });
    await bad({ ...receipt, proof: { cosignatures: [] } });
    await bad({ ...receipt, proof: { cosignatures: ['no line'] } });
    const other = await Witness.start([log.vkey], { seed: 9 });
    await bad(receipt, [{ ...settings[2], vkey: other.vkey } as AnchorSettings]);
    const later = { ...receipt, attested_at: '2099-01-01T00:00:00.000000Z' };
    expect(await checkReceipt(later, settings)).toEqual({
      status: 'verified',
      attested_at: receipt.attested_at,
    });
  });

  it.skipIf(opensslMissing())(
    'of a timestamp authority are verified again from the token alone',
    async () => {
      const url = await serving(() => ({ status: 200, body: readFileSync('test/golden/tsa/granted.tsr') }));
      const settings: AnchorSettings = { kind: 'tsa', name: 'stamps', url, ca: CA, insecure: false };
      const random = () => Buffer.from('0102030405060708', 'hex');
      const receipt = recorded(await new TsaAnchor({ ...settings, random }).publish(checkpointOf(42)));
      if (receipt.kind !== 'tsa') throw new Error('it is an authority');
      expect(await checkReceipt(receipt, [settings])).toEqual({
        status: 'verified',
        attested_at: '2026-11-21T21:00:07.963000Z',
      });
      expect(compareReceipt(receipt, [])).toEqual({ status: 'not_kept' });
      expect(await checkReceipt(receipt, [settings], '/nowhere/openssl')).toEqual({
        status: 'unchecked',
        why: '/nowhere/openssl is not installed',
      });
      expect((await checkReceipt({ ...receipt, size: 43 }, [settings])).status).toBe('bad');
      const nonce = '4000000000000000';
      expect(
        (await checkReceipt({ ...receipt, proof: { ...receipt.proof, nonce } }, [settings])).status,
      ).toBe('bad');
      const token = Buffer.from(receipt.proof.token, 'base64');
      token[token.length - 1]! ^= 1;
      const forged = { ...receipt, proof: { ...receipt.proof, token: token.toString('base64') } };
      expect((await checkReceipt(forged, [settings])).status).toBe('bad');
    },
  );

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['another kind', { kind: 'toString' }],
    [
      'half of one',
      { anchor: 'a', kind: 'directory', origin: 'o', size: 1, root: 'ab'.repeat(32), proof: {} },
    ],
    ['no proof', { anchor: 'a', kind: 'witness', origin: 'o', size: 1, root: 'ab'.repeat(32) }],
    [
      'no root',
      { anchor: 'a', kind: 'witness', origin: 'o', size: 1, root: 'x', proof: { cosignatures: [] } },
    ],
    [
      'no size',
      {
        anchor: 'a',
        kind: 'witness',
        origin: 'o',
        size: -1,
        root: 'ab'.repeat(32),
        proof: { cosignatures: [] },
      },
    ],
    [
      'a number',
      {
        anchor: 'a',
        kind: 'witness',
        origin: 'o',
        size: 1,
        root: 'ab'.repeat(32),
        proof: { cosignatures: [1] },
      },
    ],
  ])('are not %s', (_, value) => {
    expect(parseReceipt(value)).toBeUndefined();
  });
});

it('a quorum is met by receipts of this checkpoint, by witnesses that are trusted', async () => {
  const { consistency } = log;
  const names = ['a', 'b', 'c'];
  const witnesses = await Promise.all(
    names.map((name, i) => Witness.start([log.vkey], { name: `witness.example/${name}`, seed: 20 + i })),
  );
  const receiptsOf = (size: number) =>
    Promise.all(
      witnesses.map(({ url, vkey }, i) =>
        new WitnessAnchor({ name: names[i]!, url, vkey, consistency }).publish(log.checkpoint(size)),
      ),
    );
  const lines = witnesses.map(({ vkey }, i) => `witness ${names[i]} ${vkey}\n`).join('');
  const trust = parseTrust(`log ${log.vkey}\n${lines}group two 2 a b c\nquorum two\n`);
  const older = await receiptsOf(41);
  const [a, b, c] = await receiptsOf(42);
  const { note } = log.checkpoint(42);
  expect(meetsQuorum(note, [], trust)).toBe(false);
  expect(meetsQuorum(note, [a!, a!], trust)).toBe(false);
  expect(meetsQuorum(note, [a!, ...older], trust)).toBe(false);
  expect(meetsQuorum(note, [a!, c!], trust)).toBe(true);
  const some = parseTrust(`log ${log.vkey}\nwitness a ${witnesses[0]!.vkey}\nquorum a\n`);
  expect(meetsQuorum(note, [b!, c!], some)).toBe(false);
  const forged = { ...a!, proof: { cosignatures: older[0]!.proof.cosignatures } };
  expect(() => meetsQuorum(note, [forged, b!, c!], trust)).toThrow('is bad');
  const stolen = parseTrust(`log ${new TestLog({ seed: 2 }).vkey}\n${lines}quorum none\n`);
  expect(() => meetsQuorum(note, [a!, b!, c!], stolen)).toThrow(/has signed it|is bad/);
});

it('an anchor that cannot be read says why, and does not throw', async () => {
  const settings: AnchorSettings = { kind: 'directory', name: 'worm', path: '/nowhere/at/all' };
  const surroundings = { env: {}, clock: systemClock, consistency: log.consistency };
  const [worm] = openAnchors([settings], surroundings);
  expect(await readAnchored(worm!, { origin: ORIGIN })).toEqual({
    anchor: 'worm',
    kind: 'directory',
    status: 'unread',
    code: 'anchor_unreachable',
    why: expect.stringContaining('/nowhere/at/all'),
  });
  const text = `version: 1\nanchors: [{ kind: s3, name: b, endpoint: '${await nobodyAt()}', bucket: abc }]`;
  const [bucket] = openAnchors(parseSettings(text, 'x.yaml').anchors, surroundings);
  expect(await readAnchored(bucket!, { origin: ORIGIN })).toMatchObject({
    status: 'unread',
    code: 'config_invalid',
  });
});
