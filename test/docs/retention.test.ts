import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { complaints, documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/retention.md', 'utf8');
const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split('\n'));
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
