import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { parseReply } from '../../src/anchor/rfc3161.ts';
import { parseSettings } from '../../src/config/settings.ts';
import { checkpointOf } from '../support/anchors/checkpoints.ts';
import { opensslMissing } from '../support/anchors/tsa.ts';
import { temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/anchors.md', 'utf8');
const block = (language: string) => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(PAGE)![1]!;

it('docs/anchors.md has settings that are settings', () => {
  const { anchors } = parseSettings(`version: 1\n${block('yaml')}`, 'the page');
  expect(anchors.map(({ kind }) => kind)).toEqual(['directory', 's3', 'tsa', 'witness']);
});

it.skipIf(opensslMissing())('docs/anchors.md has commands that check a token without us', () => {
  const folder = temporaryFolder();
  const reply = parseReply(readFileSync('test/golden/tsa/granted.tsr'));
  writeFileSync(join(folder, 'note'), checkpointOf(42).note);
  writeFileSync(join(folder, 'token.der'), reply.status === 'granted' ? reply.token : '');
  copyFileSync(resolve('test/golden/tsa/ca.pem'), join(folder, 'tsa-root.pem'));
  // The certificate of these tokens ended long ago.
  const script = block('sh').replace(
    '-CAfile',
    `-attime ${Date.UTC(2026, 10, 21, 21, 0, 8) / 1_000} -CAfile`,
  );
  const options = { cwd: folder, encoding: 'utf8', stdio: 'pipe' } as const;
  expect(execFileSync('sh', ['-ec', script], options)).toContain('Verification: OK');
});
