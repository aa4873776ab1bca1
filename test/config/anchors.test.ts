import { expect, it } from 'vitest';
import { LocalSigner } from '../../src/chain/signer.ts';
import { COSIGNATURE, ED25519 } from '../../src/chain/vkey.ts';
import { parseSettings } from '../../src/config/settings.ts';

const vkeyOf = (name: string, seed = 7, type: typeof COSIGNATURE | typeof ED25519 = COSIGNATURE) =>
  new LocalSigner(name, Buffer.alloc(32, seed), type).vkey;
const settingsOf = (...anchors: string[]) =>
  parseSettings(`version: 1\nanchors:\n${anchors.map((each) => `  - {${each}}\n`).join('')}`, 'x.yaml')
    .anchors;

const directory = 'kind: directory, name: d, path: /d';
const s3 = (more = '') => `kind: s3, name: b, bucket: abc, endpoint: "https://s3"${more}`;
const tsa = (url = 'https://tsa') => `kind: tsa, name: t, ca: /ca, url: "${url}"`;
const witness = (name: string, vkey: string, more = '') =>
  `kind: witness, name: ${name}, url: "https://w", vkey: "${vkey}"${more}`;

it('anchors have defaults', () => {
  expect(settingsOf(directory, s3(), tsa(), witness('w', vkeyOf('w')))).toEqual([
    { kind: 'directory', name: 'd', path: '/d' },
    {
      kind: 's3',
      name: 'b',
      bucket: 'abc',
      endpoint: 'https://s3',
      prefix: '',
      region: 'us-east-1',
      path_style: true,
      profile: 'default',
      insecure: false,
    },
    { kind: 'tsa', name: 't', url: 'https://tsa', ca: '/ca', insecure: false },
    { kind: 'witness', name: 'w', url: 'https://w', vkey: vkeyOf('w'), insecure: false },
  ]);
});

it.each([
  'http://127.0.0.1:9000',
  'http://127.9.9.9',
  'http://localhost/tsr',
  'http://[::1]:1',
  'https://anywhere.example/tsr',
])('an anchor at %s is reached safely', (url) => {
  expect(settingsOf(tsa(url))).toHaveLength(1);
});

it.each<[string, string[], RegExp]>([
  ['no kind', ['name: a'], /line 3, anchors.0/],
  ['another kind', ['kind: blockchain, name: a'], /line 3, anchors.0.kind: /],
  ['a setting of another kind', [`${directory}, url: "https://x"`], /anchors.0: .*url/],
  ['a name with white space', ['kind: directory, name: a b, path: /d'], /anchors.0.name: /],
  ['a name twice', [directory, tsa(), directory], /line 5, anchors.2.name: another anchor has this name/],
  ['a password', [tsa('https://me:secret@tsa')], /anchors.0.url: it takes no user/],
  ['http beyond this machine', [tsa('http://tsa.example')], /line 3, anchors.0.url: beyond this machine/],
  ['a name that begins like this machine', [tsa('http://127.evil.example')], /anchors.0.url: beyond/],
  ['http to read from', [witness('w', vkeyOf('w'), ', monitor: "http://w"')], /anchors.0.monitor: beyond/],
  ['a path of a bucket', [s3().replace('https://s3', 'https://s3/abc')], /endpoint: it takes no path/],
  ['a lock of no days', [s3(', lock: {mode: COMPLIANCE, days: 0}')], /anchors.0.lock.days: /],
  ['a lock of another mode', [s3(', lock: {mode: SOFT, days: 1}')], /anchors.0.lock.mode: /],
  ['a key that is none', [witness('w', 'w+00000000+AAAA')], /anchors.0.vkey: /],
  ['the key of a log', [witness('w', vkeyOf('w', 7, ED25519))], /anchors.0.vkey: it is no key of a witness/],
  [
    'one key under two names',
    [witness('w1', vkeyOf('one')), witness('w2', vkeyOf('two'))],
    /line 4, anchors.1.vkey: its public key is already that of w1/,
  ],
])('%s is a mistake of the settings, told with its place', (_, anchors, message) => {
  expect(() => settingsOf(...anchors)).toThrow(message);
  expect(() => settingsOf(...anchors)).not.toThrow(/secret/);
});
