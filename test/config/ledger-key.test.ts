import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatPrivateKey, LocalSigner, verifyEd25519 } from '../../src/chain/signer.ts';
import { parseVkey } from '../../src/chain/vkey.ts';
import { type Layout, layoutOf } from '../../src/config/layout.ts';
import {
  createLedgerKey,
  type LedgerKeySource,
  ledgerSigner,
  nextLedgerKey,
  settleLedgerKey,
  trustAlso,
} from '../../src/config/ledger-key.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { temporaryFolder } from '../support/cli.ts';

const ORIGIN = 'spanledger.local/test';
const SEED = Buffer.alloc(32, 9);
const local = new LocalSigner(ORIGIN, SEED);
const source = (more: Partial<LedgerKeySource> = {}): LedgerKeySource => ({
  origin: ORIGIN,
  env: {},
  keys: {},
  ...more,
});
const MESSAGE = Buffer.from('a message\nwith \xff bytes\0', 'latin1');

/** A key service: signs stdin with the key of a seed, and does what else is asked of it. */
const service = (seed: Buffer, then = 'process.stdout.write(answer)') => [
  process.execPath,
  '-e',
  `const { createPrivateKey, sign } = require('node:crypto');
   const key = createPrivateKey({ key: Buffer.from('302e020100300506032b657004220420${seed.toString('hex')}', 'hex'), format: 'der', type: 'pkcs8' });
   const answer = sign(null, require('node:fs').readFileSync(0), key).toString('base64') + '\\n';
   ${then}`,
];

async function errorOf(work: () => unknown) {
  try {
    await work();
  } catch (error) {
    if (isSpanledgerError(error)) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe("the ledger's key", () => {
  it('is made once, for its owner only, with the trust file that names it', async () => {
    const layout = layoutOf(join(temporaryFolder(), 'new'));
    expect(createLedgerKey(layout, source())).toEqual([layout.ledgerKeyFile, layout.trustFile]);
    expect(statSync(layout.ledgerKeyFile).mode & 0o777).toBe(0o600);
    const key = readFileSync(layout.ledgerKeyFile, 'utf8');
    const { vkey } = ledgerSigner(layout, source());
    expect(readFileSync(layout.trustFile, 'utf8')).toBe(`${vkey}\n`);
    expect(createLedgerKey(layout, source())).toEqual([]);
    expect(readFileSync(layout.ledgerKeyFile, 'utf8')).toBe(key);
    trustAlso(layout, vkey);
    trustAlso(layout, local.vkey);
    expect(readFileSync(layout.trustFile, 'utf8')).toBe(`${vkey}\n${local.vkey}\n`);
  });

  it('is refused where others may read it, with the remedy, and nothing of it is told', async () => {
    const layout = layoutOf(temporaryFolder());
    createLedgerKey(layout, source());
    const secret = readFileSync(layout.ledgerKeyFile, 'utf8').trim();
    chmodSync(layout.ledgerKeyFile, 0o640);
    const open = await errorOf(() => ledgerSigner(layout, source()));
    expect([open.code, open.hint]).toEqual(['config_invalid', `chmod 600 ${layout.ledgerKeyFile}`]);
    chmodSync(layout.ledgerKeyFile, 0o600);
    for (const text of [secret.slice(0, -3), `${secret}x`, 'nonsense', '']) {
      writeFileSync(layout.ledgerKeyFile, text);
      const error = await errorOf(() => ledgerSigner(layout, source()));
      expect(error.code).toBe('key_invalid');
      expect(`${error.message}${error.hint}${error.stack}`).not.toContain(secret.slice(-20, -4));
    }
  });

  it('signs from the environment before the command before the file', async () => {
    const layout = layoutOf(temporaryFolder());
    createLedgerKey(layout, source());
    const env = { SPANLEDGER_LEDGER_KEY: `${formatPrivateKey(ORIGIN, SEED)}\n` };
    const other = new LocalSigner(ORIGIN, Buffer.alloc(32, 10));
    const keys = { ledger_command: service(Buffer.alloc(32, 10)), ledger_vkey: other.vkey };
    expect(ledgerSigner(layout, source({ env, keys })).vkey).toBe(local.vkey);
    const signer = ledgerSigner(layout, source({ keys }));
    expect(signer.vkey).toBe(other.vkey);
    const signature = await signer.sign(MESSAGE);
    expect(verifyEd25519(parseVkey(other.vkey).publicKey, MESSAGE, signature)).toBe(true);
  });

  it('makes no key where it is elsewhere, and still says whom to trust', () => {
    const layout = layoutOf(temporaryFolder());
    const env = { SPANLEDGER_LEDGER_KEY: formatPrivateKey(ORIGIN, SEED) };
    expect(createLedgerKey(layout, source({ env }))).toEqual([layout.trustFile]);
    expect(existsSync(layout.ledgerKeyFile)).toBe(false);
    expect(readFileSync(layout.trustFile, 'utf8')).toBe(`${local.vkey}\n`);
  });

  it.each([
    ['another key', service(Buffer.alloc(32, 10)), /signs with another key/],
    ['no signature', [process.execPath, '-e', 'console.log("hello?")'], /no base64/],
    ['nothing', [process.execPath, '-e', ''], /signs with another key|no base64/],
    ['its own failure', service(SEED, 'console.error("secret"); process.exit(3)'), /exit 3/],
    [
      'an endless answer',
      [process.execPath, '-e', 'for (;;) process.stdout.write("x".repeat(9999))'],
      /SIGTERM|EPIPE/,
    ],
    ['a program that is not there', ['/nowhere/kms'], /ENOENT/],
  ])('does not pass on %s of a command', async (_, ledger_command, why) => {
    const keys = { ledger_command, ledger_vkey: local.vkey };
    const signer = ledgerSigner(layoutOf('/nowhere'), source({ keys }));
    const error = await errorOf(() => signer.sign(MESSAGE));
    expect(error.code).toBe('key_unavailable');
    expect(error.message).toMatch(why);
    expect(error.message).not.toContain('secret');
  });

  it('must be called as the origin of its checkpoints', async () => {
    const env = { SPANLEDGER_LEDGER_KEY: formatPrivateKey('somebody.else', SEED) };
    const error = await errorOf(() => ledgerSigner(layoutOf('/nowhere'), source({ env })));
    expect(error.code).toBe('key_invalid');
    expect(error.hint).toContain('origin: somebody.else');
  });
});

describe('a rotation cut short', () => {
  const files = (layout: Layout) =>
    readdirSync(dirname(layout.ledgerKeyFile)).map((name) => [
      name,
      readFileSync(join(dirname(layout.ledgerKeyFile), name), 'utf8'),
    ]);

  it.each(['kept', 'destroyed'] as const)(
    'is undone before it was decided, and completed after, the old key %s',
    (old) => {
      const layout = layoutOf(temporaryFolder());
      createLedgerKey(layout, source());
      const [before, text] = [
        ledgerSigner(layout, source()).vkey,
        readFileSync(layout.ledgerKeyFile, 'utf8'),
      ];
      const at = files(layout);
      nextLedgerKey(layout, ORIGIN, old);
      settleLedgerKey(layout, ORIGIN, before);
      expect(files(layout)).toEqual(at);

      const next = nextLedgerKey(layout, ORIGIN, old);
      // Begun again, it is the same.
      expect(nextLedgerKey(layout, ORIGIN, old).vkey).toBe(next.vkey);
      const copies = join(temporaryFolder(), 'decided');
      cpSync(layout.dir, copies, { recursive: true });
      const done = () => {
        settleLedgerKey(layout, ORIGIN, next.vkey);
        return [ledgerSigner(layout, source()).vkey, readFileSync(layout.trustFile, 'utf8'), files(layout)];
      };
      const whole = done();
      expect(whole.slice(0, 2)).toEqual([next.vkey, `${before}\n${next.vkey}\n`]);
      expect(done()).toEqual(whole);
      const rest = files(layout).filter(([name]) => name !== 'ledger');
      expect(rest).toEqual(old === 'kept' ? [[`ledger.${parseVkey(before).id}.retired`, text]] : []);
      // Cut between any two of its steps: the trust file was written, the old key put aside or overwritten.
      const cut = layoutOf(copies);
      trustAlso(cut, next.vkey);
      if (old === 'kept') linkSync(cut.ledgerKeyFile, `${cut.ledgerKeyFile}.${parseVkey(before).id}.retired`);
      else writeFileSync(cut.ledgerKeyFile, Buffer.alloc(10));
      settleLedgerKey(cut, ORIGIN, next.vkey);
      expect([ledgerSigner(cut, source()).vkey, readFileSync(cut.trustFile, 'utf8'), files(cut)]).toEqual(
        whole,
      );
    },
  );
});
