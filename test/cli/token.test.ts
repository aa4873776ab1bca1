import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenCommand } from '../../src/cli/token.ts';
import { parseSettings } from '../../src/config/settings.ts';
import { codeOf } from '../support/ledger-kit.ts';

async function made(options: { subject: string; tenant?: string; rights: string }) {
  const lines: string[] = [];
  let document: unknown;
  const out = {
    json: false,
    line: (text: unknown = '') => void lines.push(String(text)),
    log: () => undefined,
    document: (value: unknown) => {
      document = value;
    },
  };
  await tokenCommand(options, out);
  return { lines, document: document as { token: string } };
}

describe('spanledger token', () => {
  it('prints a token once, and lines that know it by its digest, whoever holds it', async () => {
    const name = fc.string({ minLength: 1, maxLength: 100, unit: 'grapheme' });
    await fc.assert(
      fc.asyncProperty(name, fc.option(name, { nil: undefined }), async (subject, tenant) => {
        const { lines, document } = await made({
          subject,
          rights: 'ingest, read',
          ...(tenant === undefined ? {} : { tenant }),
        });
        const [token, ...yaml] = lines;
        expect(token).toBe(document.token);
        expect(token).toMatch(/^[\w-]{43}$/);
        const known = parseSettings(`version: 1\n${yaml.join('\n')}`, 'x').tokens;
        const entry = { subject, sha256: hash('sha256', token!), rights: ['ingest', 'read'] };
        expect(known).toEqual([tenant === undefined ? entry : { ...entry, tenant }]);
        expect(yaml.join('\n')).not.toContain(token);
      }),
    );
  });

  it('makes none that the settings would refuse', async () => {
    expect(await codeOf(() => made({ subject: 'a', rights: 'ingest,write' }))).toBe('usage_invalid');
    expect(await codeOf(() => made({ subject: 'a', rights: '' }))).toBe('usage_invalid');
    expect(await codeOf(() => made({ subject: '', rights: 'read' }))).toBe('config_invalid');
    expect(await codeOf(() => made({ subject: 'x'.repeat(257), rights: 'read' }))).toBe('config_invalid');
    expect(await codeOf(() => made({ subject: 'a', tenant: '', rights: 'read' }))).toBe('config_invalid');
  });
});
