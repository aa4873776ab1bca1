import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Anchor, textOf } from '../../src/anchor/anchor.ts';
import { parseReply, timestampRequest } from '../../src/anchor/rfc3161.ts';
import { TsaAnchor, type TsaOptions } from '../../src/anchor/tsa.ts';
import { checkpointOf, ORIGIN, refusalOf } from '../support/anchors/checkpoints.ts';
import { nobodyAt, type Said, serving } from '../support/anchors/server.ts';
import { opensslMissing, Tsa } from '../support/anchors/tsa.ts';
import { temporaryFolder } from '../support/cli.ts';

const golden = (name: string) => readFileSync(`test/golden/tsa/${name}.tsr`);
const CA = 'test/golden/tsa/ca.pem';
const NO_OPENSSL = '/nowhere/openssl';
const missing = opensslMissing();

function anchorAt(url: string, options: Partial<TsaOptions> = {}): TsaAnchor {
  return new TsaAnchor({ name: 'stamps', url, ca: CA, ...options });
}

/** One that answers with what an authority once said to the same nonce. */
async function replaying(said: Said | Buffer, options: Partial<TsaOptions> = {}): Promise<TsaAnchor> {
  const url = await serving(() => (Buffer.isBuffer(said) ? { status: 200, body: said } : said));
  return anchorAt(url, { random: () => Buffer.from('0102030405060708', 'hex'), ...options });
}

describe('a timestamp authority', () => {
  it.skipIf(missing)('attests the time by a token that the pinned root vouches for', async () => {
    const tsa = new Tsa();
    const anchor = anchorAt(await tsa.serve(), { ca: tsa.ca });
    const checkpoint = checkpointOf(42);
    const { origin, size, root } = checkpoint;
    const before = Date.now();
    const receipt = await anchor.publish(checkpoint);
    expect(receipt).toEqual({
      anchor: 'stamps',
      kind: 'tsa',
      origin,
      size,
      root,
      attested_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      proof: {
        token: expect.stringMatching(/^MI/),
        nonce: expect.stringMatching(/^[4-7][0-9a-f]{15}$/),
        policy: '1.3.6.1.4.1.13762.3',
        serial: '30',
      },
    });
    expect(Math.abs(Date.parse(receipt.attested_at!) - before)).toBeLessThan(60_000);
    expect(await (anchor as Anchor).list({ origin: ORIGIN })).toEqual([]);

    // A stranger checks it with OpenSSL and the checkpoint's text.
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'text'), textOf(checkpoint));
    writeFileSync(join(folder, 'token'), receipt.proof.token, 'base64');
    const args = [
      '-data',
      join(folder, 'text'),
      '-in',
      join(folder, 'token'),
      '-token_in',
      '-CAfile',
      tsa.ca,
    ];
    expect(
      execFileSync('openssl', ['ts', '-verify', ...args], { encoding: 'utf8', stdio: 'pipe' }),
    ).toContain('OK');
  });

  it.skipIf(missing)('is verified at the time of its token, when its certificate was valid', async () => {
    const anchor = await replaying(golden('granted'));
    expect((await anchor.publish(checkpointOf(42))).attested_at).toBe('2026-11-21T21:00:07.963000Z');
  });

  it('attests nothing where nobody can verify it', async () => {
    for (const options of [{ openssl: NO_OPENSSL }, { ca: '/nowhere/ca.pem' }]) {
      const receipt = await (await replaying(golden('granted'), options)).publish(checkpointOf(42));
      expect(receipt).not.toHaveProperty('attested_at');
      expect(receipt.proof.token).toMatch(/^MI/);
    }
  });
});

describe('a timestamp authority is not believed', () => {
  it.each([
    ['whose token is of another digest', golden('other-digest'), /of another digest/],
    ['whose token has no nonce', golden('no-nonce'), /has no nonce/],
    ['whose answer is no timestamp', Buffer.from('<html>Sign in</html>'), /is no timestamp/],
    ['whose answer goes on', Buffer.concat([golden('granted'), Buffer.of(0)]), /is no timestamp/],
    ['whose answer has no end', Buffer.alloc(1024 * 1024), /more than \d+ bytes/],
  ])('%s', async (_, reply, message) => {
    const anchor = await replaying(reply, { openssl: NO_OPENSSL });
    expect(await refusalOf(anchor.publish(checkpointOf(42)))).toMatchObject({
      code: 'anchor_mismatch',
      message: expect.stringMatching(message),
    });
  });

  it('whose token was made for another request', async () => {
    const anchor = await replaying(golden('granted'), { openssl: NO_OPENSSL, random: () => Buffer.alloc(8) });
    expect(await refusalOf(anchor.publish(checkpointOf(42)))).toMatchObject({
      code: 'anchor_mismatch',
      message: expect.stringContaining('another nonce'),
    });
  });

  describe.skipIf(missing)('', () => {
    it('whose root is not the pinned one', async () => {
      const [one, other] = [new Tsa(), new Tsa()];
      const refusal = await refusalOf(
        anchorAt(await one.serve(), { ca: other.ca }).publish(checkpointOf(42)),
      );
      expect(refusal).toMatchObject({
        code: 'anchor_mismatch',
        message: expect.stringContaining('does not verify'),
        hint: expect.stringContaining(other.ca),
      });
    });

    it('whose signature is of something else', async () => {
      const tsa = new Tsa();
      const lies = (reply: Buffer) => {
        const { token } = parseReply(reply) as { token: Buffer };
        const altered = Buffer.from(reply);
        // A year of genTime: what is signed stays well-formed.
        altered.write(
          '2099',
          altered.indexOf(String(new Date().getUTCFullYear()), altered.length - token.length),
        );
        return altered;
      };
      const refusal = await refusalOf(
        anchorAt(await tsa.serve(lies), { ca: tsa.ca }).publish(checkpointOf(42)),
      );
      expect(refusal).toMatchObject({ code: 'anchor_mismatch', message: expect.stringContaining('verify') });
    });

    it('whose certificate had ended by the time it says', async () => {
      const tsa = new Tsa('stamping', '20260101000000Z');
      await expect(
        tsa.serve().then((url) => anchorAt(url, { ca: tsa.ca }).publish(checkpointOf(42))),
      ).rejects.toMatchObject({ code: 'anchor_mismatch', message: expect.stringContaining('expired') });
    });
  });
});

describe('a timestamp authority that cannot', () => {
  it.each<[string, Said | Buffer, string]>([
    ['stamp this', golden('rejected'), 'anchor_refused'],
    ['stamp now', Buffer.from('300a300802010203030000 02'.replace(' ', ''), 'hex'), 'anchor_unreachable'],
    ['serve', { status: 503 }, 'anchor_unreachable'],
    ['be found there', { status: 404 }, 'anchor_refused'],
    ['be reached without a detour', { status: 302, headers: { location: '/' } }, 'anchor_refused'],
  ])('%s says so', async (_, said, code) => {
    const refusal = await refusalOf((await replaying(said)).publish(checkpointOf(42)));
    expect(refusal.code).toBe(code);
    expect(refusal.message).toContain('anchor stamps');
  });

  it('be reached, or is slow, says so', async () => {
    expect((await refusalOf(anchorAt(await nobodyAt()).publish(checkpointOf(42)))).code).toBe(
      'anchor_unreachable',
    );
    const slow = anchorAt(await serving(() => 'never'), { timeLimitMs: 100 });
    expect((await refusalOf(slow.publish(checkpointOf(42)))).code).toBe('anchor_unreachable');
  });

  it('is asked for the digest of the text, and nothing else', async () => {
    let asked: Buffer = Buffer.alloc(0);
    const url = await serving((_, body) => {
      asked = body;
      return { status: 503 };
    });
    await refusalOf(anchorAt(url).publish(checkpointOf(42)));
    const empty = timestampRequest('00'.repeat(32), '40'.padEnd(16, '0'));
    expect(asked).toHaveLength(empty.length);
    expect(asked.subarray(0, 24)).toEqual(empty.subarray(0, 24));
  });
});
