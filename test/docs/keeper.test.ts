import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { complaints, spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/keeper.md', 'utf8');
const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split('\n'));

it('docs/keeper.md has commands that run, one after another', async () => {
  const env = { SPANLEDGER_DIR: join(temporaryFolder(), '.spanledger') };
  await spanledger(['ingest', 'test/golden/captures/vercel_ai-6.0.326/traces-001.json'], { env });
  expect(commands.length).toBeGreaterThan(3);
  for (const command of commands) {
    const ran = await spanledger(command.split(' ').slice(1), { env });
    expect([command, complaints(ran), ran.code]).toEqual([command, '', 0]);
  }
});
