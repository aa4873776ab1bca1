import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/archives.md', 'utf8');
const [exporting, verifying] = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) =>
  match[1]!.trim().split('\n'),
);
const args = (command: string) => command.split(' ').slice(1);

/** Loads neither of the engines, whatever asks for it. */
const NO_ENGINE = `data:text/javascript,${encodeURIComponent(
  `import { register } from 'node:module';
   register('data:text/javascript,' + encodeURIComponent(\`export function resolve(name, context, next) {
     if (/^chdb/.test(name)) throw new Error(name + ' is not to be loaded');
     return next(name, context);
   }\`));`,
)}`;

it('docs/archives.md has commands that run: the second where the ledger is not', async () => {
  const folder = temporaryFolder();
  const [dir, elsewhere] = [join(folder, 'ledger'), join(folder, 'elsewhere')];
  const [archive, key] = ['ledger-2026-03', 'ledger.vkey'];
  mkdirSync(elsewhere);
  const place = (word: string) => (word === archive || word === key ? join(elsewhere, word) : word);
  const ingested = await spanledger(['demo', '--keep', '--dir', dir]);
  expect(ingested.code, ingested.stderr).toBe(0);
  const ran = await spanledger(args(exporting!).map(place), { env: { SPANLEDGER_DIR: dir } });
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stdout).toContain('spanledger verify --archive');
  copyFileSync(join(dir, 'trust'), join(elsewhere, key));
  const online = documentOf<Verification>(await spanledger(['verify', '--dir', dir, '--json']));
  rmSync(dir, { recursive: true });

  const env = { NODE_OPTIONS: `--import ${NO_ENGINE}`, SPANLEDGER_DIR: join(folder, 'none') };
  const found = await spanledger([...args(verifying!).map(place), '--json'], { env });
  expect(found.code, found.stderr).toBe(0);
  const offline = documentOf<Verification>(found);
  expect(offline).toMatchObject({ status: 'valid', trust: 'given', unchecked: [] });
  expect(offline.chains).toEqual(online.chains);
  expect(offline.records_checked).toBe(online.records_checked);

  const changed = join(folder, 'changed');
  cpSync(join(elsewhere, archive), changed, { recursive: true });
  writeFileSync(join(changed, 'records-000001.parquet'), 'x', { flag: 'a' });
  const bad = await spanledger(['verify', '--archive', changed, '--trust', join(elsewhere, key), '--json']);
  expect(bad.code).toBe(1);
  expect(documentOf<Verification>(bad).findings.map(({ code }) => code)).toContain('archive_mismatch');
  expect((await spanledger(['verify', '--archive', changed])).code).toBe(2);
});
