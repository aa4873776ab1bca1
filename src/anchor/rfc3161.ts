import { fromMicroseconds } from '../record/time.ts';
import {
  BIT_STRING,
  context,
  type Der,
  dotted,
  element,
  elements,
  expect,
  GENERALIZED_TIME,
  INTEGER,
  NoDer,
  OBJECT_IDENTIFIER,
  OCTET_STRING,
  SEQUENCE,
  SET,
  UTF8_STRING,
  unsigned,
} from './der.ts';

const SHA256 = '2.16.840.1.101.3.4.2.1';
const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';

/** TimeStampReq version 1, SHA-256, 8 bytes of nonce, certReq: only the digest and the nonce differ. */
const BEFORE_DIGEST = Buffer.from('30430201013031300d060960864801650304020105000420', 'hex');
const BEFORE_NONCE = Buffer.from('0208', 'hex');
const CERT_REQ = Buffer.from('0101ff', 'hex');

/**
 * @param imprint a SHA-256, 64 hex digits
 * @param nonce 8 bytes in hex, as `nonceOf` makes them: a positive INTEGER of just so many
 */
export function timestampRequest(imprint: string, nonce: string): Buffer<ArrayBuffer> {
  const parts = [
    BEFORE_DIGEST,
    Buffer.from(imprint, 'hex'),
    BEFORE_NONCE,
    Buffer.from(nonce, 'hex'),
    CERT_REQ,
  ];
  return Buffer.concat(parts);
}

/** 62 of these 64 random bits: its sign is plus, and none of its bytes is left out. */
export function nonceOf(random: Uint8Array): string {
  const nonce = Buffer.from(random);
  nonce[0] = (nonce[0]! & 0x3f) | 0x40;
  return nonce.toString('hex');
}

export type Reply =
  | { status: 'granted'; token: Buffer }
  /** `isPassing`: its clock or its machine fails now, and may not later. */
  | { status: 'rejected'; why: string; isPassing: boolean };

/** PKIFailureInfo, by bit. */
const FAILURES: { [bit: number]: string } = {
  0: 'badAlg',
  2: 'badRequest',
  5: 'badDataFormat',
  14: 'timeNotAvailable',
  15: 'unacceptedPolicy',
  16: 'unacceptedExtension',
  17: 'addInfoNotAvailable',
  25: 'systemFailure',
};

/** TimeStampResp ::= SEQUENCE { status PKIStatusInfo, timeStampToken OPTIONAL }. @throws NoDer */
export function parseReply(bytes: Buffer): Reply {
  const [info, token, ...rest] = elements(element(bytes, SEQUENCE).content);
  if (rest.length > 0) throw new NoDer('more than a status and a token');
  const [status, ...told] = elements(expect(info, SEQUENCE).content);
  const number = unsigned(expect(status, INTEGER));
  // granted, grantedWithMods
  if (number === '00' || number === '01') return { status: 'granted', token: expect(token, SEQUENCE).whole };
  const texts = told.find(({ tag }) => tag === SEQUENCE);
  const words = texts === undefined ? [] : elements(texts.content).map((each) => expect(each, UTF8_STRING));
  const bits = told.find(({ tag }) => tag === BIT_STRING);
  const failures = bits === undefined ? [] : failuresIn(bits);
  const said = [...failures, ...words.map(({ content }) => content.toString('utf8'))].join(', ');
  return {
    status: 'rejected',
    why: `status ${Number.parseInt(number, 16)}${said === '' ? '' : `: ${said}`}`,
    isPassing: failures.includes('timeNotAvailable') || failures.includes('systemFailure'),
  };
}

function failuresIn({ content }: Der): string[] {
  const bits = [...content.subarray(1)].flatMap((byte) => [...byte.toString(2).padStart(8, '0')]);
  return bits.flatMap((bit, i) => (bit === '1' ? [FAILURES[i] ?? `failure ${i}`] : []));
}

/** What an authority says. Nothing of it is proven by reading it. */
export interface TstInfo {
  /** Hex. */
  imprint: string;
  /** Hex, absent where the token has none. */
  nonce?: string;
  /** RFC 3339, six decimals; what is finer is cut off. */
  genTime: string;
  policy: string;
  serial: string;
}

/**
 * The TSTInfo in a TimeStampToken: ContentInfo → SignedData → encapContentInfo.
 *
 * @throws NoDer, also for a token of another digest than SHA-256
 */
export function parseToken(token: Buffer): TstInfo {
  const [type, content] = elements(element(token, SEQUENCE).content);
  if (dotted(expect(type, OBJECT_IDENTIFIER)) !== SIGNED_DATA) throw new NoDer('no signed data');
  const signedData = element(expect(content, context(0)).content, SEQUENCE);
  const [version, algorithms, encapsulated] = elements(signedData.content);
  expect(version, INTEGER);
  expect(algorithms, SET);
  const [contentType, wrapped] = elements(expect(encapsulated, SEQUENCE).content);
  if (dotted(expect(contentType, OBJECT_IDENTIFIER)) !== TST_INFO) throw new NoDer('no timestamp');
  const info = element(expect(wrapped, context(0)).content, OCTET_STRING);
  return tstInfoIn(element(info.content, SEQUENCE));
}

function tstInfoIn({ content }: Der): TstInfo {
  const [version, policy, imprint, serial, genTime, ...more] = elements(content);
  if (unsigned(expect(version, INTEGER)) !== '01') throw new NoDer('a timestamp of another version');
  const [algorithm, digest, ...rest] = elements(expect(imprint, SEQUENCE).content);
  const [name] = elements(expect(algorithm, SEQUENCE).content);
  const hashed = expect(digest, OCTET_STRING).content;
  if (dotted(expect(name, OBJECT_IDENTIFIER)) !== SHA256 || hashed.length !== 32 || rest.length > 0)
    throw new NoDer('a timestamp of no SHA-256');
  // Between genTime and the nonce stand accuracy, a SEQUENCE, and ordering, a BOOLEAN.
  const nonce = more.find(({ tag }) => tag === INTEGER);
  return {
    imprint: hashed.toString('hex'),
    ...(nonce === undefined ? {} : { nonce: unsigned(nonce) }),
    genTime: timeIn(expect(genTime, GENERALIZED_TIME)),
    policy: dotted(expect(policy, OBJECT_IDENTIFIER)),
    serial: unsigned(expect(serial, INTEGER)),
  };
}

/** `YYYYMMDDhhmmss[.f…]Z`, the only form RFC 3161 allows. */
function timeIn({ content }: Der): string {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d*[1-9]))?Z$/.exec(content.toString('latin1'));
  if (match === null) throw new NoDer('a time that is none');
  const [, year, month, day, hour, minute, second, fraction = ''] = match;
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const time = Date.parse(text);
  // The 30th of February parses in no engine, or as another day.
  if (Number.isNaN(time) || new Date(time).toISOString() !== text) throw new NoDer('a time that is none');
  return fromMicroseconds(time * 1_000 + Number(fraction.slice(0, 6).padEnd(6, '0')));
}
