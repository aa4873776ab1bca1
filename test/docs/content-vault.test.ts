import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseSettings } from '../../src/config/settings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/content-vault.md', 'utf8');
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!);

it('docs/content-vault.md has settings that are settings, and commands that run', async () => {
  const [policy, command] = blocks('yaml');
  expect(parseSettings(`version: 1\n${policy}${command}`, 'the page').vault.key_command).toHaveLength(2);
  const dir = join(temporaryFolder(), 'ledger');
  mkdirSync(dir);
  writeFileSync(join(dir, 'spanledger.yaml'), `version: 1\n${policy}`);
  const env = { SPANLEDGER_DIR: dir };
  let id = '';
  for (const line of blocks('sh').join('').trim().split('\n')) {
    const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!).slice(1);
    const args = words
      .map((word) =>
        word === 'traces.json' ? 'test/golden/captures/vercel_ai-6.0.326/traces-001.json' : word,
      )
      .map((word) => (/^[0-9a-f]{32}:3$/.test(word) ? id : word));
    const ran = await spanledger(args, { env });
    expect(ran.code, line + ran.stderr).toBe(0);
    if (args[0] === 'policy') expect(ran.stdout).toContain('"content": "vault"');
    if (args[0] === 'sql')
      id = documentOf<{ id: string }[]>(
        await spanledger([...args.slice(0, 1), `${args[1]} WHERE field = 'prompt'`, '--json'], { env }),
      )[0]!.id;
    if (args[0] === 'content') expect(ran.stdout).toContain('prompt');
  }
});
