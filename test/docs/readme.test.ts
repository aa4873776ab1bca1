import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { complaints, spanledger } from '../support/cli.ts';
import { serve } from '../support/serve.ts';

const README = readFileSync('README.md', 'utf8');
const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { [name: string]: string } })
  .scripts;

const blocks = (language: string) =>
  [...README.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!);
const commands = blocks('sh').flatMap((block) => block.trim().split('\n'));

describe('README.md', () => {
  // Inside the repository, so that the package is found by its own name.
  const folder = 'test/.readme';

  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    copyFileSync('test/golden/captures/vercel_ai-6.0.326/traces-001.json', join(folder, 'traces.json'));
    return () => rmSync(folder, { recursive: true, force: true });
  });

  it('names npm scripts that exist', () => {
    const npm = commands
      .filter((command) => command.startsWith('npm'))
      .flatMap((command) => command.split(' && '));
    expect(npm).toEqual(['npm ci', 'npm start', 'npm ci', 'npm test']);
    for (const script of ['start', 'test']) expect(scripts).toHaveProperty(script);
  });

  it('has code that runs as it stands', () => {
    const [code, ...more] = blocks('js');
    expect(more).toEqual([]);
    writeFileSync(join(folder, 'app.mjs'), code!);
    execFileSync(process.execPath, ['app.mjs'], { cwd: folder });
  });

  const isServe = (command: string) => command.startsWith('spanledger serve');

  it.each(commands.filter(isServe))('%s', async (command) => {
    const serving = await serve(join(folder, '.spanledger'), command.split(' ').slice(2));
    expect((await fetch(`${serving.admin}/readyz`)).status).toBe(200);
    expect(await serving.stop('SIGTERM')).toBe(0);
  });

  it.each(commands.filter((command) => command.startsWith('spanledger') && !isServe(command)))(
    '%s',
    async (command) => {
      const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!).slice(1);
      const ran = await spanledger(
        args.map((arg) => (arg === 'traces.json' ? join(folder, arg) : arg)),
        {
          env: { SPANLEDGER_DIR: join(folder, '.spanledger') },
        },
      );
      // A token is for the terminal, what to do with it for whoever reads there.
      if (args[0] !== 'token') expect(complaints(ran)).toBe('');
      expect(ran.code).toBe(0);
      expect(ran.stdout).not.toBe('');
    },
  );

  it('shows what the timeline says of the refund', async () => {
    const ran = await spanledger(['timeline', 'conv-1', '--dir', join(folder, '.spanledger')]);
    expect(ran.stdout).toContain('✅ issue_refund({"card_number":"***REDACTED***","order_id":"ord-551"})');
  });
});
