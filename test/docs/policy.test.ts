import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseSettings } from '../../src/config/settings.ts';
import { spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/policy.md', 'utf8');
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!);

it('docs/policy.md has settings that are read', () => {
  const [yaml, ...more] = blocks('yaml');
  expect(more).toEqual([]);
  const { policy } = parseSettings(yaml!, 'docs/policy.md');
  expect(policy.patterns).toHaveLength(1);
  expect(policy.prompt).toEqual({ builtin: true, ignore: ['queue length: \\d+'] });
});

it('docs/policy.md has commands that run', async () => {
  const commands = blocks('sh').flatMap((block) => block.trim().split('\n'));
  expect(commands.length).toBeGreaterThan(1);
  const env = { SPANLEDGER_DIR: join(temporaryFolder(), 'ledger') };
  await spanledger(['init'], { env });
  for (const command of commands)
    expect(await spanledger(command.split(' ').slice(1), { env })).toMatchObject({ code: 0 });
});
