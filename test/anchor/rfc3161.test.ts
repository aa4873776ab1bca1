import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dotted,
  element,
  elements,
  INTEGER,
  NoDer,
  OBJECT_IDENTIFIER,
  unsigned,
} from '../../src/anchor/der.ts';
import { nonceOf, parseReply, parseToken, timestampRequest } from '../../src/anchor/rfc3161.ts';
import { imprintOf } from '../../src/anchor/tsa.ts';
import { checkpointOf } from '../support/anchors/checkpoints.ts';

/** Replies of OpenSSL (test/golden/tsa/README.md). */
const golden = (name: string) => readFileSync(`test/golden/tsa/${name}.tsr`);
const NONCE = '4102030405060708';

function tokenOf(reply: Buffer): Buffer {
  const parsed = parseReply(reply);
  if (parsed.status !== 'granted') throw new Error(parsed.why);
  return parsed.token;
}

const der = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('a timestamp request', () => {
  it('is the one OpenSSL makes', () => {
    expect(timestampRequest('ab'.repeat(32), NONCE).toString('hex')).toBe(
      `30430201013031300d0609608648016503040201050004 20${'ab'.repeat(32)}0208${NONCE}0101ff`.replace(
        ' ',
        '',
      ),
    );
  });

  it('has a nonce of eight bytes, whatever was drawn', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (random) => {
        const nonce = nonceOf(random);
        expect(nonce).toMatch(/^[4-7][0-9a-f]{15}$/);
        expect(nonce.slice(2)).toBe(Buffer.from(random).toString('hex').slice(2));
      }),
    );
  });
});

describe('a timestamp reply', () => {
  it('says what was stamped, when and by which policy', () => {
    expect(parseToken(tokenOf(golden('granted')))).toEqual({
      imprint: imprintOf(checkpointOf(42)),
      nonce: NONCE,
      genTime: '2026-11-21T21:00:07.963000Z',
      policy: '1.3.6.1.4.1.13762.3',
      serial: '30',
    });
    expect(parseToken(tokenOf(golden('no-nonce')))).not.toHaveProperty('nonce');
  });

  it('holds its token byte for byte', () => {
    const reply = golden('granted');
    const token = tokenOf(reply);
    expect(reply.subarray(-token.length).equals(token)).toBe(true);
    expect(element(token, 0x30).whole.equals(token)).toBe(true);
  });

  it('that rejects says why, and whether to ask again', () => {
    expect(parseReply(golden('rejected'))).toEqual({
      status: 'rejected',
      why: 'status 2: badRequest, Bad request version.',
      isPassing: false,
    });
    // timeNotAvailable, bit 14
    expect(
      parseReply(
        der(
          '30 09 30 07 020102 0302 0000'
            .replace('0302 0000', '0303 0000 02')
            .replace('30 09 30 07', '30 0a 30 08'),
        ),
      ),
    ).toEqual({
      status: 'rejected',
      why: 'status 2: timeNotAvailable',
      isPassing: true,
    });
    expect(parseReply(der('3005 3003 020105'))).toMatchObject({ why: 'status 5' });
  });

  it('in which anything is cut off or exchanged is read otherwise or not at all, and never by chance', () => {
    const reply = golden('granted');
    const read = (bytes: Buffer) => {
      try {
        return JSON.stringify(parseToken(tokenOf(bytes)));
      } catch (error) {
        if (error instanceof NoDer || /^status/.test((error as Error).message)) return undefined;
        throw error;
      }
    };
    for (let length = 0; length < reply.length; length++)
      expect(read(reply.subarray(0, length))).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(reply.length - 1), fc.nat(255), (at, byte) => {
        const altered = Buffer.from(reply);
        altered[at] = byte;
        read(altered);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        read(Buffer.from(bytes));
      }),
    );
  });
});

describe('DER', () => {
  it.each([
    ['a length that is not definite', '30 80 0000'],
    ['a length longer than it need be', '30 81 01 00'],
    ['a length with a zero before', `30 82 0080 ${'00'.repeat(128)}`],
    ['a length beyond the end', '30 02 00'],
    ['a length of too many bytes', '30 84 00000001 00'],
    ['half a length', '30 82 01'],
    ['no length', '30'],
    ['a tag of several bytes', '1f 81 00 00'],
  ])('has not %s', (_, hex) => {
    expect(() => elements(der(hex))).toThrow(NoDer);
  });

  it('is one element where one belongs, of its tag', () => {
    expect(() => element(der('0201 01 0201 01'), INTEGER)).toThrow('2 elements');
    expect(() => element(der(''), INTEGER)).toThrow('0 elements');
    expect(() => element(der('0400'), INTEGER)).toThrow('tag 4 where tag 2 belongs');
  });

  it.each([
    ['020100', '00'],
    ['02017f', '7f'],
    ['02020080', '80'],
    ['0203010000', '010000'],
  ])('has the integer %s', (hex, value) => {
    expect(unsigned(element(der(hex), INTEGER))).toBe(value);
  });

  it.each(['0200', '0201ff', '0202007f', '02020000'])('has not the integer %s', (hex) => {
    expect(() => unsigned(element(der(hex), INTEGER))).toThrow(NoDer);
  });

  it.each([
    ['0603 2a8648', '1.2.840'],
    ['0600', undefined],
    ['0602 2a80', undefined],
    ['0603 2a8001', undefined],
    ['0603 550406', '2.5.4.6'],
    ['0601 7f', '2.47'],
    ['0609 608648016503040201', '2.16.840.1.101.3.4.2.1'],
  ])('has the object identifier %s', (hex, value) => {
    const read = () => dotted(element(der(hex), OBJECT_IDENTIFIER));
    if (value === undefined) expect(read).toThrow(NoDer);
    else expect(read()).toBe(value);
  });
});
