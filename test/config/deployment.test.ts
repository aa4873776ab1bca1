import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  createDeployment,
  type Deployment,
  type Environment,
  openDeployment,
} from '../../src/config/deployment.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { writeMasterKeys } from '../../src/config/master-keys.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import type { MasterKey } from '../../src/policy/keyring.ts';
import { journalChild } from '../support/child.ts';
import { codeOf, fileFolder } from '../support/ledger-kit.ts';

const folder = fileFolder();
let made = 0;
const newDir = () => join(folder, `ledger-${made++}`);
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
const ID = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
const KEY = `k2 ${Buffer.alloc(32, 9).toString('base64url')}`;
const lineOf = ({ id, secret }: MasterKey) => `${id} ${Buffer.from(secret).toString('base64url')}`;
const line = (id: number, byte = id) => lineOf({ id: `k${id}`, secret: Buffer.alloc(32, byte) });
/** The one that writes. */
const key = ({ master }: Deployment) => lineOf(master.at(-1)!);

describe('making a deployment', () => {
  it.each([0o022, 0o000, 0o077])('is for its owner only, under umask %s', (umask) => {
    const before = process.umask(umask);
    onTestFinished(() => void process.umask(before));
    const dir = join(newDir(), 'deeper');
    const { layout, ledgerId, master } = createDeployment(dir, {});
    expect(ledgerId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(master).toHaveLength(1);
    expect(master[0]!.secret).toHaveLength(32);
    for (const path of [join(dir, '..'), dir, join(dir, 'keys')]) expect(mode(path), path).toBe('700');
    for (const path of [layout.ledgerFile, layout.masterKeyFile]) expect(mode(path), path).toBe('600');
    expect(readdirSync(dir).sort()).toEqual(['keys', 'ledger.json']);
    expect(readdirSync(join(dir, 'keys'))).toEqual(['master']);
  });

  it('again changes nothing, and opening finds what was made', () => {
    const dir = newDir();
    const first = createDeployment(dir, {});
    const files = [first.layout.ledgerFile, first.layout.masterKeyFile];
    const before = files.map((path) => readFileSync(path, 'utf8'));
    expect(createDeployment(dir, {})).toEqual(first);
    expect(openDeployment(dir, {})).toEqual(first);
    expect(files.map((path) => readFileSync(path, 'utf8'))).toEqual(before);
    expect(first.layout).toEqual(layoutOf(dir));
  });

  it('twice makes two ledgers and two secrets', () => {
    const [one, other] = [createDeployment(newDir(), {}), createDeployment(newDir(), {})];
    expect(one.ledgerId).not.toBe(other.ledgerId);
    expect(key(one)).not.toBe(key(other));
  });

  it('makes what is missing and leaves what is there', () => {
    const dir = newDir();
    const { ledgerId, layout } = createDeployment(dir, {});
    rmSync(layout.masterKeyFile);
    expect(createDeployment(dir, {}).ledgerId).toBe(ledgerId);
    expect(existsSync(layout.masterKeyFile)).toBe(true);
  });

  // Made anew, the id would be another ledger's, and the key would recognise nobody again.
  it.each([
    ['id', 'journal', 'ledgerFile', 'SPANLEDGER_LEDGER_ID', ID],
    ['id', 'clickhouse', 'ledgerFile', 'SPANLEDGER_LEDGER_ID', ID],
    ['key', 'journal', 'masterKeyFile', 'SPANLEDGER_MASTER_KEY', KEY],
    ['key', 'clickhouse', 'masterKeyFile', 'SPANLEDGER_MASTER_KEY', KEY],
  ] as const)(
    'whose %s is lost, where there is a %s already, is refused',
    (_, used, file, variable, given) => {
      const dir = newDir();
      const { layout } = createDeployment(dir, {});
      mkdirSync(join(dir, used));
      createDeployment(dir, {});
      rmSync(layout[file]);
      const error = attempt(() => createDeployment(dir, {}));
      expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
      expect((error as Error).message).toContain(layout[file]);
      expect((error as { hint?: string }).hint).toContain(`restore ${layout[file]}`);
      expect(existsSync(layout[file])).toBe(false);
      const { ledgerId, master } = createDeployment(dir, { [variable]: given });
      expect(file === 'ledgerFile' ? ledgerId : key({ master } as Deployment)).toBe(given);
    },
  );

  it('where no directory can be made says so, and does not try for ever', () => {
    const error = attempt(() => createDeployment('/proc/spanledger/deeper', {}));
    expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
    expect((error as Error).message).toContain('/proc/spanledger');
  });

  it('by several processes at once: all agree, and leave no drafts', async () => {
    const dir = newDir();
    const children = Array.from({ length: 8 }, () => journalChild('deploy', dir));
    await Promise.all(children.map((child) => child.heard(1)));
    for (const child of children) child.process.stdin!.end();
    const said = await Promise.all(children.map(async (child) => (await child.heard(2))[1]));
    const { ledgerId, ...deployment } = openDeployment(dir, {});
    expect(said).toEqual(Array(8).fill({ ledgerId, master: key({ ledgerId, ...deployment }) }));
    expect(readdirSync(dir).sort()).toEqual(['keys', 'ledger.json']);
    expect(readdirSync(join(dir, 'keys'))).toEqual(['master']);
  });

  it('where a file is, or in one, is refused', async () => {
    const file = newDir();
    writeFileSync(file, '');
    expect(await codeOf(() => createDeployment(file, {}))).toBe('config_invalid');
    expect(await codeOf(() => createDeployment(join(file, 'in'), {}))).toBe('config_invalid');
    expect(await codeOf(() => openDeployment(file, {}))).toBe('ledger_unknown');
  });
});

describe('the environment', () => {
  it('comes first, and nothing is written of what it gives', () => {
    const env = { SPANLEDGER_LEDGER_ID: ID, SPANLEDGER_MASTER_KEY: KEY };
    const dir = newDir();
    const given = createDeployment(dir, env);
    expect([given.ledgerId, key(given)]).toEqual([ID, KEY]);
    expect(readdirSync(dir)).toEqual([]);
    const made = createDeployment(dir, {});
    expect(made.ledgerId).not.toBe(ID);
    expect([openDeployment(dir, env).ledgerId, key(openDeployment(dir, env))]).toEqual([ID, KEY]);
    expect([
      openDeployment(dir, { SPANLEDGER_LEDGER_ID: ID }).ledgerId,
      key(openDeployment(dir, { SPANLEDGER_LEDGER_ID: ID })),
    ]).toEqual([ID, key(made)]);
  });

  it.each([
    [{ SPANLEDGER_LEDGER_ID: ID.toUpperCase() }, 'SPANLEDGER_LEDGER_ID'],
    [{ SPANLEDGER_LEDGER_ID: `{${ID}}` }, 'SPANLEDGER_LEDGER_ID'],
    [{ SPANLEDGER_LEDGER_ID: ID.replaceAll('-', '') }, 'SPANLEDGER_LEDGER_ID'],
    [{ SPANLEDGER_LEDGER_ID: `${ID}\n` }, 'SPANLEDGER_LEDGER_ID'],
    [{ SPANLEDGER_LEDGER_ID: '' }, 'SPANLEDGER_LEDGER_ID'],
    [{ SPANLEDGER_MASTER_KEY: '' }, 'SPANLEDGER_MASTER_KEY'],
    [{ SPANLEDGER_MASTER_KEY: KEY.slice(3) }, 'SPANLEDGER_MASTER_KEY'],
    [{ SPANLEDGER_MASTER_KEY: KEY.slice(0, -1) }, 'SPANLEDGER_MASTER_KEY'],
    [{ SPANLEDGER_MASTER_KEY: `${KEY}A` }, 'SPANLEDGER_MASTER_KEY'],
    [{ SPANLEDGER_MASTER_KEY: KEY.replace(' ', '  ') }, 'SPANLEDGER_MASTER_KEY'],
    [{ SPANLEDGER_MASTER_KEY: `k 2 ${KEY.slice(3)}` }, 'SPANLEDGER_MASTER_KEY'],
    [
      { SPANLEDGER_MASTER_KEY: `k2 ${Buffer.alloc(32, 0xff).toString('base64')}`.slice(0, 46) },
      'SPANLEDGER_MASTER_KEY',
    ],
  ])('%j is refused, by name, and its value is not repeated', (env, name) => {
    const dir = newDir();
    createDeployment(dir, {});
    const error = attempt(() => openDeployment(dir, env).master);
    expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
    expect((error as Error).message).toContain(name);
    expect(
      attempt(() => createDeployment(dir, env)),
      'whoever writes hears of it at once',
    ).toEqual(error);
    const [value] = Object.values(env);
    if (name.endsWith('KEY') && value !== '') expect((error as Error).message).not.toContain(value);
  });
});

describe('opening a deployment', () => {
  it('asks for no key until somebody needs it', () => {
    const dir = newDir();
    const { layout, ledgerId } = createDeployment(dir, {});
    const secret = readFileSync(layout.masterKeyFile);
    rmSync(layout.masterKeyFile);
    const deployment = openDeployment(dir, {});
    expect(deployment.ledgerId).toBe(ledgerId);
    expect(
      isSpanledgerError(
        attempt(() => deployment.master),
        'config_invalid',
      ),
    ).toBe(true);
    writeFileSync(layout.masterKeyFile, secret, { mode: 0o600 });
    const { master } = deployment;
    rmSync(layout.masterKeyFile);
    expect(deployment.master, 'read once').toBe(master);
  });

  it('that is not there says what to do', () => {
    const error = attempt(() => openDeployment(newDir(), {}));
    expect(isSpanledgerError(error, 'directory_missing')).toBe(true);
    expect((error as { hint?: string }).hint).toContain('--dir');
  });

  it.each([
    ['no file', undefined, 'ledger_unknown'],
    ['an empty file', '', 'ledger_unknown'],
    ['half a file', '{"ledger_id":"', 'ledger_unknown'],
    ['null', 'null', 'config_invalid'],
    ['a list', '[]', 'config_invalid'],
    ['no id', '{}', 'config_invalid'],
    ['a number', '{"ledger_id":1}', 'config_invalid'],
    ['an id in capitals', `{"ledger_id":"${ID.toUpperCase()}"}`, 'config_invalid'],
    ['an id with more after it', `{"ledger_id":"${ID}\\n${ID}"}`, 'config_invalid'],
  ])('whose ledger.json is %s is refused, and not made anew', async (_, content, code) => {
    const dir = newDir();
    const { layout } = createDeployment(dir, {});
    if (content === undefined) rmSync(layout.ledgerFile);
    else writeFileSync(layout.ledgerFile, content);
    expect(await codeOf(() => openDeployment(dir, {}))).toBe(code);
    if (content !== undefined) {
      expect(await codeOf(() => createDeployment(dir, {}))).toBe(code);
      expect(readFileSync(layout.ledgerFile, 'utf8')).toBe(content);
    }
  });

  it.each([
    ['gone', (path: string) => rmSync(path), 'restore the key'],
    [
      'a folder',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
      'restore the key',
    ],
    ['empty', (path: string) => writeFileSync(path, ''), 'one line'],
    ['cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 30)), 'one line'],
    ['something else', (path: string) => writeFileSync(path, '-----BEGIN PRIVATE KEY-----\n'), 'one line'],
  ])('whose key is %s is refused', (_, damage, hint) => {
    const dir = newDir();
    const { layout } = createDeployment(dir, {});
    damage(layout.masterKeyFile);
    const error = attempt(() => openDeployment(dir, {}).master);
    expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
    expect((error as { hint?: string }).hint).toContain(hint);
  });

  it.skipIf(process.platform === 'win32').each([0o640, 0o604, 0o644, 0o660, 0o610, 0o601])(
    'whose key others may touch, mode %s, is refused until they may not',
    (bits) => {
      const dir = newDir();
      const { layout } = createDeployment(dir, {});
      chmodSync(layout.masterKeyFile, bits);
      const error = attempt(() => openDeployment(dir, {}).master);
      expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
      expect((error as { hint?: string }).hint).toBe(`chmod 600 ${layout.masterKeyFile}`);
      for (const good of [0o600, 0o400]) {
        chmodSync(layout.masterKeyFile, good);
        expect(openDeployment(dir, {}).master.map(({ id }) => id)).toEqual(['k1']);
      }
    },
  );

  it('reads several keys, the last of which writes, whatever ends their lines', () => {
    const dir = newDir();
    const { layout } = createDeployment(dir, {});
    for (const end of ['', '\n', '\r\n', '\n\n']) {
      writeFileSync(layout.masterKeyFile, `k1 ${'A'.repeat(43)}${end || '\n'}${KEY}${end}`);
      expect(key(openDeployment(dir, {}))).toBe(KEY);
      expect(openDeployment(dir, {}).master.map(lineOf)).toEqual([`k1 ${'A'.repeat(43)}`, KEY]);
    }
  });

  it.each([
    ['of one id', [line(1), line(2), line(1, 9)], 3, 'another key has this id'],
    ['of one id and secret', [line(1), '', line(1)], 3, 'another key has this id'],
    ['broken', [line(1), line(2).slice(0, -1), line(3)], 2, 'not a key'],
    ['with a note behind', [`${line(1)} old`, line(2)], 1, 'not a key'],
    ['of too many', Array.from({ length: 17 }, (_, i) => line(i)), 17, 'more than 16 keys'],
  ])('refuses lines %s, by file and number, without a word of them', (_, lines, at, says) => {
    const dir = newDir();
    const { layout } = createDeployment(dir, {});
    const text = lines.join('\n');
    writeFileSync(layout.masterKeyFile, text);
    const env = { SPANLEDGER_MASTER_KEY: text };
    const given: [Environment, string][] = [
      [{}, layout.masterKeyFile],
      [env, 'SPANLEDGER_MASTER_KEY'],
    ];
    for (const [from, source] of given) {
      const error = attempt(() => openDeployment(dir, from).master);
      expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
      expect((error as Error).message).toBe(`${source}:${at}: ${says}`);
    }
  });

  it('reads as many as may be', () => {
    const dir = newDir();
    const text = Array.from({ length: 16 }, (_, i) => line(i)).join('\n');
    const { layout } = createDeployment(dir, {});
    writeFileSync(layout.masterKeyFile, text);
    expect(openDeployment(dir, {}).master.map(lineOf).join('\n')).toBe(text);
    expect(openDeployment(dir, { SPANLEDGER_MASTER_KEY: text }).master).toEqual(
      openDeployment(dir, {}).master,
    );
  });

  it('writes them whole, for its owner only, and leaves no drafts', () => {
    const dir = newDir();
    const { layout, master } = createDeployment(dir, {});
    const keys = [...master, { id: 'k2', secret: Buffer.alloc(32, 3) }];
    writeMasterKeys(layout.masterKeyFile, keys);
    expect(openDeployment(dir, {}).master).toEqual(keys);
    expect(mode(layout.masterKeyFile)).toBe('600');
    expect(readdirSync(join(dir, 'keys'))).toEqual(['master']);
    const error = attempt(() => writeMasterKeys('/proc/spanledger/master', keys));
    expect(isSpanledgerError(error, 'config_invalid')).toBe(true);
    expect((error as Error).message).toContain('/proc/spanledger/master cannot be written');
  });
});

function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
