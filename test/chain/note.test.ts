import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNote, signedNote, verifyNote } from '../../src/chain/note.ts';
import {
  formatPrivateKey,
  LocalSigner,
  parsePrivateKey,
  publicKeyOf,
  signEd25519,
  verifyEd25519,
} from '../../src/chain/signer.ts';
import { keyId, parseVkey, type Vkey, vkeyOf } from '../../src/chain/vkey.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { publicVectors } from '../support/vectors.ts';

/** The example of the C2SP signed-note specification. */
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const SIGNATURE =
  '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=';
const TEXT = 'This is an example message.\n';
const NOTE = `${TEXT}\n${SIGNATURE}\n`;

function refusal(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return error.code;
    throw error;
  }
}

const seeds = () => fc.uint8Array({ minLength: 32, maxLength: 32 });
const names = () => fc.stringMatching(/^[a-z0-9./é-]{1,30}$/).map((name) => name.normalize());

function signed(text: string, signers: readonly LocalSigner[]): string {
  return signedNote(
    text,
    signers.map((signer) => {
      const { name, id } = parseVkey(signer.vkey);
      return { name, keyId: id, blob: signer.signSync(Buffer.from(text)) };
    }),
  );
}
const keysOf = (signers: readonly LocalSigner[]) => signers.map(({ vkey }) => parseVkey(vkey));

describe('a signed note', () => {
  it('of the specification verifies', () => {
    expect(verifyNote(parseNote(NOTE), [parseVkey(VKEY)])).toEqual([{ vkey: parseVkey(VKEY) }]);
    expect(parseNote(Buffer.from(NOTE)).text).toBe(TEXT);
  });

  it('is read back as it was written, with up to 100 signatures', () => {
    const texts = fc.string({ unit: 'grapheme' }).map((text) => `${text.replaceAll(/\p{Cc}/gu, '\n')}\n`);
    const signatures = fc.array(
      fc.record({
        name: names(),
        keyId: fc.stringMatching(/^[0-9a-f]{8}$/),
        blob: fc.uint8Array({ minLength: 1, maxLength: 80 }).map((blob) => Buffer.from(blob)),
      }),
      { minLength: 1, maxLength: 100 },
    );
    fc.assert(
      fc.property(texts, signatures, (text, list) => {
        expect(parseNote(signedNote(text, list))).toEqual({ text, signatures: list });
      }),
    );
  });

  it('passes over signatures it does not know, also of unknown kinds, and takes 16 and more', () => {
    const many = Array.from({ length: 20 }, (_, i) => new LocalSigner(`k${i}`, Buffer.alloc(32, i + 1)));
    const note = signed(TEXT, many).replace(
      '\n\n',
      `\n\n— pq.example ${Buffer.alloc(2_424, 6).toString('base64')}\n— k0 AAAAAAA=\n`,
    );
    expect(verifyNote(parseNote(note), keysOf(many))).toHaveLength(20);
    expect(verifyNote(parseNote(note), keysOf(many.slice(3, 4)))).toHaveLength(1);
    expect(refusal(() => verifyNote(parseNote(note), [parseVkey(VKEY)]))).toBe('note_invalid');
    expect(refusal(() => verifyNote(parseNote(note), []))).toBe('note_invalid');
  });

  it('is refused whole for one bad signature of a known key, whatever else is good', () => {
    const [a, b] = [new LocalSigner('a', Buffer.alloc(32, 1)), new LocalSigner('b', Buffer.alloc(32, 2))];
    const { id } = parseVkey(b.vkey);
    for (const blob of [
      a.signSync(Buffer.from(TEXT)),
      b.signSync(Buffer.from('else')),
      Buffer.alloc(63),
      Buffer.alloc(1),
    ]) {
      const bad = { name: 'b', keyId: id, blob };
      const list = [...parseNote(signed(TEXT, [a])).signatures, bad];
      const note = parseNote(signedNote(TEXT, list));
      expect(refusal(() => verifyNote(note, keysOf([a, b])))).toBe('note_invalid');
      expect(verifyNote(note, keysOf([a]))).toHaveLength(1);
      const twice = parseNote(signedNote(TEXT, [...parseNote(signed(TEXT, [b])).signatures, bad]));
      expect(refusal(() => verifyNote(twice, keysOf([b])))).toBe('note_invalid');
    }
  });

  it('counts a key once, however often it signed', () => {
    const one = new LocalSigner('a', Buffer.alloc(32, 1));
    expect(verifyNote(parseNote(signed(TEXT, [one, one])), keysOf([one, one]))).toHaveLength(1);
  });

  it('is not judged by two keys of one name and id', () => {
    const real = parseVkey(VKEY);
    const twin: Vkey = { ...real, text: `${real.text}x` };
    expect(refusal(() => verifyNote(parseNote(NOTE), [real, twin]))).toBe('key_invalid');
  });

  it('is split at its last blank line', () => {
    const one = new LocalSigner('a', Buffer.alloc(32, 1));
    const note = signed('two\n\nparts\n', [one]);
    expect(parseNote(note).text).toBe('two\n\nparts\n');
    expect(verifyNote(parseNote(note), keysOf([one]))).toHaveLength(1);
  });

  it.each([
    ['no blank line', NOTE.replace('\n\n', '\n')],
    ['no signature', `${TEXT}\n`],
    ['no last line feed', NOTE.slice(0, -1)],
    ['a line feed more', `${NOTE}\n`],
    ['a hyphen', NOTE.replace('—', '-')],
    ['an en dash', NOTE.replace('—', '–')],
    ['two spaces', NOTE.replace('foo ', 'foo  ')],
    ['a plus in a name', NOTE.replace('/foo ', '+foo ')],
    ['a no-break space in a name', NOTE.replace('/foo', '\u00a0foo')],
    ['a next-line in a name', NOTE.replace('/foo', '\u0085foo')],
    ['no name', NOTE.replace('example.com/foo', '')],
    ['a tab', NOTE.replace('This is', 'This\tis')],
    ['a carriage return', NOTE.replace('.\n', '.\r\n')],
    ['a zero byte', NOTE.replace('is', '\0')],
    ['a lone surrogate', NOTE.replace('is', '\ud800')],
    ['no padding', NOTE.replace('aQM=', 'aQM')],
    ['pad bits', NOTE.replace('aQM=', 'aQN=')],
    ['the URL alphabet', NOTE.replace(/\S+\n$/, 'Uw2Q_k-8\n')],
    ['an id and no signature', NOTE.replace(/\S+\n$/, 'Uw2QOg==\n')],
    ['bytes that are not UTF-8', Buffer.from(NOTE).fill(0xff, 3, 4)],
    ['an overlong encoding', Buffer.concat([Buffer.of(0xc0, 0x8a), Buffer.from(NOTE)])],
    ['too many signatures', `${TEXT}\n${`${SIGNATURE}\n`.repeat(101)}`],
    ['too many bytes', `${'x'.repeat(1_000_000)}${NOTE}`],
    ['a byte order mark before its signature', NOTE.replace('—', '\ufeff—')],
    ['nothing', ''],
  ])('with %s is refused', (_, changed) => {
    expect(changed).not.toEqual(NOTE);
    expect(refusal(() => parseNote(changed))).toBe('note_invalid');
  });

  it('that is garbage is refused, with a code', () => {
    const lines = fc.array(fc.constantFrom(SIGNATURE, '', '—', '— a', 'text', '\ud800', '— a AAAAAAA='), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.uint8Array(),
          lines.map((each) => each.join('\n')),
        ),
        (any) => {
          expect([undefined, 'note_invalid']).toContain(refusal(() => parseNote(any)));
        },
      ),
    );
  });
});

describe('a public key', () => {
  it('as text is read back, with the id that its name, type and bytes have', () => {
    fc.assert(
      fc.property(names(), seeds(), fc.constantFrom(0x01 as const, 0x04 as const), (name, seed, type) => {
        const vkey = vkeyOf(name, type, publicKeyOf(seed));
        expect(parseVkey(vkey.text)).toEqual(vkey);
        expect(vkey.text).toBe(new LocalSigner(name, seed, type).vkey);
      }),
    );
    expect(parseVkey(VKEY)).toMatchObject({ name: 'example.com/foo', id: '530d903a', type: 1 });
  });

  const written = (name: string, type: number, key: Uint8Array) =>
    `${name}+${keyId(name, type, key)}+${Buffer.concat([Buffer.of(type), key]).toString('base64')}`;
  const key = publicKeyOf(Buffer.alloc(32, 9));

  it.each([
    ['another id', VKEY.replace('530d903a', '530d903b')],
    ['another name', VKEY.replace('foo', 'bar')],
    ['an id in capitals', VKEY.replace('530d903a', '530D903A')],
    ['a short id', VKEY.replace('530d903a', '530d903')],
    ['the URL alphabet', VKEY.replace('AekyeRrm', 'Ae-_eRrm')],
    ['a space', ` ${VKEY}`],
    ['a line feed', `${VKEY}\n`],
    ['31 bytes', written('n', 1, key.subarray(1))],
    ['33 bytes', written('n', 1, Buffer.concat([key, Buffer.of(0)]))],
    ['an ECDSA type', written('n', 2, key)],
    ['type 0', written('n', 0, key)],
    ['no name', written('', 1, key)],
    ['a space in its name', written('a b', 1, key)],
    ['a name in form NFD', written('e\u0301', 1, key)],
    ['an invisible character in its name', written('a\u200bb', 1, key)],
    ['no key', 'n+00000000+'],
    ['nothing', ''],
  ])('with %s is refused', (_, changed) => {
    expect(changed).not.toBe(VKEY);
    expect(refusal(() => parseVkey(changed))).toBe('key_invalid');
  });

  it('that is garbage is refused, with a code', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.stringMatching(/^.{0,9}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{0,48}$/),
        ),
        (any) => {
          expect(refusal(() => parseVkey(any))).toBe('key_invalid');
          expect(refusal(() => parsePrivateKey(`PRIVATE+KEY+${any}`))).toBe('key_invalid');
        },
      ),
    );
  });

  it('of small order is refused in each of its fourteen encodings', () => {
    const p = 2n ** 255n - 19n;
    const eighths = [
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    ].map((hex) => Buffer.from(hex, 'hex'));
    const littleEndian = (n: bigint) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse();
    const points = [...[0n, 1n, p - 1n, p, p + 1n].map(littleEndian), ...eighths];
    for (const point of points)
      for (const sign of [0, 0x80]) {
        const bytes = Buffer.from(point);
        bytes[31]! ^= sign;
        expect(
          refusal(() => parseVkey(written('n', 1, bytes))),
          bytes.toString('hex'),
        ).toBe('key_invalid');
      }
  });
});

describe('a private key', () => {
  it('as text is read back', () => {
    fc.assert(
      fc.property(names(), seeds(), (name, seed) => {
        const read = parsePrivateKey(formatPrivateKey(name, seed));
        expect(Buffer.from(read.seed)).toEqual(Buffer.from(seed));
        expect(read.vkey.text).toBe(new LocalSigner(name, seed).vkey);
      }),
    );
  });

  it('signs as RFC 8032 has it, section 7.1', () => {
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
    expect(Buffer.from(publicKeyOf(seed)).toString('hex')).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
    const signature = signEd25519(seed, Buffer.alloc(0));
    expect(Buffer.from(signature).toString('hex')).toMatch(
      /^e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155/,
    );
    expect(verifyEd25519(publicKeyOf(seed), Buffer.alloc(0), signature)).toBe(true);
    expect(verifyEd25519(publicKeyOf(seed), Buffer.alloc(1), signature)).toBe(false);
  });

  it('stands in no error about it', () => {
    const seed = Buffer.alloc(32, 0x5a);
    const text = formatPrivateKey('ledger', seed);
    for (const spoilt of [
      text.replace('ledger', 'other'),
      `${text}x`,
      text.slice(0, -3),
      text.toLowerCase(),
      text.replace('KEY+', 'KEY'),
    ])
      try {
        parsePrivateKey(spoilt);
        expect.unreachable();
      } catch (error) {
        expect(isSpanledgerError(error, 'key_invalid')).toBe(true);
        const said = `${(error as Error).stack} ${JSON.stringify(error)}`;
        expect(said).not.toContain(seed.toString('base64').slice(4, 24));
        expect(said).not.toContain(seed.toString('hex').slice(8, 24));
      }
    expect(refusal(() => new LocalSigner('n', seed.subarray(1)))).toBe('key_invalid');
  });
});

interface EdgeCase {
  number: number;
  key: string;
  sig: string;
  msg: string;
  flags: string[] | null;
}

describe('the edge cases of Ed25519', () => {
  const path = publicVectors('ed25519/ed25519vectors.json');

  it.skipIf(path === undefined)(
    'are refused with the key, where it is of small order or not canonical',
    () => {
      const cases = JSON.parse(readFileSync(path!, 'utf8')) as EdgeCase[];
      const accepted = new Map<string, number>();
      for (const { key, sig, msg, flags } of cases) {
        const bytes = Buffer.from(key, 'hex');
        const refused = refusal(() => vkeyOf('n', 1, bytes)) === 'key_invalid';
        const bad = flags?.some((flag) => flag === 'low_order_A' || flag === 'non_canonical_A') ?? false;
        expect(refused, key).toBe(bad);
        if (refused || !verifyEd25519(bytes, Buffer.from(msg), Buffer.from(sig, 'hex'))) continue;
        const kind = (flags ?? []).join(' ');
        accepted.set(kind, (accepted.get(kind) ?? 0) + 1);
      }
      // What remains is for the key's owner alone to make: points of mixed order, and R of small order.
      expect(accepted).toEqual(
        new Map([
          ['low_order_R low_order_component_R low_order_component_A', 35],
          ['low_order_component_R low_order_component_A', 35],
          ['low_order_R low_order_component_A', 7],
          ['low_order_component_A', 7],
          ['low_order_R', 1],
          ['', 1],
        ]),
      );
    },
  );
});
