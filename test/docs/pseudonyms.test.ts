import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/pseudonyms.md', 'utf8');
const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split('\n'));

it('docs/pseudonyms.md has commands that run, one after another', async () => {
  const folder = temporaryFolder();
  const env = { SPANLEDGER_DIR: join(folder, '.spanledger') };
  const candidates = join(folder, 'candidates.txt');
  writeFileSync(candidates, 'P-1042\nP-1043\n');
  await spanledger(['ingest', 'test/golden/captures/vercel_ai-6.0.326/traces-001.json'], { env });
  const codes: (number | null)[] = [];
  for (const command of commands) {
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!).slice(1);
    const ran = await spanledger(
      args.map((arg) => (arg === 'candidates.txt' ? candidates : arg)),
      { env },
    );
    expect(ran.stderr, command).not.toContain('Error:');
    codes.push(ran.code);
  }
  // The pseudonym in the page is under a key of SPEC.md: none of the candidates.
  expect(codes).toEqual([0, 1, 0, 0]);
  expect((await spanledger(['verify'], { env })).code).toBe(0);
});
