import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Checkpoint, folderOf, textOf } from '../../src/anchor/anchor.ts';
import { WitnessAnchor, type WitnessOptions } from '../../src/anchor/witness.ts';
import { cosign } from '../../src/chain/checkpoint.ts';
import { parseSignature, signatureLine, verifyNote } from '../../src/chain/note.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { COSIGNATURE, parseVkey } from '../../src/chain/vkey.ts';
import { ORIGIN, refusalOf } from '../support/anchors/checkpoints.ts';
import { TestLog } from '../support/anchors/log.ts';
import { nobodyAt, type Said, serving } from '../support/anchors/server.ts';
import { Witness } from '../support/anchors/witness.ts';

const log = new TestLog();

function anchorAt({ url, vkey }: { url: string; vkey: string }, options: Partial<WitnessOptions> = {}) {
  const { consistency } = log;
  return new WitnessAnchor({ name: 'w1', url, vkey, monitor: url, consistency, ...options });
}

async function witnessed(options: Partial<WitnessOptions> = {}) {
  const witness = await Witness.start([log.vkey]);
  return { witness, anchor: anchorAt(witness, options) };
}

describe('a witness', () => {
  it('attests the time by a cosignature over the text', async () => {
    const { witness, anchor } = await witnessed();
    const checkpoint = log.checkpoint(42);
    const { origin, size, root } = checkpoint;
    const receipt = await anchor.publish(checkpoint);
    expect(receipt).toEqual({
      anchor: 'w1',
      kind: 'witness',
      origin,
      size,
      root,
      attested_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$/),
      proof: { cosignatures: [expect.stringMatching(/^\u2014 witness\.example\/w1 \S+$/)] },
    });
    const signatures = receipt.proof.cosignatures.map(parseSignature);
    const [signed] = verifyNote({ text: textOf(checkpoint), signatures }, [parseVkey(witness.vkey)]);
    expect(signed!.time! * 1_000).toBe(Date.parse(receipt.attested_at!));
  });

  it('is shown that each checkpoint continues the one it has seen', async () => {
    const { witness, anchor } = await witnessed();
    for (const size of [1, 2, 64, 65, 257, 300]) await anchor.publish(log.checkpoint(size));
    expect(witness.asked).toEqual([0, 1, 2, 64, 65, 257].map((old) => `old ${old}`));
    // Another process of ours knows nothing, and asks once more.
    await anchorAt(witness).publish(log.checkpoint(300));
    expect(witness.asked.slice(6)).toEqual(['old 0', 'old 300']);
  });

  it('remembers what it has seen when it is started again', async () => {
    const { witness, anchor } = await witnessed();
    await anchor.publish(log.checkpoint(100));
    const again = await Witness.start([log.vkey], { folder: witness.folder });
    const fork = new TestLog({ salt: 'another history' });
    const refusal = await refusalOf(
      anchorAt(again, { consistency: fork.consistency }).publish(fork.checkpoint(200)),
    );
    expect(refusal.code).toBe('anchor_refused');
    await anchorAt(again).publish(log.checkpoint(200));
  });

  it('signs the same checkpoint again', async () => {
    const { anchor } = await witnessed();
    await anchor.publish(log.checkpoint(100));
    expect(await anchor.publish(log.checkpoint(100))).toMatchObject({ size: 100 });
  });

  it('lists the newest checkpoint it has seen', async () => {
    const { witness, anchor } = await witnessed();
    expect(await anchor.list({ origin: ORIGIN })).toEqual([]);
    for (const size of [5, 9]) await anchor.publish(log.checkpoint(size));
    const [seen, ...more] = await anchor.list({ origin: ORIGIN });
    expect(more).toEqual([]);
    expect(seen).toMatchObject({
      anchor: 'w1',
      kind: 'witness',
      place: `${witness.url}/${folderOf(ORIGIN)}/checkpoint`,
      note: expect.stringContaining(textOf(log.checkpoint(9))),
      attested_at: expect.stringMatching(/Z$/),
    });
    writeFileSync(join(witness.folder, folderOf(ORIGIN)), log.checkpoint(5).note);
    expect((await anchor.list({ origin: ORIGIN }))[0]).not.toHaveProperty('attested_at');
    expect(await anchorAt(witness, { monitor: undefined }).list({ origin: ORIGIN })).toEqual([]);
  });
});

describe('a witness refuses', () => {
  const fork = new TestLog({ salt: 'another history' });

  it.each<[string, Checkpoint, RegExp, RegExp]>([
    [
      'an older checkpoint than it has seen',
      log.checkpoint(50),
      /seen this ledger at size 100, beyond 50/,
      /restored/,
    ],
    ['another one of that size', fork.checkpoint(100), /does not continue/, /rebuilt/],
    ['one that does not continue', fork.checkpoint(200), /does not continue/, /verify/],
    ['one by another key', new TestLog({ seed: 2 }).checkpoint(200), /no key that signed/, /public key/],
    [
      'one of another ledger',
      new TestLog({ origin: 'other' }).checkpoint(3),
      /does not know the log other/,
      /operator/,
    ],
  ])('%s', async (_, checkpoint, message, hint) => {
    const { anchor } = await witnessed();
    await anchor.publish(log.checkpoint(100));
    expect(await refusalOf(anchor.publish(checkpoint))).toMatchObject({
      code: 'anchor_refused',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    await anchor.publish(log.checkpoint(101));
  });
});

describe('a witness is not believed', () => {
  const other = new LocalSigner('witness.example/w1', Buffer.alloc(32, 8), COSIGNATURE);
  const own = new LocalSigner('witness.example/w1', Buffer.alloc(32, 7), COSIGNATURE);
  const by = async (signer: LocalSigner, checkpoint: Checkpoint, time = 1_700_000_000): Promise<Said> => ({
    status: 200,
    body: `${signatureLine(await cosign(checkpoint.note, signer, time))}\n`,
  });
  const forged = async (): Promise<Said> => {
    const { blob } = await cosign(log.checkpoint(42).note, other, 1);
    const { name, id } = parseVkey(own.vkey);
    return { status: 200, body: `${signatureLine({ name, keyId: id, blob })}\n` };
  };

  it.each<[string, () => Promise<Said> | Said]>([
    ['that signs with another key', () => by(other, log.checkpoint(42))],
    ['that signs with another key under its id', forged],
    ['that signs another checkpoint', () => by(own, log.checkpoint(43))],
    ['that signs for no time', () => by(own, log.checkpoint(42), 0)],
    ['that answers with nothing', () => ({ status: 200, body: '' })],
    ['that answers with an empty line', () => ({ status: 200, body: '\n' })],
    ['that answers with a page', () => ({ status: 200, body: '<html>\n' })],
    ['that answers with half a line', () => ({ status: 200, body: '\u2014 witness.example/w1 AAAA' })],
    ['that answers without end', () => ({ status: 200, body: 'x'.repeat(1024 * 1024) })],
    ['that tells no size', () => ({ status: 409, body: '7\n' })],
    [
      'that tells a size that is none',
      () => ({ status: 409, headers: { 'content-type': 'text/x.tlog.size' }, body: '-1' }),
    ],
  ])('%s', async (_, said) => {
    const url = await serving(said);
    const refusal = await refusalOf(anchorAt({ url, vkey: own.vkey }).publish(log.checkpoint(42)));
    expect(refusal.code).toBe('anchor_mismatch');
  });

  it('beside others: their lines count for nothing', async () => {
    const { witness, anchor } = await witnessed();
    witness.lies = (said) => ({
      ...said,
      body: `\u2014 somebody/else ${Buffer.alloc(76).toString('base64')}\n${said.body as string}`,
    });
    const { proof } = await anchor.publish(log.checkpoint(42));
    expect(proof.cosignatures).toHaveLength(1);
    expect(proof.cosignatures[0]).toContain('witness.example/w1');
  });
});

describe('a witness that cannot', () => {
  it.each<[Said, string]>([
    [{ status: 500 }, 'anchor_unreachable'],
    [{ status: 429 }, 'anchor_unreachable'],
    [{ status: 400 }, 'anchor_refused'],
    [{ status: 307, headers: { location: '/elsewhere' } }, 'anchor_refused'],
    [{ status: 409, headers: { 'content-type': 'text/x.tlog.size' }, body: '7\n' }, 'anchor_unreachable'],
  ])('answer but with %j says so', async (said, code) => {
    const { witness, anchor } = await witnessed();
    witness.lies = () => said;
    expect((await refusalOf(anchor.publish(log.checkpoint(42)))).code).toBe(code);
    witness.lies = (answer) => answer;
    await anchor.publish(log.checkpoint(42));
  });

  it('be reached, or is slow, says so', async () => {
    const { witness, anchor } = await witnessed({ timeLimitMs: 100 });
    witness.lies = () => 'never';
    expect((await refusalOf(anchor.publish(log.checkpoint(42)))).code).toBe('anchor_unreachable');
    const down = anchorAt({ url: await nobodyAt(), vkey: witness.vkey });
    expect((await refusalOf(down.publish(log.checkpoint(42)))).code).toBe('anchor_unreachable');
  });
});
