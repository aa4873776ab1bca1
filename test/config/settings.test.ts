import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { originOf, parseSettings, readSettings } from '../../src/config/settings.ts';
import { isSpanledgerError, type SpanledgerError } from '../../src/errors.ts';
import { temporaryFolder } from '../support/cli.ts';

const DEFAULTS = parseSettings('version: 1', 'x.yaml');

function mistakeIn(text: string): SpanledgerError {
  try {
    parseSettings(text, '/etc/spanledger.yaml');
  } catch (error) {
    if (isSpanledgerError(error, 'config_invalid')) return error;
    throw error;
  }
  throw new Error('nothing is wrong with it');
}

const digest = hash('sha256', 'a token');

describe('settings', () => {
  it('that are not there are the defaults, those that are named must be', () => {
    const path = join(temporaryFolder(), 'spanledger.yaml');
    expect(readSettings(path, true)).toEqual(DEFAULTS);
    expect(() => readSettings(path)).toThrow(/ENOENT/);
    expect(() => readSettings(temporaryFolder())).toThrow(/EISDIR/);
    writeFileSync(path, 'version: 1\nserve: {insecure: true}\n');
    expect(readSettings(path, true).serve.insecure).toBe(true);
  });

  it('in deploy/spanledger.yaml are the defaults, its examples too are settings', () => {
    const { serve, tokens } = readSettings('deploy/spanledger.yaml');
    const addresses = {
      otlp_listen: '127.0.0.1:4318',
      otlp_grpc_listen: '127.0.0.1:4317',
      admin_listen: '127.0.0.1:4319',
    };
    expect({ serve, tokens }).toEqual({
      serve: { ...DEFAULTS.serve, ...addresses },
      tokens: [],
    });
  });

  it('name files from their own folder', () => {
    const { serve } = parseSettings(
      'version: 1\nserve: {tls: {cert: a.pem, key: /k/b.key, client_ca: ../c.pem}}',
      '/etc/spanledger/spanledger.yaml',
    );
    const { anchors } = parseSettings(
      'version: 1\nanchors: [{kind: directory, name: a, path: d}, {kind: tsa, name: b, url: "https://b", ca: b.pem},' +
        ' {kind: s3, name: c, endpoint: "https://c", bucket: ccc, credentials_file: c}]',
      '/etc/spanledger/spanledger.yaml',
    );
    expect(anchors).toMatchObject([
      { path: '/etc/spanledger/d' },
      { ca: '/etc/spanledger/b.pem' },
      { credentials_file: '/etc/spanledger/c' },
    ]);
    expect(serve.tls).toEqual({
      cert: '/etc/spanledger/a.pem',
      key: '/k/b.key',
      client_ca: '/etc/c.pem',
    });
  });
});

describe('a mistake in the settings', () => {
  it.each<[string, string, RegExp]>([
    ['nothing', '', /version: /],
    ['no version', 'serve: {}', /version: /],
    ['another version', 'version: 2', /line 1, version: /],
    ['no YAML', 'version: 1\nserve: {', /line 2/],
    ['a list', '- version: 1', /line 1, the file: /],
    ['a text', 'version', /the file: /],
    ['two documents', 'version: 1\n---\nversion: 1', /multiple documents/],
    ['a key twice', 'version: 1\nserve: {}\nserve: {}', /line 3/],
    ['an unknown key', 'version: 1\nserve:\n  otlp_listn: 127.0.0.1:1\n', /line 3, serve: .*otlp_listn/],
    ['a key of all objects', 'version: 1\n__proto__: {insecure: true}\n', /line 2, __proto__: no name here/],
    ['an address', 'version: 1\nserve:\n  admin_listen: 4319\n', /line 3, serve.admin_listen: /],
    ['a text for yes', 'version: 1\nserve:\n  insecure: "yes"', /line 3, serve.insecure: /],
    ['half of TLS', 'version: 1\nserve:\n  tls:\n    cert: a', /line 4, serve.tls.key: /],
    [
      'a right',
      `version: 1\ntokens:\n  - {subject: a, sha256: ${digest}, rights: [write]}`,
      /line 3, tokens.0.rights.0: /,
    ],
    ['no right', `version: 1\ntokens:\n  - {subject: a, sha256: ${digest}, rights: []}`, /tokens.0.rights: /],
    [
      'the token itself',
      'version: 1\ntokens:\n  - {subject: a, sha256: secret, rights: [read]}',
      /line 3, tokens.0.sha256: it is the SHA-256/,
    ],
    [
      'the digest of nothing',
      `version: 1\ntokens:\n  - {subject: a, sha256: ${hash('sha256', '')}, rights: [admin]}`,
      /tokens.0.sha256: it is the SHA-256 of nothing/,
    ],
    [
      'a token twice',
      `version: 1\ntokens:\n  - {subject: a, sha256: ${digest}, rights: [read]}\n  - {subject: b, sha256: ${digest}, rights: [admin]}`,
      /tokens: two of them are the same/,
    ],
    [
      'a backend of another kind',
      'version: 1\nserve: {forward: {endpoint: "grpc://h:1"}}',
      /serve.forward.endpoint: /,
    ],
    [
      'a backend with a password',
      'version: 1\nserve: {forward: {endpoint: "http://u:p@h:1"}}',
      /serve.forward.endpoint: /,
    ],
    [
      'a backend with a query',
      'version: 1\nserve: {forward: {endpoint: "http://h:1/?a=b"}}',
      /serve.forward.endpoint: /,
    ],
    [
      'no header',
      'version: 1\nserve: {forward: {endpoint: "http://h:1", headers: {"a b": c}}}',
      /serve.forward.headers: /,
    ],
    ['no room', 'version: 1\nserve: {max_held_bytes: 0}', /serve.max_held_bytes: /],
    ['half a byte', 'version: 1\nserve: {max_held_bytes: 1.5}', /serve.max_held_bytes: /],
    ['an alias of nothing', 'version: 1\nserve: *nothing', /nothing/],
    ['itself', 'version: 1\nserve: &all\n  forward: {endpoint: "http://h:1", headers: *all}', /serve/],
  ])('(%s) is located', (_, text, says) => {
    const { message, hint } = mistakeIn(text);
    expect(message).toMatch(/^\/etc\/spanledger\.yaml:/);
    expect(message).toMatch(says);
    expect(hint).toMatch(/deploy\/spanledger\.yaml/);
  });

  it('does not hide another, nor tell a secret', () => {
    const { message } = mistakeIn(
      'version: 1\nserve: {x: 1}\ntokens: [{subject: a, sha256: hunter2, rights: []}]',
    );
    expect(message.split('; ').map((each) => each.split(',')[0])).toEqual([
      '/etc/spanledger.yaml: line 2',
      'line 3',
      'line 3',
    ]);
    expect(message).not.toContain('hunter2');
  });

  it.each([
    ['a file too large', () => `version: 1\n${'# \n'.repeat(400_000)}`],
    ['a file as large as may be', () => `version: 1\nx:\n${' - {a: b}\n'.repeat(25_000)}`],
    ['nesting', () => `version: 1\nserve: ${'['.repeat(200_000)}`],
    [
      'nesting in blocks',
      () =>
        `version: 1\nserve:\n${Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i + 1)}a:\n`).join('')}`,
    ],
    ['aliases of aliases', () => bomb(12, 10)],
    ['one alias often', () => `version: 1\nx: &x [1]\ny: [${'*x, '.repeat(100_000)}]`],
  ])('that is made to hang (%s) does not', (_, text) => {
    const began = performance.now();
    mistakeIn(text());
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('is told, whatever the text is', () => {
    const words = fc.constantFrom(
      'version',
      'serve',
      'tokens',
      '1',
      ': ',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '!!',
      '"',
      "'",
      '|',
      '\t',
      '---',
      '%',
      '<<: ',
      '__proto__',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string({ maxLength: 3 })), { maxLength: 30 }), (parts) => {
        try {
          parseSettings(parts.join(''), 'x.yaml');
        } catch (error) {
          expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Nine lists, each of ten of the one before: a billion ones. */
function bomb(depth: number, width: number): string {
  const lines = Array.from({ length: depth }, (_, i) => {
    const items = Array(width).fill(i === 0 ? '1' : `*a${i - 1}`);
    return `a${i}: &a${i} [${items.join(', ')}]`;
  });
  return `version: 1\n${lines.join('\n')}`;
}

describe('the origin', () => {
  const ledgerId = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';

  it('is made of the ledger’s id, unless the settings or the environment name it', () => {
    const named = parseSettings('version: 1\norigin: audit.example.org/clinic\n', 'a.yaml');
    expect(originOf(ledgerId, {}, {})).toBe(`spanledger.local/${ledgerId}`);
    expect(originOf(ledgerId, named, {})).toBe('audit.example.org/clinic');
    expect(originOf(ledgerId, named, { SPANLEDGER_ORIGIN: 'other.example' })).toBe('other.example');
  });

  it.each(['', 'two words', 'a+b', 'e\u0301', 'x'.repeat(129)])(
    'is no name that no key can have: %j',
    (origin) => {
      const text = `version: 1\norigin: ${JSON.stringify(origin)}\n`;
      expect(() => parseSettings(text, 'a.yaml')).toThrowError(/line 2, origin/);
      expect(() => originOf(ledgerId, {}, { SPANLEDGER_ORIGIN: origin })).toThrowError(/SPANLEDGER_ORIGIN/);
    },
  );
});
