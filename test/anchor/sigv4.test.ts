import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encode, type Signable, signed } from '../../src/anchor/sigv4.ts';

const NOTHING = hash('sha256', '');
const at = (time: string) => Date.parse(time) * 1_000;
const signatureOf = (headers: { [name: string]: string }) =>
  /Signature=(\w+)$/.exec(headers.authorization!)![1];

describe('AWS Signature Version 4', () => {
  // "Authenticating Requests: Using the Authorization Header", in the S3 API reference.
  it.each<[string, Partial<Signable>, string]>([
    [
      'GET of a range',
      { path: '/test.txt', headers: { range: 'bytes=0-9', 'x-amz-content-sha256': NOTHING } },
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'PUT',
      {
        method: 'PUT',
        path: `/${encode('test$file.text')}`,
        headers: {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-content-sha256': hash('sha256', 'Welcome to Amazon S3.'),
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        },
        payload: hash('sha256', 'Welcome to Amazon S3.'),
      },
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ],
    [
      'a query without a value',
      { query: [['lifecycle', '']] },
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'a list, whatever the order of its query',
      {
        query: [
          ['prefix', 'J'],
          ['max-keys', '2'],
        ],
      },
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('is as AWS published it for %s', (_, request, signature) => {
    const headers = signed(
      {
        method: 'GET',
        host: 'examplebucket.s3.amazonaws.com',
        path: '/',
        query: [],
        headers: { 'x-amz-content-sha256': NOTHING },
        payload: NOTHING,
        ...request,
      },
      { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
      { region: 'us-east-1', service: 's3', now: at('2013-05-24T00:00:00Z') },
    );
    expect(signatureOf(headers)).toBe(signature);
  });

  it('is as in the published test suite (get-vanilla)', () => {
    const headers = signed(
      { method: 'GET', host: 'example.amazonaws.com', path: '/', query: [], headers: {}, payload: NOTHING },
      { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
      { region: 'us-east-1', service: 'service', now: at('2015-08-30T12:36:00Z') },
    );
    expect(headers.authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, ' +
        'Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    );
  });

  it('signs the token of a session with the rest', () => {
    const headers = signed(
      { method: 'GET', host: 'h', path: '/', query: [], headers: {}, payload: NOTHING },
      { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: 'T' },
      { region: 'r', service: 's3', now: 0 },
    );
    expect(headers).toMatchObject({ 'x-amz-security-token': 'T', 'x-amz-date': '19700101T000000Z' });
    expect(headers.authorization).toContain('SignedHeaders=host;x-amz-date;x-amz-security-token,');
  });

  it('encodes what RFC 3986 does not leave alone', () => {
    expect(encode("a/b c~d!'()*+é", '/')).toBe('a/b%20c~d%21%27%28%29%2A%2B%C3%A9');
    expect(encode('a/b')).toBe('a%2Fb');
  });
});
