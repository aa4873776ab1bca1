import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkpointText,
  cosign,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  signCheckpointSync,
  withSignatures,
} from '../../src/chain/checkpoint.ts';
import { EMPTY_ROOT } from '../../src/chain/merkle.ts';
import { cosignedMessage } from '../../src/chain/note.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { COSIGNATURE, parseVkey } from '../../src/chain/vkey.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { golden, publicVectors } from '../support/vectors.ts';

interface Golden {
  log_seed_hex: string;
  witness_seed_hex: string;
  log_vkey: string;
  witness_vkey: string;
  cosigned_message: string;
  signed_checkpoint: string;
}
const own = golden<Golden>('chain/checkpoint-cosigned.json');
const ORIGIN = 'ledger.example/test';
const TIME = 1_763_696_700;
const log = new LocalSigner(ORIGIN, Buffer.from(own.log_seed_hex, 'hex'));
const witness = new LocalSigner('witness.example/w1', Buffer.from(own.witness_seed_hex, 'hex'), COSIGNATURE);
const keys = [parseVkey(log.vkey), parseVkey(witness.vkey)];
const { size, root } = parseCheckpoint(own.signed_checkpoint);
const checkpoint = { origin: ORIGIN, size, root };

/** The code of the refusal, or undefined. Anything else thrown goes on. */
function refusal(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return error.code;
    throw error;
  }
}

describe('a checkpoint', () => {
  it('is byte for byte the golden one, from its seeds', async () => {
    expect(log.vkey).toBe(own.log_vkey);
    expect(witness.vkey).toBe(own.witness_vkey);
    const signed = signCheckpointSync(checkpoint, log);
    expect(await signCheckpoint(checkpoint, log)).toBe(signed);
    expect(cosignedMessage(checkpointText(checkpoint), TIME).toString()).toBe(own.cosigned_message);
    const cosigned = withSignatures(signed, [await cosign(signed, witness, TIME)]);
    expect(cosigned).toBe(own.signed_checkpoint);
    expect(withSignatures(cosigned, [await cosign(signed, witness, TIME)])).toBe(cosigned);
  });

  it('stands in SPEC.md', () => {
    const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
    for (const stated of [log.vkey, own.signed_checkpoint, EMPTY_ROOT]) expect(spec).toContain(stated);
  });

  it('opens with the keys that signed it, and tells the time of its witness', () => {
    const opened = openCheckpoint(own.signed_checkpoint, keys);
    expect(opened).toMatchObject({ origin: ORIGIN, size: 8n, extensions: [], log: { text: log.vkey } });
    expect(opened.signers.map(({ vkey, time }) => [vkey.name, time])).toEqual([
      [ORIGIN, undefined],
      ['witness.example/w1', TIME],
    ]);
    expect(openCheckpoint(Buffer.from(own.signed_checkpoint), [keys[0]!]).signers).toHaveLength(1);
  });

  it('is not opened by its witness alone, by another key of that name, or by a key that signed as something else', () => {
    const other = new LocalSigner(ORIGIN, Buffer.alloc(32, 3));
    const elsewhere = new LocalSigner('ledger.example/other', Buffer.from(own.log_seed_hex, 'hex'));
    const asWitness = new LocalSigner(ORIGIN, Buffer.from(own.log_seed_hex, 'hex'), COSIGNATURE);
    for (const wrong of [[], [keys[1]!], [other.vkey], [elsewhere.vkey], [asWitness.vkey]])
      expect(
        refusal(() =>
          openCheckpoint(
            own.signed_checkpoint,
            wrong.map((key) => (typeof key === 'string' ? parseVkey(key) : key)),
          ),
        ),
      ).toBe('note_invalid');
    expect(refusal(() => signCheckpointSync(checkpoint, elsewhere))).toBe('key_invalid');
    expect(refusal(() => signCheckpointSync(checkpoint, asWitness))).toBe('key_invalid');
  });

  it('is not opened with any one bit of it changed', () => {
    const bytes = Buffer.from(own.signed_checkpoint);
    let ignored = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      try {
        // A signature whose name or id changed is another's, and passed over: then one is missing.
        expect(openCheckpoint(changed, keys).signers).toHaveLength(1);
        ignored++;
      } catch (error) {
        expect(isSpanledgerError(error, 'note_invalid')).toBe(true);
      }
    }
    expect(ignored).toBeLessThan((witness.name.length + 8) * 8);
  });

  it('holds the size and root it was made of, up to 2^63 - 1', () => {
    const roots = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), roots, (n, bytes) => {
        const made = { origin: ORIGIN, size: n, root: Buffer.from(bytes).toString('hex') };
        expect(openCheckpoint(signCheckpointSync(made, log), keys)).toMatchObject(made);
      }),
    );
    const empty = { origin: ORIGIN, size: 0n, root: EMPTY_ROOT };
    expect(openCheckpoint(signCheckpointSync(empty, log), keys)).toMatchObject(empty);
  });

  it.each([
    ['no size', { size: -1n }],
    ['a size of 2^63', { size: 2n ** 63n }],
    ['a root in capitals', { root: root.toUpperCase() }],
    ['a short root', { root: root.slice(2) }],
    ['a root for no records', { size: 0n }],
    ['no origin', { origin: '' }],
    ['an origin of two lines', { origin: 'a\nb' }],
  ])('with %s is not written', (_, change) => {
    expect(refusal(() => checkpointText({ ...checkpoint, ...change }))).toBe('note_invalid');
  });

  const text = checkpointText(checkpoint);
  const line = own.signed_checkpoint.split('\n').at(-3)!;
  const base64 = text.split('\n')[2]!;

  it.each([
    ['a leading zero', text.replace('\n8\n', '\n08\n')],
    ['a sign', text.replace('\n8\n', '\n+8\n')],
    ['a size above 2^63', text.replace('\n8\n', '\n9223372036854775808\n')],
    ['a hexadecimal size', text.replace('\n8\n', '\n0x8\n')],
    ['a space', text.replace('\n8\n', '\n8 \n')],
    ['pad bits', text.replace('Qyg=', 'Qyh=')],
    ['no padding', text.replace('=', '')],
    ['the URL alphabet', text.replace('+', '-')],
    ['a root of 31 bytes', text.replace(base64, Buffer.alloc(31).toString('base64'))],
    ['a root of 33 bytes', text.replace(base64, Buffer.alloc(33).toString('base64'))],
    ['no origin', text.replace(ORIGIN, '')],
    ['two lines', `${ORIGIN}\n8\n`],
    ['a carriage return', text.replace('\n8\n', '\n8\r\n')],
    ['an empty line in its text', text.replace('\n8\n', '\n8\n\n')],
  ])('with %s is refused', (_, changed) => {
    expect(changed).not.toBe(text);
    expect(refusal(() => parseCheckpoint(`${changed}\n${line}\n`))).toBe('note_invalid');
  });

  it('keeps its further lines', () => {
    expect(parseCheckpoint(`${text}more\nlines\n\n${line}\n`).extensions).toEqual(['more', 'lines']);
  });

  it.skipIf(publicVectors('c2sp') === undefined)('of the specification is read', () => {
    const example = readFileSync(publicVectors('c2sp/checkpoint-cosigned-example.txt')!);
    const read = parseCheckpoint(example);
    expect(read).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163n });
    expect(read.note.signatures.map(({ name, blob }) => [name, blob.length])).toEqual([
      ['example.com/behind-the-sofa', 64],
      ['witness.example.com/w1', 72],
    ]);
  });
});
