import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import { Store } from '../../src/store/client.ts';
import { AgedWriter, DAY, present } from '../support/aged-ledger.ts';
import { complaints, documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { fileFolder, LEDGER_ID, ORIGIN } from '../support/ledger-kit.ts';

const PAGE = readFileSync('docs/retention.md', 'utf8');
const all = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split('\n'));
const ofArchives = (command: string) => command.startsWith('spanledger archive ');
const commands = all.filter((command) => !ofArchives(command));
const [, SETTINGS] = /^```yaml\n(.*?)^```/ms.exec(PAGE)!;
const wordsOf = (line: string) =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!).slice(1);

it('docs/retention.md has commands that run, one after another, and a hold that another releases', async () => {
  const env = { SPANLEDGER_DIR: join(temporaryFolder(), '.spanledger') };
  await spanledger(['ingest', 'test/golden/captures/vercel_ai-6.0.326/traces-001.json'], { env });
  expect(commands.length).toBeGreaterThan(6);
  for (const command of commands) {
    const ran = await spanledger(wordsOf(command), { env });
    expect([command, complaints(ran), ran.code]).toEqual([command, '', 0]);
  }
  const listed = await spanledger(['hold', 'list', '--json'], { env });
  const { holds } = documentOf<{ holds: { hold_id: string; case: string; placed_by: string }[] }>(listed);
  expect(holds.map((each) => [each.case, each.placed_by])).toEqual([
    ['Roe v. Clinic', 'ann'],
    ['Audit 2026', 'ann'],
  ]);
  const [, release] = /`spanledger (hold release .*?)`/.exec(PAGE)!;
  const words = wordsOf(`spanledger ${release}`).map((word) => (word === 'HOLD' ? holds[0]!.hold_id : word));
  const same = await spanledger([...words.slice(0, -1), 'ann', '--json'], { env });
  expect([same.code, documentOf<{ error: object }>(same).error]).toMatchObject([4, { code: 'hold_refused' }]);
  expect((await spanledger(words, { env })).code).toBe(0);
  const unknown = await spanledger(words, { env });
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('is no hold in force')]);
});

it('docs/retention.md has settings and commands for archives, which are listed and verified', async () => {
  const folder = fileFolder();
  const dir = join(folder, 'ledger');
  const archives = join(folder, 'archives');
  const env = { SPANLEDGER_LEDGER_ID: LEDGER_ID, SPANLEDGER_DIR: dir };
  const run = async (words: string[], code = 0) => {
    const ran = await spanledger([...words, '--json'], { env });
    expect([words.join(' '), ran.stderr, ran.code]).toEqual([words.join(' '), expect.anything(), code]);
    return documentOf<{
      archived: number;
      purged: number;
      status: string;
      archives: { to: string; state: string; problems: { code: string }[] }[];
    }>(ran);
  };
  mkdirSync(dir);
  const settings = SETTINGS!.replace('/srv/spanledger-archives', '../archives');
  expect(settings).not.toBe(SETTINGS);
  writeFileSync(join(dir, 'spanledger.yaml'), `version: 1\norigin: ${ORIGIN}\n${settings}`);
  for (const command of ['init', 'migrate']) await run([command]);
  const store = await Store.embedded(layoutOf(dir));
  const writer = new AgedWriter(dir, store);
  const now = Math.floor(Date.now() / 1_000);
  for (const days of [600, 500, 300]) writer.record(now - days * DAY, 'soc2');
  await writer.close();
  await store.close();

  expect((await run(['archive', 'verify'], 5)).status).toBe('empty');
  expect(await run(['retention', 'run'])).toMatchObject({ archived: 3, purged: 2 });
  const [list, verify] = all.filter(ofArchives).map(wordsOf);
  expect((await run(list!)).archives.map(({ state }) => state)).toEqual(Array(3).fill('confirmed'));
  const good = await run(verify!);
  expect(good).toMatchObject({ status: 'valid' });
  expect(good.archives.map(({ to }) => to)).toEqual(readdirSync(archives).sort());
  const [first, second] = good.archives.map(({ to }) => join(archives, to));
  expect(await run([...verify!, first!, '--trust', join(dir, 'trust')])).toEqual({
    ...good,
    ...{ folder: first, trust: 'given', archives: [good.archives[0]] },
  });
  const after = await Store.embedded(layoutOf(dir));
  expect(await present(after)).toHaveLength(1);
  await after.close();

  appendFileSync(join(first!, 'records-000001.parquet'), 'x');
  const bad = await run(verify!, 1);
  expect([bad.status, bad.archives.map(({ problems }) => problems.map(({ code }) => code))]).toEqual([
    'tampered',
    [['archive_mismatch'], [], []],
  ]);
  renameSync(second!, join(folder, 'elsewhere'));
  expect((await run(list!, 1)).archives.map(({ state }) => state)).toEqual([
    ...['confirmed', 'confirmed', 'missing'],
  ]);
});
